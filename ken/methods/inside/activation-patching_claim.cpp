// Activation patching on the almanac: what a fact's subject carries lies at its tokens in early layers and at the last
// token in late ones (the early and the late site of Meng et al., arXiv 2202.05262).
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::activation_patching_claim_file {
namespace {

enum Place { first_changed = 0, last_changed = 2, last_token = 5 };

// The mean over layers [begin, end) of a kind's effect at a place.
double mean_effect(const at::Tensor& map, int64_t begin, int64_t end, Place place) {
  return map.slice(0, begin, end).select(1, place).mean().item<double>();
}

readout::AnalysisResult sweep(const ClaimInput& input, const Json& params) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "activation-patching");
  return entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, params));
}

void add(std::vector<Figure>& figures, const std::string& what, const readout::AnalysisResult& result, bool barred) {
  const at::Tensor& map = result.tensors.at("resid_post");
  const int64_t layers = map.size(0), third = std::max<int64_t>(1, layers / 3);
  const double early = mean_effect(map, 0, third, last_changed), early_end = mean_effect(map, 0, third, last_token);
  const double late = mean_effect(map, layers - third, layers, last_changed),
               late_end = mean_effect(map, layers - third, layers, last_token);
  const auto figure = [&](const std::string& name, double value, bool with_bar) {
    Figure f{.name = what + name, .unit = "share of the logit difference", .value = value};
    if (with_bar) f.op = ">=", f.bar = 0.3, f.null = 0;
    figures.push_back(f);
  };
  figure(": words minus last token, first third of the layers", early - early_end, barred);
  figure(": last token minus words, last third of the layers", late_end - late, barred);
  const auto best = [&](const char* kind) { return at::nan_to_num(result.tensors.at(kind)).max().item<double>(); };
  figure(": most that one head carries at the last token", best("head"), false);
  figure(": most that one layer's MLP carries", best("mlp_out"), false);
}

std::vector<Figure> run(const ClaimInput& input) {
  std::vector<Figure> figures;
  add(figures, "subject of a question", sweep(input, Json::object()), true);
  add(figures, "value in a passage", sweep(input, {{"pairs", "passage"}, {"max_pairs", 60}}), true);
  add(figures, "subject, noising", sweep(input, {{"direction", "noising"}, {"max_pairs", 60}}), false);
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "activation-patching",
              .family = "inside",
              .title = "Activation patching",
              .paper = "arXiv 2309.16042",
              .sentence = "The words that tell the answer carry it in early layers, the last token in late ones.",
              .example = "ken reproduce activation-patching",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::activation_patching_claim_file
