// Distributional semantics tracing on the almanac (arXiv 2510.06107): a wrong answer has a layer from which it has won,
// and where the states lean less to the right answer the model is wrong more often, over relations x exposure.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::dst_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "dst");
  const auto result = entry.run({input.model, input.facts, input.style, input.seed},
                                resolve_params(entry.card, {{"max_items", 2000}, {"patched", 256}}));
  const Json &groups = result.table.at("groups"), &causal = result.table.at("causal");
  const auto of = [](const Json& x) { return x.is_null() ? NAN : x.get<double>(); };
  const auto committed = [&](const char* which) { return of(result.table.at(which).at("committed").at("value")); };
  const double depth = double(input.model.config.n_layers);
  return {{.name = "wrong answers with a commitment layer",
           .unit = "share",
           .value = committed("failed"),
           .op = ">=",
           .bar = 0.8},
          {.name = "coherence of the last layer with the rate of wrong answers, over groups",
           .unit = "Spearman",
           .value = of(groups.at("spearman_of_last_layer")),
           .op = "<=",
           .bar = -0.7,
           .null = 0},
          {.name = "right answers with a commitment layer (control)", .unit = "share", .value = committed("right")},
          {.name = "coherence halfway up with the rate of wrong answers",
           .unit = "Spearman",
           .value = of(groups.at("spearman_of_middle_layer"))},
          {.name = "the same of the last layer, random words as the competing answer (control)",
           .unit = "Spearman",
           .value = of(groups.at("spearman_against_random_words"))},
          {.name = "commitment layer", .unit = "of the depth", .value = of(causal.at("commitment_layer")) / depth},
          {.name = "last layer whose wrong state the fact still repairs",
           .unit = "of the depth",
           .value = of(causal.at("last_repaired_layer")) / depth},
          {.name = "the two layers over wrong answers", .unit = "Spearman", .value = of(causal.at("spearman"))}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "dst",
              .family = "inside",
              .title = "Distributional semantics tracing",
              .paper = "arXiv 2510.06107",
              .sentence = "Wrong answers have a commitment layer, and the coherence of a group's states with the right "
                          "answer falls as its rate of wrong answers rises.",
              .example = "ken reproduce dst",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::dst_claim_file
