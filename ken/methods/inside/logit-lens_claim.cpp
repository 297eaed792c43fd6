// The logit lens on the almanac: read as if each layer were the last, the answer rises with depth, and what the model
// knows is settled earlier than what it does not know (nostalgebraist 2020).
#include "ken/readout/analysis.h"
#include "ken/stats/stats.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::logit_lens_claim_file {
namespace {

double of(const Json& row, const char* key) {
  const Json& x = row.at(key);
  return (x.is_object() ? x.at("value") : x).get<double>();
}

// Spearman of depth with a figure by layer.
double with_depth(const Json& rows, const char* key) {
  std::vector<double> depth, values;
  for (const Json& row : rows) depth.push_back(double(depth.size())), values.push_back(of(row, key));
  return stats::spearman(depth, values);
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "logit-lens");
  const Json table = entry
                         .run({input.model, input.facts, input.style, input.seed},
                              resolve_params(entry.card, {{"max_items", 1000}, {"examples", 0}}))
                         .table;
  const double layers = double(input.model.config.n_layers);
  const double known = of(table.at("settled"), "known") / layers, unknown = of(table.at("settled"), "unknown") / layers;
  const Json &rows = table.at("known"), &others = table.at("unknown");
  return {{.name = "probability of the answer with depth, known facts",
           .unit = "Spearman",
           .value = with_depth(rows, "probability"),
           .op = ">=",
           .bar = 0.8,
           .null = 0},
          {.name = "KL to the final distribution with depth, known facts",
           .unit = "Spearman",
           .value = with_depth(rows, "kl_to_final"),
           .op = "<=",
           .bar = -0.8,
           .null = 0},
          {.name = "unknown facts settle later than known ones by",
           .unit = "of the depth",
           .value = unknown - known,
           .op = ">=",
           .bar = 0,
           .null = 0},
          {.name = "known facts are settled from", .unit = "of the depth", .value = known},
          {.name = "probability of the answer halfway up, known facts",
           .unit = "mean",
           .value = of(rows.at(rows.size() / 2), "probability")},
          {.name = "the same, unknown facts", .unit = "mean", .value = of(others.at(others.size() / 2), "probability")},
          {.name = "probability of the answer in the embedding (control)",
           .unit = "mean",
           .value = of(rows.at(0), "probability")}};
}

const Register<ClaimEntry> entry{{.card = {.id = "logit-lens",
                                           .family = "inside",
                                           .title = "Logit lens",
                                           .paper = "nostalgebraist 2020; arXiv 2303.08112",
                                           .sentence = "The answer rises through the layers as they are read out, and "
                                                       "known facts are settled before unknown ones.",
                                           .example = "ken reproduce logit-lens",
                                           .cost = Cost::minutes},
                                  .run = run}};

}  // namespace
}  // namespace ken::tasks::logit_lens_claim_file
