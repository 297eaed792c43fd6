// Rows -> study.json; see docs/study.schema.json. Here: what the sections share, and the frame around them.
#include <algorithm>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/study/levers.h"
#include "ken/study/sections.h"
#include "ken/study/study.h"

namespace ken::study {

Json count_of(int64_t value) { return stats::to_json(stats::Number{double(value), value, NAN, NAN, "count"}); }

// A number that is not measured over items: its interval is empty.
Json plain(double value, int64_t n, const std::string& metric) {
  return stats::to_json(stats::Number{value, n, NAN, NAN, metric});
}

Json share(const Rows& rows, const std::string& metric, const std::function<bool(const Json&)>& hit) {
  const auto hits = std::count_if(rows.begin(), rows.end(), [&](const Json* r) { return hit(*r); });
  return stats::to_json(stats::proportion(hits, int64_t(rows.size()), metric));
}

Json average(const Rows& rows, const std::string& key, const std::string& metric, uint64_t seed) {
  std::vector<double> values;
  for (const Json* r : rows) values.push_back(r->at(key).get<double>());
  return stats::to_json(stats::mean(values, seed, metric));
}

Rows where(const Rows& rows, const std::function<bool(const Json&)>& keep) {
  Rows result;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(result), [&](const Json* r) { return keep(*r); });
  return result;
}

Bands::Bands(const std::vector<Json>& rows, bool popularity) : popularity_(popularity) {
  for (const Json& r : rows)
    if (r.at("stage") == "recall") most_ = std::max(most_, r.at("exposure").get<int64_t>());
}

std::string Bands::label(int64_t exposure) const {
  if (exposure < 0) return "unknown";
  if (popularity_ || most_ > 100000) {
    int64_t low = 1;
    while (low <= exposure / 10) low *= 10;
    if (exposure == 0) return popularity_ ? "popularity 0" : "0";  // never looked up, or never seen in training
    return low > INT64_MAX / 10 ? fmt::format("{}+", low) : fmt::format("{}-{}", low, low * 10 - 1);
  }
  static const std::pair<int64_t, const char*> bands[] = {
      {0, "0"}, {2, "1-2"}, {6, "3-6"}, {15, "7-15"}, {40, "16-40"}};
  for (const auto& [top, name] : bands)
    if (exposure <= top) return name;
  return "41+";
}

std::vector<std::pair<std::string, Rows>> by_exposure(const Rows& rows, const Bands& bands) {
  std::map<std::string, Rows> groups;
  std::map<std::string, int64_t> least;
  for (const Json* r : rows) {
    const int64_t exposure = r->at("exposure").get<int64_t>();
    const std::string label = bands.label(exposure);
    groups[label].push_back(r);
    least.emplace(label, exposure);
    least[label] = std::min(least[label], exposure);
  }
  if (groups.size() > 1) groups.erase("unknown");
  std::vector<std::pair<std::string, Rows>> ordered(groups.begin(), groups.end());
  std::sort(ordered.begin(), ordered.end(),
            [&](const auto& a, const auto& b) { return least[a.first] < least[b.first]; });
  return ordered;
}

namespace {

Json example(const Json& r, const std::string& verdict) {
  return {{"id", r.at("id")},
          {"question", r.at("question")},
          {"gold", r.at("gold")},
          {"answer", r.at("answer")},
          {"context", r.value("context", "")},
          {"verdict", verdict},
          {"confidence", plain(r.at("sequence-probability"), 1, "sequence-probability")}};
}

}  // namespace

Json examples(const Rows& rows, size_t each, const std::function<std::string(const Json&)>& verdict) {
  std::map<std::string, Rows> groups;
  for (const Json* r : rows) groups[verdict(*r)].push_back(r);
  Json result = Json::array();
  for (const auto& [name, group] : groups) {
    const size_t step = std::max<size_t>(1, group.size() / each);
    for (size_t i = 0; i < group.size() && i / step < each; i += step) result.push_back(example(*group[i], name));
  }
  return result;
}

Json summarize(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
               const std::vector<Json>& rows, const StudyOptions& options) {
  std::map<std::string, Rows> stage;
  for (const Json& r : rows) stage[r.at("stage").get<std::string>()].push_back(&r);
  const Bands bands(rows, facts.popularity);
  std::set<std::string> relations;
  for (const auto& fact : facts.facts) relations.insert(fact.relation.empty() ? "all" : fact.relation);
  const auto& c = model.config;
  Json probes = Json::array();
  for (const Json* r : stage["probe"])
    if (r->contains("table")) probes.push_back(r->at("table"));
  Json study{{"schema", "ken.study/2"},
             {"model",
              {{"name", c.name},
               {"sha256", model.sha256()},
               {"arch", c.arch},
               {"compute", nn::compute_name(options.compute)},
               {"parameters", count_of(model.parameters())},
               {"layers", count_of(c.n_layers)},
               {"d_model", count_of(c.d_model)},
               {"vocab", count_of(c.vocab)}}},
             {"facts",
              {{"name", facts.name},
               {"source", facts.source},
               {"questions", count_of(int64_t(rows.size() - stage["probe"].size()))},
               {"relations", relations}}},
             {"prompt",
              {{"form", style.form()},
               {"label", style.label()},
               {"examples", count_of(int64_t(style.shots))},
               {"system", style.chat ? style.system : ""}}},
             {"seed", std::to_string(options.seed)},
             {"recall", recall_section(stage["recall"], stage["variant"], stage["claim"], bands, options.seed)},
             {"certainty", certainty_section(stage["recall"], options.seed, options.abstain_under)},
             {"conflict", conflict_section(stage["context"], bands)},
             {"probes", probes},
             {"levers", lever_section(stage["lever"])}};
  study["findings"] = findings(study);
  return study;
}

}  // namespace ken::study
