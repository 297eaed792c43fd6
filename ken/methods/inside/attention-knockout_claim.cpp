// Attention knock-out on the almanac (Geva et al., arXiv 2304.14767): hidden from the last token in some layers, the
// fact's words take most of the answer's probability with them; as many layers without sight of the first token do not.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::attention_knockout_claim_file {
namespace {

void add(std::vector<Figure>& figures, const ClaimInput& input, const std::string& pairs, const std::string& what,
         bool barred) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "attention-knockout");
  const auto result =
      entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, {{"pairs", pairs}}));
  const at::Tensor effect = at::nan_to_num(result.tensors.at("effect"));  // [layers, {fact, first, other}]
  const int64_t half = effect.size(0) / 2;
  const auto least = [&](int64_t set, int64_t from) {
    return effect.slice(0, from).select(1, set).min().item<double>();
  };
  Figure fact{
      .name = what + ", hidden in a fifth of the layers: strongest", .unit = "relative change", .value = least(0, 0)};
  if (barred) fact.op = "<=", fact.bar = -0.5, fact.null = 0;
  figures.push_back(fact);
  figures.push_back({.name = what + ": layer of it, as a share of the depth",
                     .unit = "depth",
                     .value = (double(effect.select(1, 0).argmin().item<int64_t>()) + 0.5) / double(effect.size(0))});
  figures.push_back({.name = what + ": the first token hidden instead, upper half",
                     .unit = "relative change",
                     .value = least(1, half),
                     .side_effect = true});
  figures.push_back({.name = what + ": all other tokens hidden instead, upper half",
                     .unit = "relative change",
                     .value = least(2, half),
                     .side_effect = true});
}

std::vector<Figure> run(const ClaimInput& input) {
  std::vector<Figure> figures;
  add(figures, input, "passage", "value in a passage", true);
  add(figures, input, "subject", "subject of a question", true);
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "attention-knockout",
              .family = "inside",
              .title = "Attention knock-out",
              .paper = "arXiv 2304.14767",
              .sentence = "The last token fetches the answer from the fact's words in the middle layers.",
              .example = "ken reproduce attention-knockout",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::attention_knockout_claim_file
