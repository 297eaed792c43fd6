// Calibration (Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599): from the score of an answer
// to its probability of being right, by temperature, Platt's sigmoid, isotonic regression and a histogram. Every item's
// probability comes from calibrators fitted on the other fifths of the groups; figures are over all items:
//   ECE = sum_m n_m / n |acc_m - conf_m| over bins of as many items each, less what chance alone shows;
//   Brier = reliability - resolution + uncertainty.
// Where exposure is known, two figures more: the mean confidence on facts that were never seen, and what becomes of all
// this when the calibrator is fitted on well-known facts alone, which is what a benchmark of popular facts does.
#include "ken/base/select.h"
#include "ken/evidence/scored.h"
#include "ken/readout/analysis.h"
#include "ken/stats/calibrate.h"
#include "ken/stats/stats.h"

namespace ken::readout::calibration_file {
namespace {

constexpr int folds = 5;

std::vector<size_t> where(size_t n, const auto& keep) {
  std::vector<size_t> result;
  for (size_t i = 0; i < n; ++i)
    if (keep(i)) result.push_back(i);
  return result;
}

// Each item's confidence from the other folds' items that `may_fit`. Empty where a class is missing in a fit.
std::vector<double> held_out(const evidence::Scored& s, const std::string& method, uint64_t seed, const auto& may_fit) {
  const auto fold = stats::grouped_folds(s.groups, folds, seed);
  std::vector<double> result(s.right.size());
  for (int f = 0; f < folds; ++f) {
    const auto fit = where(fold.size(), [&](size_t i) { return fold[i] != f && may_fit(i); });
    const auto right = pick(s.right, fit);
    const auto hits = std::count(right.begin(), right.end(), 1);
    if (hits == 0 || hits == std::ptrdiff_t(right.size())) return {};
    const auto calibrator = stats::Calibrator::fit(method, pick(s.surer[0], fit), right);
    for (size_t i = 0; i < fold.size(); ++i)
      if (fold[i] == f) result[i] = calibrator(s.surer[0][i]);
  }
  return result;
}

Json figures(const evidence::Scored& s, const std::vector<double>& confidence) {
  if (confidence.empty()) return nullptr;
  const auto n = int64_t(confidence.size());
  const auto plain = [](double value, int64_t count, const char* metric) {
    return stats::to_json(stats::Number{value, count, NAN, NAN, metric});
  };
  const auto parts = stats::brier_parts(confidence, s.right);
  const auto unseen = pick(confidence, where(size_t(n), [&](size_t i) { return s.exposure[i] == 0; }));
  return {{"ece", plain(stats::ece_equal_mass(confidence, s.right), n, "ece_equal_mass_15")},
          {"ece_debiased", plain(stats::ece_debiased(confidence, s.right), n, "ece_equal_mass_15_debiased")},
          {"brier", plain(stats::brier(confidence, s.right), n, "brier")},
          {"reliability", plain(parts.reliability, n, "brier_reliability_equal_mass_15")},
          {"resolution", plain(parts.resolution, n, "brier_resolution_equal_mass_15")},
          {"nll", plain(stats::nll(confidence, s.right), n, "nll_clipped_1e-6")},
          {"mean_confidence", plain(stats::mean_of(confidence), n, "mean_confidence")},
          {"never_seen",
           unseen.empty() ? Json(nullptr) : plain(stats::mean_of(unseen), int64_t(unseen.size()), "mean_confidence")}};
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const auto estimator = evidence::estimator_from(params.at("estimator"));
  const auto s = evidence::judge(input.model, input.facts, input.style, {estimator}, input.seed, params.at("questions"),
                                 input.compute);
  const int64_t well_known = params.at("well_known");
  Json table{
      {"estimator", estimator.definition()},
      {"accuracy", stats::to_json(stats::proportion(std::count(s.right.begin(), s.right.end(), 1),
                                                    int64_t(s.right.size()), "accuracy"))},
      {"auroc", stats::to_json(stats::bootstrap(s.surer[0], s.right, s.groups, stats::auroc, input.seed, "auroc"))},
      {"raw", estimator.entry->probability ? figures(s, s.surer[0]) : Json(nullptr)}};
  for (const auto& method : stats::calibrator_kinds) {
    if (method == "temperature" && !estimator.entry->probability) continue;
    table["calibrated"][method] = figures(s, held_out(s, method, input.seed, [](size_t) { return true; }));
    table["fitted_on_well_known"][method] =
        figures(s, held_out(s, method, input.seed, [&](size_t i) { return s.exposure[i] >= well_known; }));
  }
  return {.table = std::move(table)};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "calibration",
              .family = "confidence",
              .title = "Calibration",
              .paper = "arXiv 1706.04599",
              .sentence =
                  "Turns a score into a probability of being right by four calibrators, and judges them on groups "
                  "that they were not fitted on.",
              .params = {{"estimator", "sequence-probability", "the score: an estimator, as NAME or NAME:key=value"},
                         {"questions", 5000, "closed-book questions asked at most", 100, 1000000},
                         {"well_known", 16, "least exposure of a well-known fact", 1, 1000000000}},
              .example = "ken inside calibration questions=600"},
     .run = run}};

}  // namespace
}  // namespace ken::readout::calibration_file
