// The probe map on the almanac: whether the answer will be right can be read before it is given (Orgad et al., arXiv
// 2410.02707); whether a passage contradicts memory can be read while it is read (Zhao et al., arXiv 2410.16090).
// Not every layer is tried and the best kept: each fold's layer is chosen on the other folds.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::probe_map_claim_file {
namespace {

readout::AnalysisResult map(const ClaimInput& input, const Json& params) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "probe-map");
  return entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, params));
}

double at_place(const readout::AnalysisResult& result, const char* place, const char* tensor = "best_of_place") {
  const auto& places = result.table.at("positions");
  for (size_t i = 0; i < places.size(); ++i)
    if (places[i] == place) {
      const at::Tensor& values = result.tensors.at(tensor);
      return (values.dim() == 1 ? values : values[0])[int64_t(i)].item<double>();  // of a map, the embedding's row
    }
  fail("probe-map", "the facts give no position '{}'", place);
}

double number(const Json& num) { return num.at("value").is_null() ? NAN : num.at("value").get<double>(); }

std::vector<Figure> run(const ClaimInput& input) {
  const auto correct = map(input, {{"target", "correct"}});
  const auto conflict = map(input, {{"target", "conflict"}});
  const auto control = map(input, {{"target", "conflict"}, {"facts", "unknown"}});
  // A linear probe is expected to lose to the answer's own probability on a small model, and the last token to know
  // little of a conflict: these are reported beside the claims, without a bar.
  return {
      {.name = "correctness, best layer and position",
       .unit = "AUROC",
       .value = number(correct.table.at("best").at("auroc")),
       .op = ">=",
       .bar = 0.65,
       .null = 0.5},
      {.name = "correctness, embedding of the last token",
       .unit = "AUROC",
       .value = at_place(correct, "answer", "auroc")},
      {.name = "correctness, probability of the answer",
       .unit = "AUROC",
       .value = number(correct.table.at("baseline"))},
      {.name = "conflict, best layer at the passage's value",
       .unit = "AUROC",
       .value = at_place(conflict, "value"),
       .op = ">=",
       .bar = 0.70,
       .null = 0.5},
      {.name = "conflict, best layer at the last token", .unit = "AUROC", .value = at_place(conflict, "answer")},
      {.name = "conflict, entropy of the first answer token",
       .unit = "AUROC",
       .value = number(conflict.table.at("baseline"))},
      {.name = "conflict at the passage's value, facts the model does not know",
       .unit = "AUROC",
       .value = at_place(control, "value")},
  };
}

const Register<ClaimEntry> entry{
    {.card = {.id = "probe-map",
              .family = "inside",
              .title = "Probe map",
              .paper = "arXiv 1610.01644",
              .sentence = "Whether the answer will be right, and whether a passage contradicts memory, can be read "
                          "linearly from the residual stream.",
              .example = "ken reproduce probe-map",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::probe_map_claim_file
