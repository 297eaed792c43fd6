// The tuned lens on the almanac's documents (Belrose et al., arXiv 2303.08112): fitted on documents of no training run,
// judged on others, beside the logit lens. The causal check ablates the directions that a lens leans on in the model.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/world/texts.h"

namespace ken::tasks::tuned_lens_claim_file {
namespace {

data::Texts documents(const model::Model& model) {
  const auto params = train::world_of(model.metadata);
  if (!params) return {};
  return world::texts_of(std::make_shared<const world::World>(*params), params->documents, params->documents);
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "tuned-lens");
  readout::AnalysisInput analysis{input.model, input.facts, input.style, input.seed};
  analysis.texts = documents(input.model);
  const auto result = entry.run(analysis, resolve_params(entry.card, {{"steps", 60}}));
  // [perplexity, KL, agreement; layers], the last layer left out: both lenses are the model there
  const int64_t layers = input.model.config.n_layers;
  const auto tuned = result.tensors.at("tuned").narrow(1, 0, layers),
             plain = result.tensors.at("logit").narrow(1, 0, layers);
  const auto ratio = tuned / plain, causal = result.tensors.at("causal").mean(0);  // [4]
  const auto value = [](const at::Tensor& x) { return x.item<double>(); };
  return {{.name = "KL to the final distribution, tuned over logit lens, worst layer",
           .unit = "ratio",
           .value = value(ratio[1].max()),
           .op = "<=",
           .bar = 1,
           .null = 1},
          {.name = "perplexity, tuned over logit lens, worst layer",
           .unit = "ratio",
           .value = value(ratio[0].max()),
           .op = "<=",
           .bar = 1,
           .null = 1},
          {.name = "KL to the final distribution halfway up, tuned lens",
           .unit = "nats",
           .value = value(tuned[1][layers / 2])},
          {.name = "the same, logit lens", .unit = "nats", .value = value(plain[1][layers / 2])},
          {.name = "agreement with the final token halfway up, tuned lens",
           .unit = "share",
           .value = value(tuned[2][layers / 2])},
          {.name = "the same, logit lens", .unit = "share", .value = value(plain[2][layers / 2])},
          {.name = "ablated in the model, the tuned lens's directions over random ones",
           .unit = "ratio of KL",
           .value = value(causal[2] / causal[3]),
           .op = ">=",
           .bar = 1,
           .null = 1},
          {.name = "influence of a direction on the lens and on the model, tuned lens, mean of three layers",
           .unit = "Spearman",
           .value = value(causal[0])},
          {.name = "the same, logit lens", .unit = "Spearman", .value = value(causal[1])}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "tuned-lens",
              .family = "inside",
              .title = "Tuned lens",
              .paper = "arXiv 2303.08112",
              .sentence = "A trained affine translator reads every layer closer to the final distribution than the "
                          "plain logit lens does, and leans on directions that the model uses.",
              .example = "ken reproduce tuned-lens",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::tuned_lens_claim_file
