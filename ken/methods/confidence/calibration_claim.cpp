// Calibration on the almanac, of all its closed-book questions, most of them about people seen rarely or never: the
// best estimator separates right from wrong, its calibrated probability is honest, and it does not pretend about people
// never seen. Side effect: what a calibrator that was fitted on well-known facts says of the same questions.
#include "ken/evidence/scored.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::calibration_claim_file {
namespace {

double value(const Json& number) { return number.at("value").is_null() ? NAN : number.at("value").get<double>(); }

// The largest AUROC among estimators that read one answer or ten samples.
double best_auroc(const ClaimInput& input) {
  std::vector<evidence::EstimatorSpec> estimators;
  for (const char* id :
       {"sequence-probability", "token-entropy", "margin", "semantic-entropy", "self-consistency", "cocoa"})
    estimators.push_back(evidence::estimator_from(id));
  const auto scored = evidence::judge(input.model, input.facts, input.style, estimators, input.seed, 1000);
  double best = 0;
  for (size_t e = 0; e < estimators.size(); ++e) best = std::max(best, scored.auroc(e));
  return best;
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "calibration");
  const Json table = entry
                         .run({input.model, input.facts, input.style, input.seed, nn::Compute::f32, {}, {}},
                              resolve_params(entry.card, Json::object()))
                         .table;
  const Json &mixed = table.at("calibrated").at("isotonic"), &known = table.at("fitted_on_well_known").at("isotonic");
  std::vector<Figure> figures = {
      {"AUROC of the best of six estimators", "", best_auroc(input), ">=", 0.9, false, 0.5},
      {"debiased ECE, isotonic", "", value(mixed.at("ece_debiased")), "<=", 0.03},
      {"mean confidence on people never seen", "", value(mixed.at("never_seen")), "<=", 0.2},
      {"questions judged", "questions", mixed.at("ece").at("n").get<double>(), ">=", 4000},
      {"debiased ECE of the answer's own probability", "", value(table.at("raw").at("ece_debiased"))},
      {"mean confidence on people never seen, the answer's own probability", "",
       value(table.at("raw").at("never_seen"))}};
  for (const char* method : {"temperature", "platt", "histogram"})
    figures.push_back(
        {std::string("debiased ECE, ") + method, "", value(table.at("calibrated").at(method).at("ece_debiased"))});
  figures.push_back({.name = "debiased ECE, fitted on well-known facts",
                     .value = value(known.at("ece_debiased")),
                     .side_effect = true});
  figures.push_back({.name = "mean confidence on people never seen, fitted on well-known facts",
                     .value = value(known.at("never_seen")),
                     .side_effect = true});
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "calibration",
              .family = "confidence",
              .sentence =
                  "Calibrated on other people's facts, the answer's probability is off by at most 3 points, and at "
                  "most 0.2 on people never seen."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::calibration_claim_file
