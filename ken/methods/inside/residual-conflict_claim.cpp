// Zhao et al. (arXiv 2410.16090): from mid layers on the last token tells whether the passage contradicts memory, and
// then which source the answer follows. Facts that the model does not know are the control: there a probe can only read
// the passage. Each fold's mid layer is chosen on the other folds.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::residual_conflict_claim_file {
namespace {

Json table(const ClaimInput& input, const Json& params) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "residual-conflict");
  return entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, params)).table;
}

double number(const Json& value) { return value.at("value").get<double>(); }

double mid(const Json& curves, const char* kind, const char* metric = "auroc") {
  return curves.at("mid").at(kind).at(metric).at("value").get<double>();
}

// The mean of a statistic of the block output over the last third of the layers, context minus memory, as a share of
// memory's.
double gap(const Json& shape, const char* name) {
  const Json& layers = shape.at(name);
  double context = 0, memory = 0;
  for (size_t l = 2 * layers.size() / 3; l < layers.size(); ++l) {
    context += layers[l].at("context").at("value").get<double>();
    memory += layers[l].at("memory").at("value").get<double>();
  }
  return context / memory - 1;
}

std::vector<Figure> run(const ClaimInput& input) {
  // A few hundred pairs make few steps an epoch, so the rate is ten times the paper's.
  const Json known = table(input, {{"rate", 0.02}, {"repeats", 3}}),
             control = table(input, {{"facts", "unknown"}, {"rate", 0.02}, {"repeats", 3}});
  const Json &conflict = known.at("conflict"), &source = known.at("source");
  if (source.is_null()) fail("residual-conflict", "under conflict the model answers from one source only");
  return {
      {"conflict, mid layers, hidden", "AUROC", mid(conflict, "hidden"), ">=", 0.90, false, 0.5},
      {"conflict, mid layers, mlp", "AUROC", mid(conflict, "mlp")},
      {"conflict, mid layers, attn", "AUROC", mid(conflict, "attn")},
      {"conflict, mid layers, hidden, accuracy", "share", mid(conflict, "hidden", "accuracy")},
      {"conflict, any layer, hidden", "AUROC", number(conflict.at("any").at("hidden"))},
      {"conflict, any layer, attn", "AUROC", number(conflict.at("any").at("attn"))},
      {"conflict, embedding of the passage's value", "AUROC",
       conflict.at("embedding").at("auroc").at("value").get<double>(), "<=", 0.60},
      {"conflict, entropy of the first answer token", "AUROC", known.at("entropy").at("value").get<double>()},
      {"conflict, mid layers, hidden, facts the model does not know", "AUROC", mid(control.at("conflict"), "hidden")},
      {"source, mid layers, hidden, held-out relations", "AUROC", mid(source, "hidden", "auroc_by_fold"), ">=", 0.80,
       false, 0.5},
      {"source, mid layers, mlp, held-out relations", "AUROC", mid(source, "mlp", "auroc_by_fold")},
      {"source, mid layers, attn, held-out relations", "AUROC", mid(source, "attn", "auroc_by_fold")},
      {"kurtosis, late layers, context over memory", "share", gap(known.at("shape"), "kurtosis")},
      {"kurtosis without the top 3 dimensions, the same", "share", gap(known.at("shape"), "kurtosis_without_top")},
      {"Hoyer, late layers, context over memory", "share", gap(known.at("shape"), "hoyer")},
      {"L2, late layers, context over memory", "share", gap(known.at("shape"), "l2")}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "residual-conflict",
              .family = "inside",
              .title = "Residual-stream conflict probes",
              .paper = "arXiv 2410.16090",
              .sentence = "Mid layers tell at the last prompt token whether the passage contradicts memory, and which "
                          "source the answer will follow, on relations never trained on.",
              .example = "ken reproduce residual-conflict",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::residual_conflict_claim_file
