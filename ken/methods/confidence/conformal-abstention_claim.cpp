// Conformal abstention on the almanac: a promise of 5 % wrong answers is kept on at least 95 of 100 splits of the
// closed- book questions, by the answer's probability and by the paper's count of matching samples.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::conformal_abstention_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "conformal-abstention");
  const auto tried = [&](const Json& params) {
    return entry
        .run({input.model, input.facts, input.style, input.seed, nn::Compute::f32, {}, {}},
             resolve_params(entry.card, params))
        .table;
  };
  const auto value = [](const Json& table, const char* name) { return table.at(name).at("value").get<double>(); };
  const Json probability = tried(Json::object()), matches = tried({{"estimator", "self-consistency"}}),
             marginal = tried({{"promise", "marginal"}});
  return {{"splits that keep the promise", "share", value(probability, "kept"), ">=", 0.95},
          {"mean error of the answers given", "share", value(probability, "mean_error"), "<=", 0.05},
          {"questions answered", "share", value(probability, "mean_coverage"), "", 0, true},
          {"splits that keep the promise, by matching samples", "share", value(matches, "kept"), ">=", 0.95},
          {"questions answered, by matching samples", "share", value(matches, "mean_coverage"), "", 0, true},
          {"answered and wrong, of all questions (marginal promise)", "share", value(marginal, "mean_error")},
          {"questions answered (marginal promise)", "share", value(marginal, "mean_coverage"), "", 0, true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "conformal-abstention",
              .family = "confidence",
              .sentence =
                  "A threshold that promises 5 % wrong answers with 95 % confidence keeps its promise on at least 95 "
                  "of 100 splits."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::conformal_abstention_claim_file
