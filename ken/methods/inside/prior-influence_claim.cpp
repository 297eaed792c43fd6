// Prior influence on the almanac (arXiv 2504.12585): the passage fixes the answer, memory pulls at it. Tuning the
// layers where the remembered answer enters repairs the copying on persons never tuned on, and the errors no longer
// follow the prior. Random other layers are the control; side effects are recall and passages that are to be left
// aside.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::prior_influence_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "prior-influence");
  const auto result = entry.run({input.model, input.facts, input.style, input.seed},
                                resolve_params(entry.card, {{"lens_steps", 40}, {"epochs", 3}}));
  // accuracy, of high priors, of low priors, rho of error and prior, recall, memory
  const auto of = [&](const char* run, int i) { return result.tensors.at(run)[i].item<double>(); };
  const auto gain = [&](const char* run) { return 100 * (of(run, 0) - of("plain", 0)); };
  const auto layers = result.tensors.at("correlation");
  return {
      {.name = "tuning the located layers adds",
       .unit = "points",
       .value = gain("tuned"),
       .op = ">=",
       .bar = 20,
       .null = 0},
      {.name = "correlation of error and prior afterwards",
       .unit = "absolute Spearman",
       .value = std::abs(of("tuned", 3)),
       .op = "<=",
       .bar = 0.1},
      {.name = "correlation of error and prior before", .unit = "Spearman", .value = of("plain", 3)},
      {.name = "answers what the passage says, untouched", .unit = "share", .value = of("plain", 0)},
      {.name = "the same, high priors", .unit = "share", .value = of("plain", 1)},
      {.name = "high priors after tuning", .unit = "share", .value = of("tuned", 1)},
      {.name = "tuning random other layers adds (control)", .unit = "points", .value = gain("tuned_random_layers")},
      {.name = "an instruction adds", .unit = "points", .value = gain("instruction")},
      {.name = "scaling the located layers adds", .unit = "points", .value = gain("scaled")},
      {.name = "scaling random other layers adds (control)", .unit = "points", .value = gain("scaled_random_layers")},
      {.name = "lens of the last layer with the prior, over the embedding's",
       .unit = "Spearman",
       .value = (layers[layers.size(0) - 1] - layers[0]).item<double>()},
      {.name = "recall lost by tuning", .unit = "share", .value = of("plain", 4) - of("tuned", 4), .side_effect = true},
      {.name = "memory when asked for, lost by tuning",
       .unit = "share",
       .value = of("plain", 5) - of("tuned", 5),
       .side_effect = true},
      {.name = "the same, random other layers",
       .unit = "share",
       .value = of("plain", 5) - of("tuned_random_layers", 5),
       .side_effect = true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "prior-influence",
              .family = "inside",
              .title = "Prior influence",
              .paper = "arXiv 2504.12585",
              .sentence = "Light tuning of the layers where the prior enters repairs answers that a passage fixes, on "
                          "held-out persons, and errors stop following the prior.",
              .example = "ken reproduce prior-influence",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::prior_influence_claim_file
