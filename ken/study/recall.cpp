// What the model knows: by exposure, by relation, in other words, as claims; and what its wrong answers are like.
#include <map>

#include "ken/base/error.h"
#include "ken/study/sections.h"

namespace ken::study {
namespace {

constexpr double steady = 0.8;  // of the samples

double sample_share(const Json& r, const char* key) {
  return r.at(key).get<double>() / double(std::max<size_t>(1, r.at("samples").size()));
}

// Known: the answer is right and so are nearly all samples. Unknown: neither the answer nor any sample is right.
std::string knowledge(const Json& r) {
  if (right(r) && sample_share(r, "samples_right") >= steady) return "known";
  return !right(r) && r.at("samples_right") == 0 ? "unknown" : "half_known";
}

Json split_row(const std::string& label, const Rows& rows) {
  Json result{{"label", label}};
  for (const char* part : {"known", "half_known", "unknown"})
    result[part] = share(rows, std::string("share_") + part, [part](const Json& r) { return knowledge(r) == part; });
  return result;
}

std::string kind_of_error(const Json& r) {
  if (!r.at("right_type").get<bool>()) return "no answer of the kind that is asked for";
  if (sample_share(r, "samples_equal") >= steady) return "the same wrong answer each time";
  return r.at("samples_right") == 0 ? "a different answer each time" : "wrong, though a sample was right";
}

Json errors(const Rows& rows) {
  const Rows wrong = where(rows, [](const Json& r) { return !right(r); });
  Json result = Json::array();
  for (const char* kind : {"the same wrong answer each time", "a different answer each time",
                           "wrong, though a sample was right", "no answer of the kind that is asked for"}) {
    const auto is = [kind](const Json& r) { return kind_of_error(r) == kind; };
    result.push_back({{"label", kind},
                      {"share", share(wrong, "share_of_wrong_answers", is)},
                      {"examples", examples(where(wrong, is), 3, right_or_wrong)}});
  }
  return result;
}

// How the same facts are answered when they are asked in another way.
Json variants_of(const Rows& rows) {
  std::map<std::string, Rows> kinds;
  for (const Json* r : rows) kinds[r->at("kind").get<std::string>()].push_back(r);
  Json result = Json::array();
  for (const auto& [kind, group] : kinds) {
    const auto known = [](const Json& r) { return r.at("known").get<bool>(); };
    const Rows of_known = where(group, known);
    result.push_back({{"label", kind},
                      {"plain", share(group, "accuracy_as_asked_first", known)},
                      {"asked", share(group, "accuracy", right)},
                      {"kept", share(of_known, "accuracy_on_known_facts", right)},
                      {"examples", examples(of_known, 3, right_or_wrong)}});
  }
  return result;
}

Json claims_of(const Rows& rows) {
  if (rows.empty()) return nullptr;
  const auto known = [](bool wanted) {
    return [wanted](const Json& r) { return r.at("known").get<bool>() == wanted; };
  };
  return {{"all", share(rows, "accuracy_chance_0.5", right)},
          {"known", share(where(rows, known(true)), "accuracy_chance_0.5", right)},
          {"unknown", share(where(rows, known(false)), "accuracy_chance_0.5", right)},
          {"says_true",
           share(rows, "share_judged_true", [](const Json& r) { return right(r) == r.at("truth").get<bool>(); })},
          {"examples", examples(rows, 3, right_or_wrong)}};
}

}  // namespace

Json recall_section(const Rows& rows, const Rows& variants, const Rows& claims, const Bands& bands, uint64_t seed) {
  Json section{{"overall", share(rows, "accuracy", right)},
               {"by_exposure", Json::array()},
               {"by_relation", Json::array()},
               {"split", Json::array({split_row("all", rows)})},
               {"wrong", errors(rows)},
               {"variants", variants_of(variants)},
               {"claims", claims_of(claims)}};
  for (const auto& [label, group] : by_exposure(rows, bands)) {
    section["by_exposure"].push_back(
        {{"label", label},
         {"accuracy", share(group, "accuracy", right)},
         {"confidence", average(group, "sequence-probability", "mean_confidence", seed)},
         {"right_type",
          share(group, "answer_of_the_relation", [](const Json& r) { return r.at("right_type").get<bool>(); })},
         {"examples", examples(group, 3, right_or_wrong)}});
    section["split"].push_back(split_row(label, group));
  }
  std::map<std::string, Rows> relations;
  for (const Json* r : rows) relations[r->at("relation").get<std::string>()].push_back(r);
  for (const auto& [label, group] : relations)
    section["by_relation"].push_back({{"label", label.empty() ? "all" : label},
                                      {"accuracy", share(group, "accuracy", right)},
                                      {"examples", examples(group, 2, right_or_wrong)}});
  section["examples"] = examples(rows, 6, right_or_wrong);
  return section;
}

}  // namespace ken::study
