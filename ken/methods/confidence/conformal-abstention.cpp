// Conformal abstention (Abbasi-Yadkori et al., "Mitigating LLM Hallucinations via Conformal Abstention", arXiv
// 2405.01563): answer iff the score s >= lambda, where lambda comes from calibration questions and carries a promise.
//   selective:  among the answers given at most a share alpha is wrong, with probability 1 - delta over the calibration
//               questions; lambda by fixed-sequence testing with exact binomial bounds (stats: certified_threshold)
//   marginal:   E[answered and wrong] <= alpha; lambda by conformal risk control (stats: risk_control_threshold)
// The paper's own score is how many sampled answers match the given one: self-consistency. The promise is tried on many
// random splits by groups: half calibrates, half is judged.
#include "ken/evidence/scored.h"
#include "ken/readout/analysis.h"
#include "ken/stats/calibrate.h"
#include "ken/stats/stats.h"

namespace ken::readout::conformal_abstention_file {
namespace {

struct Split {
  double error = 0, coverage = 0;  // of the judged half; error among those answered, or of all (marginal)
  bool never = false;              // nothing could be promised
};

Split try_split(const evidence::Scored& s, const Json& params, uint64_t seed) {
  const std::vector<double>& surer = s.surer[0];
  const auto half = stats::grouped_folds(s.groups, 2, seed);
  std::vector<double> scores;
  std::vector<int> right;
  for (size_t i = 0; i < half.size(); ++i)
    if (half[i] == 0) scores.push_back(surer[i]), right.push_back(s.right[i]);
  const bool selective = params.at("promise") == "selective";
  const double risk = params.at("risk");
  const double threshold = selective ? stats::certified_threshold(scores, right, risk, params.at("delta"))
                                     : stats::risk_control_threshold(scores, right, risk);
  if (std::isnan(threshold)) return {.never = true};
  double answered = 0, wrong = 0, all = 0;
  for (size_t i = 0; i < half.size(); ++i) {
    if (half[i] == 0) continue;
    all += 1;
    if (surer[i] >= threshold) answered += 1, wrong += s.right[i] == 0;
  }
  const double among = selective ? answered : all;
  return {.error = among > 0 ? wrong / among : 0, .coverage = answered / all};
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const auto estimator = evidence::estimator_from(params.at("estimator"));
  const auto scored = evidence::judge(input.model, input.facts, input.style, {estimator}, input.seed,
                                      params.at("questions"), input.compute);
  const int64_t splits = params.at("splits");
  std::vector<double> errors, coverages;
  int64_t kept = 0, never = 0;
  for (int64_t r = 0; r < splits; ++r) {
    const Split split = try_split(scored, params, input.seed * 100003 + uint64_t(r));
    kept += split.error <= params.at("risk").get<double>();
    never += split.never;
    errors.push_back(split.error), coverages.push_back(split.coverage);
  }
  const auto questions = int64_t(scored.right.size());
  const auto quantile = [&](double q) {
    std::vector<double> sorted = errors;
    std::sort(sorted.begin(), sorted.end());
    return sorted[size_t(q * double(sorted.size() - 1))];
  };
  const auto plain = [&](double value, const char* metric) {
    return stats::to_json(stats::Number{value, splits, NAN, NAN, metric});
  };
  return {
      .table = {{"estimator", estimator.definition()},
                {"questions", questions},
                {"kept", stats::to_json(stats::proportion(kept, splits, "splits_with_error_at_most_risk"))},
                {"always_abstained", stats::to_json(stats::proportion(never, splits, "splits_without_a_threshold"))},
                {"mean_error", plain(stats::mean_of(errors), "mean_error_of_judged_half")},
                {"error_95", plain(quantile(0.95), "95th_percentile_of_error")},
                {"mean_coverage", plain(stats::mean_of(coverages), "mean_coverage_of_judged_half")}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "conformal-abstention",
              .family = "confidence",
              .title = "Conformal abstention",
              .paper = "arXiv 2405.01563",
              .sentence = "Abstain below a threshold that promises an error rate, and try the promise on many splits.",
              .params = {{"estimator", "sequence-probability", "the score: an estimator, as NAME or NAME:key=value"},
                         {"promise",
                          "selective",
                          "about wrong answers among those given, or among all questions",
                          -1e300,
                          1e300,
                          {"selective", "marginal"}},
                         {"risk", 0.05, "share of wrong answers", 1e-6, 0.999},
                         {"delta", 0.05, "probability that the promise fails (selective)", 1e-6, 0.999},
                         {"questions", 5000, "closed-book questions asked at most", 100, 1000000},
                         {"splits", 100, "random halves on which the promise is tried", 1, 100000}},
              .example = "ken inside conformal-abstention risk=0.1 questions=600"},
     .run = run}};

}  // namespace
}  // namespace ken::readout::conformal_abstention_file
