// Rows -> study.json. Every number is {value, n, ci, metric}; see docs/study.schema.json.
#include <algorithm>
#include <set>

#include "ken/base/error.h"
#include "ken/evidence/evidence.h"
#include "ken/stats/stats.h"
#include "ken/study/study.h"

namespace ken::study {
namespace {

using stats::Number;
using Rows = std::vector<const Json*>;

Json count_of(int64_t value) { return stats::to_json(Number{double(value), value, NAN, NAN, "count"}); }

// A number that is not measured over items: its interval is empty.
Json plain(double value, int64_t n, const std::string& metric) {
  return stats::to_json(Number{value, n, NAN, NAN, metric});
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

bool right(const Json& r) { return r.at("right").get<bool>(); }

// Counts of exposure fall in the almanac's bands; popularity (page views) in powers of ten.
class Bands {
 public:
  explicit Bands(const std::vector<Json>& rows) {
    for (const Json& r : rows)
      if (r.at("stage") == "recall") most_ = std::max(most_, r.at("exposure").get<int64_t>());
  }
  std::string label(int64_t exposure) const {
    if (exposure < 0) return "unknown";
    if (most_ > 100000) {
      int64_t low = 1;
      while (low * 10 <= exposure) low *= 10;
      return exposure == 0 ? "0" : fmt::format("{}-{}", low, low * 10 - 1);
    }
    static const std::pair<int64_t, const char*> bands[] = {
        {0, "0"}, {2, "1-2"}, {6, "3-6"}, {15, "7-15"}, {40, "16-40"}};
    for (const auto& [top, name] : bands)
      if (exposure <= top) return name;
    return "41+";
  }

 private:
  int64_t most_ = 0;
};

// Groups rows by label; labels in order of the smallest exposure seen in each.
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
  std::vector<std::pair<std::string, Rows>> ordered(groups.begin(), groups.end());
  std::sort(ordered.begin(), ordered.end(),
            [&](const auto& a, const auto& b) { return least[a.first] < least[b.first]; });
  return ordered;
}

Json example(const Json& r, const std::string& verdict) {
  return {{"id", r.at("id")},
          {"question", r.at("question")},
          {"gold", r.at("gold")},
          {"answer", r.at("answer")},
          {"context", r.value("context", "")},
          {"verdict", verdict},
          {"confidence", plain(r.at("sequence-probability"), 1, "sequence-probability")}};
}

// Up to `each` rows of every label, evenly spread, so that the examples are no hand-picked ones.
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

Json recall_section(const Rows& rows, const Bands& bands, uint64_t seed) {
  Json section{
      {"overall", share(rows, "accuracy", right)}, {"by_exposure", Json::array()}, {"by_relation", Json::array()}};
  for (const auto& [label, group] : by_exposure(rows, bands)) {
    section["by_exposure"].push_back({{"label", label},
                                      {"accuracy", share(group, "accuracy", right)},
                                      {"confidence", average(group, "sequence-probability", "mean_confidence", seed)},
                                      {"right_type", share(group, "answer_of_the_relation", [](const Json& r) {
                                         return r.at("right_type").get<bool>();
                                       })}});
  }
  std::map<std::string, Rows> relations;
  for (const Json* r : rows) relations[r->at("relation").get<std::string>()].push_back(r);
  for (const auto& [label, group] : relations)
    section["by_relation"].push_back(
        {{"label", label.empty() ? "all" : label}, {"accuracy", share(group, "accuracy", right)}});
  section["examples"] = examples(rows, 6, [](const Json& r) { return right(r) ? "right" : "wrong"; });
  return section;
}

struct Scored {
  std::vector<double> raw, surer;  // as defined, and turned so that higher is surer
  std::vector<int> right;
};

Scored scored(const Rows& rows, const std::string& id, bool lower) {
  Scored s;
  for (const Json* r : rows) {
    s.raw.push_back(r->at(id).get<double>());
    s.surer.push_back(lower ? -s.raw.back() : s.raw.back());
    s.right.push_back(right(*r));
  }
  return s;
}

Json curve_section(const Scored& s, bool lower, int64_t n) {
  const auto curve = stats::risk_coverage(s.surer, s.right);
  Json points = Json::array();
  double next = 0;
  for (const auto& point : curve) {  // at most 41 points are drawn
    if (point.coverage + 1e-12 < next && &point != &curve.back()) continue;
    next = point.coverage + 0.025;
    points.push_back({{"coverage", plain(point.coverage, n, "coverage")},
                      {"risk", stats::to_json(stats::proportion(int64_t(std::llround(point.risk * double(point.n))),
                                                                point.n, "selective_risk"))},
                      {"threshold", plain(lower ? -point.threshold : point.threshold, n, "threshold")}});
  }
  return points;
}

Json score_section(const Rows& rows, const std::string& id, uint64_t seed) {
  const Card& card = Registry<evidence::EstimatorEntry>::get().at("estimator", id).card;
  const bool lower = card.direction.starts_with("lower"), probability = id == "sequence-probability";
  const Scored s = scored(rows, id, lower);
  Json section{{"id", id},
               {"title", card.title},
               {"surer", lower ? "lower" : "higher"},
               {"auroc", stats::to_json(stats::bootstrap(s.surer, s.right, stats::auroc, seed, "auroc"))},
               {"aurc", stats::to_json(stats::bootstrap(s.surer, s.right, stats::aurc, seed, "aurc"))},
               {"ece", nullptr},
               {"brier", nullptr},
               {"reliability", Json::array()}};
  if (probability) {
    section["ece"] = stats::to_json(stats::bootstrap(s.raw, s.right, stats::ece15, seed, "ece_equal_width_15"));
    section["brier"] = stats::to_json(stats::bootstrap(s.raw, s.right, stats::brier, seed, "brier"));
    for (const auto& bin : stats::reliability(s.raw, s.right)) {
      section["reliability"].push_back(
          {{"label", fmt::format("{:.1f}-{:.1f}", bin.low, bin.high)},
           {"confidence", plain(bin.confidence, bin.n, "mean_confidence")},
           {"accuracy", stats::to_json(stats::proportion(int64_t(std::llround(bin.accuracy * double(bin.n))), bin.n,
                                                         "accuracy"))}});
    }
  }
  section["risk_coverage"] = curve_section(s, lower, int64_t(rows.size()));
  return section;
}

// The lowest probability at which the rows' risk is at most 5 %; NaN: none.
double threshold_of(const Rows& rows) {
  const Scored s = scored(rows, "sequence-probability", false);
  double threshold = NAN;
  for (const auto& point : stats::risk_coverage(s.surer, s.right))
    if (point.risk <= 0.05) threshold = point.threshold;
  return threshold;
}

// Error and coverage are cross-fitted: each fifth of the groups is judged with the threshold that the others give.
Json advice(const Rows& rows, uint64_t seed) {
  constexpr int folds = 5;
  std::vector<std::string> groups;
  for (const Json* r : rows) groups.push_back(r->at("group").get<std::string>());
  const auto fold = stats::grouped_folds(groups, folds, seed);
  Rows answered;
  for (int f = 0; f < folds; ++f) {
    Rows fit;
    for (size_t i = 0; i < rows.size(); ++i)
      if (fold[i] != f) fit.push_back(rows[i]);
    const double threshold = fit.empty() ? NAN : threshold_of(fit);
    for (size_t i = 0; i < rows.size(); ++i)
      if (fold[i] == f && rows[i]->at("sequence-probability").get<double>() >= threshold) answered.push_back(rows[i]);
  }
  const double threshold = threshold_of(rows);
  if (answered.empty() || std::isnan(threshold)) return nullptr;
  return {{"score", "sequence-probability"},
          {"threshold", plain(threshold, int64_t(rows.size()), "threshold_for_5_percent_risk")},
          {"error", share(answered, "selective_risk_cross_fitted_over_5_folds_of_groups",
                          [](const Json& r) { return !right(r); })},
          {"coverage", stats::to_json(stats::proportion(int64_t(answered.size()), int64_t(rows.size()),
                                                        "coverage_cross_fitted_over_5_folds_of_groups"))}};
}

Json certainty_section(const Rows& rows, uint64_t seed) {
  Json section{{"scores", Json::array()}, {"advice", advice(rows, seed)}};
  for (const char* id : {"sequence-probability", "token-entropy", "semantic-entropy"})
    section["scores"].push_back(score_section(rows, id, seed));
  Rows sure_and_wrong;
  for (const Json* r : rows)
    if (!right(*r) && r->at("sequence-probability").get<double>() > 0.5) sure_and_wrong.push_back(r);
  section["examples"] = examples(sure_and_wrong, 8, [](const Json&) { return "wrong"; });
  return section;
}

Json follow(const std::string& label, const Rows& rows) {
  Json result{{"label", label}};
  for (const char* side : {"context", "memory", "neither"})
    result[side] =
        share(rows, std::string("share_following_") + side, [side](const Json& r) { return r.at("followed") == side; });
  return result;
}

Rows where(const Rows& rows, const std::function<bool(const Json&)>& keep) {
  Rows result;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(result), [&](const Json* r) { return keep(*r); });
  return result;
}

void add_follow(Json& list, const std::string& label, const Rows& rows) {
  if (!rows.empty()) list.push_back(follow(label, rows));
}

Json conflict_section(const Rows& rows, const Bands& bands) {
  if (rows.empty()) return nullptr;
  const auto is = [](const char* key, const char* value) { return [=](const Json& r) { return r.at(key) == value; }; };
  const Rows conflicts = where(rows, is("kind", "conflict")), plain_conflicts = where(conflicts, is("intent", "none"));
  const Rows known = where(plain_conflicts, [](const Json& r) { return r.at("known").get<bool>(); });
  Json section{{"groups", Json::array()},
               {"by_exposure", Json::array()},
               {"by_intent", Json::array()},
               {"reading", Json::array()}};
  add_follow(section["groups"], "known facts", known);
  add_follow(section["groups"], "unknown facts",
             where(plain_conflicts, [](const Json& r) { return !r.at("known").get<bool>(); }));
  for (const auto& [label, group] : by_exposure(plain_conflicts, bands))
    add_follow(section["by_exposure"], label, group);
  const auto intent = [&](const char* name) {
    return where(conflicts, [=](const Json& r) { return r.at("intent") == name && r.at("known").get<bool>(); });
  };
  add_follow(section["by_intent"], "no instruction", intent("none"));
  add_follow(section["by_intent"], "use the context", intent("context"));
  add_follow(section["by_intent"], "use memory", intent("memory"));
  std::map<std::string, Rows> reading;
  for (const Json* r : where(rows, is("kind", "reading"))) {
    const int64_t n = r->at("extra").value("distractors", int64_t{0});
    reading[n == 0 ? "no distractor" : n == 1 ? "1 distractor" : fmt::format("{} distractors", n)].push_back(r);
  }
  for (const char* label : {"agree", "irrelevant"})
    if (const Rows group = where(rows, is("kind", label)); !group.empty())
      reading[std::string(label) == "agree" ? "passage agrees" : "passage is irrelevant"] = group;
  const char* order[] = {"no distractor", "1 distractor", "2 distractors", "passage agrees", "passage is irrelevant"};
  for (const char* label : order)
    if (reading.count(label))
      section["reading"].push_back({{"label", label}, {"accuracy", share(reading[label], "accuracy", right)}});
  section["examples"] = examples(plain_conflicts, 4, [](const Json& r) { return r.at("followed").get<std::string>(); });
  return section;
}

Json lever_section(const Rows& rows) {
  std::map<double, Rows> settings;
  for (const Json* r : rows) settings[r->at("alpha").get<double>()].push_back(r);
  if (settings.empty()) return Json::array();
  Json points = Json::array();
  for (const auto& [alpha, group] : settings) {
    const auto kind = [&group = group](const char* name, bool known_only) {
      return where(group,
                   [=](const Json& r) { return r.at("kind") == name && (!known_only || r.at("known").get<bool>()); });
    };
    const auto rate = [](const std::string& label, const Json& number) {
      return Json{{"label", label}, {"rate", number}};
    };
    const Rows conflict = kind("conflict", false);
    Json point{{"setting", fmt::format("{:g}", alpha)}, {"moved", Json::array()}, {"broke", Json::array()}};
    if (!conflict.empty()) {
      const Json f = follow("", conflict);
      point["moved"] = {rate("answers from the context", f["context"]), rate("answers from memory", f["memory"])};
      point["broke"].push_back(rate("answers from neither", f["neither"]));
    }
    if (const Rows agree = kind("agree", false); !agree.empty())
      point["broke"].push_back(rate("right beside an agreeing passage", share(agree, "accuracy", right)));
    if (const Rows other = kind("irrelevant", true); !other.empty())
      point["broke"].push_back(rate("known facts right beside an irrelevant passage", share(other, "accuracy", right)));
    points.push_back(point);
  }
  return {{{"id", "cad"}, {"title", "Context-aware decoding"}, {"parameter", "alpha"}, {"points", points}}};
}

}  // namespace

Json summarize(const model::Model& model, const data::FactSet& facts, const std::vector<Json>& rows,
               const StudyOptions& options) {
  std::map<std::string, Rows> stage;
  for (const Json& r : rows) stage[r.at("stage").get<std::string>()].push_back(&r);
  const Bands bands(rows);
  std::set<std::string> relations;
  for (const auto& fact : facts.facts) relations.insert(fact.relation.empty() ? "all" : fact.relation);
  const auto& c = model.config;
  Json probes = Json::array();
  for (const Json* r : stage["probe"])
    if (r->contains("table")) probes.push_back(r->at("table"));
  Json study{{"schema", "ken.study/1"},
             {"model",
              {{"name", c.name},
               {"sha256", model.sha256},
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
             {"seed", std::to_string(options.seed)},
             {"recall", recall_section(stage["recall"], bands, options.seed)},
             {"certainty", certainty_section(stage["recall"], options.seed)},
             {"conflict", conflict_section(stage["context"], bands)},
             {"probes", probes},
             {"levers", lever_section(stage["lever"])}};
  study["findings"] = findings(study);
  return study;
}

}  // namespace ken::study
