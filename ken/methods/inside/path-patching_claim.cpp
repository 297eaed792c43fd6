// Path patching on the almanac: few heads write what a passage says into the answer (Wang et al., arXiv 2211.00593, of
// another task), and they are other ones than those that write what is remembered.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::path_patching_claim_file {
namespace {

at::Tensor effects(const ClaimInput& input, const Json& params) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "path-patching");
  return entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, params))
      .tensors.at("effect");
}

// The share of the summed loss that the strongest tenth of the heads makes.
double concentration(const at::Tensor& effect) {
  const at::Tensor loss = (-effect).clamp_min(0).flatten();
  const int64_t tenth = std::max<int64_t>(1, (loss.numel() + 5) / 10);
  return (std::get<0>(loss.topk(tenth)).sum() / loss.sum()).item<double>();
}

double correlation(const at::Tensor& a, const at::Tensor& b) {
  return at::corrcoef(at::stack({a.flatten(), b.flatten()}))[0][1].item<double>();
}

std::vector<Figure> run(const ClaimInput& input) {
  const at::Tensor passage = effects(input, {{"pairs", "passage"}}),
                   again = effects(input, {{"pairs", "passage"}, {"max_pairs", 50}}),
                   subject = effects(input, {{"pairs", "subject"}});
  return {{.name = "value in a passage: share of the strongest tenth of the heads",
           .unit = "share of the loss",
           .value = concentration(passage),
           .op = ">=",
           .bar = 0.5,
           .null = 0.1},
          {.name = "subject of a question: share of the strongest tenth of the heads",
           .unit = "share of the loss",
           .value = concentration(subject)},
          {.name = "heads by effect: passage against memory",
           .unit = "correlation",
           .value = correlation(passage, subject)},
          {.name = "heads by effect: all passages against half of them",
           .unit = "correlation",
           .value = correlation(passage, again),
           .side_effect = true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "path-patching",
              .family = "inside",
              .title = "Path patching",
              .paper = "arXiv 2304.05969",
              .sentence = "A tenth of the heads write most of what a passage says into the answer.",
              .example = "ken reproduce path-patching",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::path_patching_claim_file
