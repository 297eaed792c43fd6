#include "ken/study/levers.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/data/texts.h"
#include "ken/study/sections.h"

namespace ken::study {
namespace {

constexpr int64_t written_tokens = 24;  // behind each beginning of a text
constexpr size_t beginning_bytes = 60;

// Beginnings of texts, cut at a blank.
std::vector<std::string> beginnings_of(const data::Texts& texts, size_t count) {
  std::vector<std::string> result;
  for (int64_t i = 0; i < texts.count && result.size() < count; ++i) {
    const std::string text = texts.at(i);
    const size_t cut = text.rfind(' ', std::min(beginning_bytes, text.size() / 2));
    if (cut != std::string::npos && cut > 0) result.push_back(text.substr(0, cut));
  }
  return result;
}

// Share of trigrams that occurred before in the same text; 0 where there is none.
double repetition(const std::vector<int32_t>& tokens) {
  std::set<std::array<int32_t, 3>> seen;
  size_t n = 0;
  for (size_t i = 0; i + 3 <= tokens.size(); ++i, ++n) seen.insert({tokens[i], tokens[i + 1], tokens[i + 2]});
  return n == 0 ? 0 : 1 - double(seen.size()) / double(n);
}

// Mean logprob a token of what was written, under the model without controls.
std::vector<double> plain_logprobs(const LeverInput& input, const std::vector<std::string>& beginnings,
                                   const std::vector<generate::Generated>& written) {
  std::vector<evidence::OptionTokens> items;
  for (size_t i = 0; i < written.size(); ++i)
    if (!written[i].tokens.empty())
      items.push_back({model::prompt_ids(input.model, beginnings[i]), {written[i].tokens}});
  const auto scores = items.empty() ? std::vector<std::vector<evidence::OptionScore>>()
                                    : evidence::score_tokens(input.model, items, input.compute);
  std::vector<double> result;
  size_t next = 0;
  for (const auto& text : written)
    result.push_back(text.tokens.empty() ? NAN : scores[next++][0].logprob / double(text.tokens.size()));
  return result;
}

const Json labelled_rate(const std::string& label, const Json& number) { return {{"label", label}, {"rate", number}}; }

Json point_of(const std::string& setting, const Rows& rows) {
  const auto kind = [&](const char* name, bool known_only) {
    return where(rows,
                 [=](const Json& r) { return r.at("kind") == name && (!known_only || r.at("known").get<bool>()); });
  };
  Json point{{"setting", setting}, {"moved", Json::array()}, {"broke", Json::array()}};
  if (const Rows conflict = kind("conflict", false); !conflict.empty()) {
    const auto follows = [&](const char* side) {
      return share(conflict, std::string("follows_") + side, [=](const Json& r) { return r.at("followed") == side; });
    };
    point["moved"] = {labelled_rate("answers from the context", follows("context")),
                      labelled_rate("answers from memory", follows("memory"))};
    point["broke"].push_back(labelled_rate("answers from neither", follows("neither")));
  }
  if (const Rows agree = kind("agree", false); !agree.empty())
    point["broke"].push_back(labelled_rate("right beside an agreeing passage", share(agree, "accuracy", right)));
  if (const Rows other = kind("irrelevant", true); !other.empty())
    point["broke"].push_back(
        labelled_rate("known facts right beside an irrelevant passage", share(other, "accuracy", right)));
  if (const Rows closed = kind("closed book", true); !closed.empty())
    point["broke"].push_back(labelled_rate("known facts right without a passage", share(closed, "accuracy", right)));
  const Rows text = where(kind("text", false), [](const Json& r) { return !r.at("probability").is_null(); });
  if (!text.empty()) {
    point["broke"].push_back(labelled_rate("probability of what it writes, a token, without the lever",
                                           average(text, "probability", "exp_mean_logprob_of_written_tokens", 0)));
    point["broke"].push_back(
        labelled_rate("repeated trigrams", average(text, "repetition", "share_of_trigrams_seen_before", 0)));
  }
  return point;
}

}  // namespace

LeverItems lever_items(const data::FactSet& facts, const data::PromptStyle& style, uint64_t seed, size_t conflicts) {
  LeverItems items;
  std::map<std::string, size_t> taken;
  for (size_t i = 0; i < facts.contexts.size(); ++i) {
    const auto& item = facts.contexts[i];
    const bool conflict = item.kind == "conflict" && item.intent == "none";
    if (!conflict && item.kind != "agree" && item.kind != "irrelevant") continue;
    if (taken[item.kind]++ < (conflict ? conflicts : conflicts / 2)) items.contexts.push_back(i);
  }
  for (size_t i = 0; i < std::min(facts.facts.size(), conflicts / 2); ++i) items.facts.push_back(i);
  items.beginnings = beginnings_of(data::texts_about(facts, style, seed), conflicts / 4);
  return items;
}

std::vector<LeverSetting> lever_settings(const StudyLever& lever) {
  const Card& card = Registry<generate::ControlEntry>::get().at("control", lever.control).card;
  const auto setting = [&](const std::string& parameter, const std::string& text, const Json& params) {
    return LeverSetting{lever.control, card.title, parameter, text, {generate::control_from(lever.control, params)}};
  };
  const LeverSetting off{lever.control, card.title, lever.values.empty() ? "setting" : lever.parameter, "off", {}};
  if (lever.values.empty()) return {off, setting("setting", "on", lever.params)};
  std::vector<Json> values = lever.values;
  // A value that changes nothing takes the place of "off", in its order among the others.
  const Json null = card.null_setting.is_object() ? card.null_setting.value(lever.parameter, Json()) : Json();
  const bool ordered = null.is_number() && card.null_setting.size() == 1;
  if (ordered && !is_in(null, values)) values.push_back(null);
  if (ordered) std::sort(values.begin(), values.end());
  std::vector<LeverSetting> settings;
  if (!ordered) settings.push_back(off);
  for (const Json& value : values) {
    Json params = lever.params;
    params[lever.parameter] = value;
    settings.push_back(setting(lever.parameter,
                               value.is_string()   ? value.get<std::string>()
                               : value.is_number() ? fmt::format("{:g}", value.get<double>())
                                                   : value.dump(),
                               params));
  }
  return settings;
}

std::map<std::string, std::string> memory_of(const LeverInput& input, const LeverItems& items) {
  std::map<std::string, const data::Fact*> facts;
  std::set<std::string> wanted;
  for (const auto& fact : input.facts.facts) facts[fact.id] = &fact;
  for (const size_t i : items.contexts) wanted.insert(input.facts.contexts[i].fact);
  for (const size_t i : items.facts) wanted.insert(input.facts.facts[i].id);
  std::erase_if(wanted, [&](const std::string& id) { return facts.count(id) == 0; });
  std::vector<generate::Request> requests;
  for (const auto& id : wanted) requests.push_back(evidence::closed_book(*facts[id], input.style));
  const auto answers = evidence::greedy_answers(input.model, requests, input.compute);
  std::map<std::string, std::string> memory;
  size_t next = 0;
  for (const auto& id : wanted) memory[id] = answers[next++].text;
  return memory;
}

std::vector<Json> lever_rows(LeverInput& input, const LeverItems& items, const LeverSetting& setting,
                             const std::map<std::string, std::string>& memory) {
  std::vector<generate::Request> requests;
  for (const size_t i : items.contexts)
    requests.push_back(evidence::with_passage(input.facts.contexts[i], input.style));
  for (const size_t i : items.facts) {
    requests.push_back(evidence::closed_book(input.facts.facts[i], input.style));
    requests.back().prompt.without_context = requests.back().prompt.text;  // what there is to compare with: the same
  }
  for (const auto& beginning : items.beginnings)
    requests.push_back({.prompt = {beginning, beginning}, .max_tokens = written_tokens});
  for (auto& request : requests) request.controls = setting.controls;
  std::vector<generate::Generated> answers;
  for (auto& one : generate::generate(input.scheduler, requests, {})) answers.push_back(std::move(one[0]));
  const auto known = [&](const std::string& fact, const std::vector<std::string>& accepted) {
    const auto found = memory.find(fact);
    return found != memory.end() && data::same_answer(found->second, accepted);
  };
  std::vector<Json> rows;
  const auto add = [&](const std::string& id, const std::string& kind, const generate::Generated& answer) -> Json& {
    rows.push_back({{"stage", "lever"},
                    {"id", id},
                    {"metric", "whose answer is given: exact match after SQuAD normalisation"},
                    {"seed", input.seed},
                    {"compute", nn::compute_name(input.compute)},
                    {"control", setting.control},
                    {"title", setting.title},
                    {"parameter", setting.parameter},
                    {"setting", setting.setting},
                    {"kind", kind},
                    {"answer", answer.text}});
    return rows.back();
  };
  size_t next = 0;
  for (const size_t i : items.contexts) {
    const auto& item = input.facts.contexts[i];
    const auto& answer = answers[next++];
    std::vector<std::string> from_memory = item.answers;
    if (const auto found = memory.find(item.fact); found != memory.end()) from_memory = {found->second};
    Json& row = add(item.id, item.kind, answer);
    row["known"] = known(item.fact, item.answers);
    row["followed"] = evidence::followed(answer.text, item, from_memory);
    row["right"] = data::same_answer(answer.text, item.answers);
  }
  for (const size_t i : items.facts) {
    const auto& fact = input.facts.facts[i];
    const auto& answer = answers[next++];
    Json& row = add(fact.id, "closed book", answer);
    row["known"] = known(fact.id, fact.answers);
    row["right"] = data::same_answer(answer.text, fact.answers);
  }
  const std::vector<generate::Generated> written(answers.begin() + long(next), answers.end());
  const auto logprobs = plain_logprobs(input, items.beginnings, written);
  for (size_t i = 0; i < written.size(); ++i) {
    Json& row = add(fmt::format("text {}", i), "text", written[i]);
    row["metric"] = "exp of the mean logprob of the written tokens under the model without controls";
    row["known"] = false;
    row["probability"] = written[i].tokens.empty() ? Json() : Json(std::exp(logprobs[i]));  // a block has a row an item
    row["repetition"] = repetition(written[i].tokens);
  }
  return rows;
}

Json lever_section(const Rows& rows) {
  std::vector<std::pair<std::string, std::vector<std::pair<std::string, Rows>>>> levers;  // in order of appearance
  const auto place = [](auto& list, const std::string& key) -> auto& {
    const auto found = std::find_if(list.begin(), list.end(), [&](const auto& entry) { return entry.first == key; });
    if (found != list.end()) return found->second;
    list.push_back({key, {}});
    return list.back().second;
  };
  std::map<std::string, const Json*> first;
  for (const Json* r : rows) {
    const std::string key = r->at("control").get<std::string>() + "\n" + r->at("parameter").get<std::string>();
    first.emplace(key, r);
    place(place(levers, key), r->at("setting").get<std::string>()).push_back(r);
  }
  Json section = Json::array();
  for (const auto& [key, settings] : levers) {
    Json points = Json::array();
    for (const auto& [setting, group] : settings) points.push_back(point_of(setting, group));
    section.push_back({{"id", first[key]->at("control")},
                       {"title", first[key]->at("title")},
                       {"parameter", first[key]->at("parameter")},
                       {"points", points}});
  }
  return section;
}

std::string lever_text(const Json& lever) {
  std::string text = lever.at("title").get<std::string>() + "\n";
  const auto row = [](const std::string& label, const Json& points, const char* side, size_t index) {
    std::string line = fmt::format("  {:<58}", label);
    for (const Json& point : points) {
      const Json& rows = point.at(side);
      const Json value = index < rows.size() ? rows[index].at("rate").at("value") : Json();
      line += value.is_null() ? fmt::format("{:>8}", "-") : fmt::format("{:>8.3f}", value.get<double>());
    }
    return line + "\n";
  };
  const Json& points = lever.at("points");
  std::string head = fmt::format("  {:<58}", lever.at("parameter").get<std::string>());
  for (const Json& point : points) head += fmt::format("{:>8}", point.at("setting").get<std::string>());
  text += head + "\n";
  for (const char* side : {"moved", "broke"})
    for (size_t i = 0; i < points.at(0).at(side).size(); ++i)
      text += row(points.at(0).at(side)[i].at("label"), points, side, i);
  return text;
}

}  // namespace ken::study
