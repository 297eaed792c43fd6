// How sure the model is, whether that can be relied on, and when it should abstain.
#include <cmath>

#include "ken/base/error.h"
#include "ken/evidence/evidence.h"
#include "ken/stats/calibrate.h"
#include "ken/study/sections.h"

namespace ken::study {
namespace {

struct Scored {
  std::vector<std::string> groups;
  std::vector<double> raw, surer;  // as defined, and turned so that higher is surer
  std::vector<int> right;
};

Scored scored(const Rows& rows, const std::string& id, bool lower) {
  Scored s;
  for (const Json* r : rows) {
    s.raw.push_back(r->at(id).get<double>());
    s.surer.push_back(lower ? -s.raw.back() : s.raw.back());
    s.right.push_back(right(*r));
    s.groups.push_back(r->at("group").get<std::string>());
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

Json reliability(const std::vector<double>& confidence, const std::vector<int>& right) {
  Json bins = Json::array();
  for (const auto& bin : stats::reliability(confidence, right))
    bins.push_back({{"label", fmt::format("{:.1f}-{:.1f}", bin.low, bin.high)},
                    {"confidence", plain(bin.confidence, bin.n, "mean_confidence")},
                    {"accuracy", stats::to_json(stats::proportion(int64_t(std::llround(bin.accuracy * double(bin.n))),
                                                                  bin.n, "accuracy"))}});
  return bins;
}

// Tokens that the model reads or writes for a question: the prompt once, the answer, the samples where they are needed.
double tokens_for(const Rows& rows, bool sampled) {
  double sum = 0;
  for (const Json* r : rows)
    sum += r->at("prompt_tokens").get<double>() + r->at("answer_tokens").get<double>() +
           (sampled ? r->at("sample_tokens").get<double>() : 0.0);
  return sum / double(rows.size());
}

Json score_section(const Rows& rows, const StudyScore& score, uint64_t seed) {
  const std::string id = score.id;
  const Card& card = Registry<evidence::EstimatorEntry>::get().at("estimator", id).card;
  const bool lower = card.direction.starts_with("lower"), probability = id == "sequence-probability";
  const Scored s = scored(rows, id, lower);
  Json section{{"id", id},
               {"title", card.title},
               {"surer", lower ? "lower" : "higher"},
               {"auroc", stats::to_json(stats::bootstrap(s.surer, s.right, s.groups, stats::auroc, seed, "auroc"))},
               {"aurc", stats::to_json(stats::bootstrap(s.surer, s.right, s.groups, stats::aurc, seed, "aurc"))},
               {"ece", nullptr},
               {"brier", nullptr},
               {"reliability", Json::array()}};
  if (probability) {
    section["ece"] =
        stats::to_json(stats::bootstrap(s.raw, s.right, s.groups, stats::ece15, seed, "ece_equal_width_15"));
    section["brier"] = stats::to_json(stats::bootstrap(s.raw, s.right, s.groups, stats::brier, seed, "brier"));
    section["reliability"] = reliability(s.raw, s.right);
  }
  section["risk_coverage"] = score.curve ? curve_section(s, lower, int64_t(rows.size())) : Json::array();
  section["tokens"] = plain(tokens_for(rows, score.sampled), int64_t(rows.size()), "tokens_a_question");
  return section;
}

// A threshold that the half of the groups gives, judged on the other half; then the roles change. What is promised
// holds for each half's threshold: with confidence 1 - delta, at most 5 % of the answers above it are wrong.
Json advice(const Rows& rows, uint64_t seed) {
  constexpr double risk = 0.05, delta = 0.1;
  std::vector<std::string> groups;
  for (const Json* r : rows) groups.push_back(r->at("group").get<std::string>());
  const auto fold = stats::grouped_folds(groups, 2, seed);
  Rows answered, judged;
  std::vector<double> thresholds;
  for (int half = 0; half < 2; ++half) {
    Rows fit, rest;
    for (size_t i = 0; i < rows.size(); ++i) (fold[i] == half ? fit : rest).push_back(rows[i]);
    const Scored s = scored(fit, "sequence-probability", false);
    const double threshold = stats::certified_threshold(s.surer, s.right, risk, delta);
    if (std::isnan(threshold)) return nullptr;
    thresholds.push_back(threshold);
    const Rows kept =
        where(rest, [&](const Json& r) { return r.at("sequence-probability").get<double>() >= threshold; });
    answered.insert(answered.end(), kept.begin(), kept.end());
  }
  if (answered.empty()) return nullptr;
  return {{"score", "sequence-probability"},
          {"threshold", plain(std::max(thresholds[0], thresholds[1]), int64_t(rows.size()),
                              "certified_threshold_fixed_sequence_risk_0.05_delta_0.1")},
          {"error", share(answered, "selective_risk_judged_on_other_groups", [](const Json& r) { return !right(r); })},
          {"coverage", stats::to_json(stats::proportion(int64_t(answered.size()), int64_t(rows.size()),
                                                        "coverage_judged_on_other_groups"))},
          {"risk", plain(risk, int64_t(rows.size()), "promised_risk")},
          {"confidence", plain(1 - delta, int64_t(rows.size()), "confidence_of_the_promise")}};
}

// Expected calibration error and Brier score before and after temperature scaling; each fifth of the groups is scaled
// with the temperature that the others give. Null where the answers are all right or all wrong.
Json temperature(const Rows& rows, uint64_t seed) {
  constexpr int folds = 5;
  const Scored s = scored(rows, "sequence-probability", false);
  std::vector<std::string> groups;
  for (const Json* r : rows) groups.push_back(r->at("group").get<std::string>());
  const auto fold = stats::grouped_folds(groups, folds, seed);
  std::vector<double> after(s.raw.size());
  for (int f = 0; f < folds; ++f) {
    std::vector<double> p;
    std::vector<int> labels;
    for (size_t i = 0; i < fold.size(); ++i)
      if (fold[i] != f) p.push_back(s.raw[i]), labels.push_back(s.right[i]);
    const double t = stats::fit_temperature(p, labels);
    if (std::isnan(t)) return nullptr;
    for (size_t i = 0; i < fold.size(); ++i)
      if (fold[i] == f) after[i] = stats::tempered(s.raw[i], t);
  }
  const auto number = [&](const std::vector<double>& p, auto statistic, const char* metric) {
    return stats::to_json(stats::bootstrap(p, s.right, groups, statistic, seed, metric, 200));
  };
  return {{"temperature", plain(stats::fit_temperature(s.raw, s.right), int64_t(rows.size()), "temperature")},
          {"ece_before", number(s.raw, stats::ece15, "ece_equal_width_15")},
          {"ece_after", number(after, stats::ece15, "ece_equal_width_15_cross_fitted")},
          {"brier_before", number(s.raw, stats::brier, "brier")},
          {"brier_after", number(after, stats::brier, "brier_cross_fitted")},
          {"reliability", reliability(after, s.right)}};
}

// What a calibration that was given says of these answers; null without one.
Json calibration(const Rows& rows, double under) {
  if (rows.empty() || !rows[0]->contains("confidence")) return nullptr;
  std::vector<double> confidence;
  std::vector<int> labels;
  for (const Json* r : rows) confidence.push_back(r->at("confidence").get<double>()), labels.push_back(right(*r));
  const Rows given = where(rows, [&](const Json& r) { return r.at("confidence").get<double>() >= under; });
  const auto n = int64_t(rows.size());
  return {{"under", plain(under, n, "abstain_under")},
          {"coverage", stats::to_json(stats::proportion(int64_t(given.size()), n, "coverage"))},
          {"error", share(given, "selective_risk", [](const Json& r) { return !right(r); })},
          {"ece", plain(stats::ece_debiased(confidence, labels), n, "ece_equal_mass_15_debiased")},
          {"reliability", reliability(confidence, labels)}};
}

}  // namespace

Json certainty_section(const Rows& rows, uint64_t seed, double under) {
  Json section{{"scores", Json::array()},
               {"advice", advice(rows, seed)},
               {"temperature", temperature(rows, seed)},
               {"calibration", calibration(rows, under)}};
  for (const StudyScore& score : study_scores()) section["scores"].push_back(score_section(rows, score, seed));
  Rows sure_and_wrong;
  for (const Json* r : rows)
    if (!right(*r) && r->at("sequence-probability").get<double>() > 0.5) sure_and_wrong.push_back(r);
  section["examples"] = examples(sure_and_wrong, 8, [](const Json&) { return "wrong"; });
  return section;
}

}  // namespace ken::study
