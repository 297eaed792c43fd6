// Direct logit attribution on the almanac's passages that contradict memory: the parts add up to the model's own logit
// difference, and the heads that they name matter: ablated, they take more of it away than random heads.
#include <algorithm>

#include "ken/base/rng.h"
#include "ken/evidence/contest.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::direct_logit_attribution_claim_file {
namespace {

constexpr int64_t ablated = 4;

std::vector<int64_t> first_of(const at::Tensor& order) {
  std::vector<int64_t> heads;
  for (int64_t i = 0; i < ablated; ++i) heads.push_back(order[i].item<int64_t>());
  return heads;
}

// The mean logit difference over the second half of the contests with some heads' z at zero.
double without(const ClaimInput& input, const std::vector<evidence::Contest>& contests,
               const std::vector<int64_t>& heads) {
  const at::NoGradGuard no_gradients;
  std::vector<model::Tap> taps;
  for (const int64_t head : heads) {
    const int64_t layer = head / input.model.config.n_heads, h = head % input.model.config.n_heads;
    taps.push_back({fmt::format("blocks.{}.attn.hook_z", layer), [h](const at::Tensor& z, const model::Site&) {
                      const at::Tensor changed = z.clone();
                      changed.select(1, h).zero_();
                      return std::optional<at::Tensor>(changed);
                    }});
  }
  const model::TapPlan plan(input.model.config, taps);
  double sum = 0;
  for (size_t i = contests.size() / 2; i < contests.size(); ++i) {
    const auto& c = contests[i];
    const auto out = model::forward(input.model, model::pack({{c.tokens}}, input.model.config.vocab), {.taps = &plan});
    sum += (out.logits[0][c.right] - out.logits[0][c.wrong]).item<double>();
  }
  return sum / double(contests.size() - contests.size() / 2);
}

std::vector<Figure> run(const ClaimInput& input) {
  constexpr size_t items = 400;
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "direct-logit-attribution");
  const readout::AnalysisInput analysis{input.model, input.facts, input.style, input.seed};
  const auto result = entry.run(analysis, resolve_params(entry.card, {{"items", "passages"}, {"max_items", items}}));
  // The same contests in the same order; heads are named on the first half and ablated on the second.
  const auto contests = evidence::passage_contests(analysis, "none", items);
  const auto heads = result.tensors.at("heads").narrow(0, 0, int64_t(contests.size() / 2)).mean(0).flatten();
  const auto named = first_of(heads.argsort(-1, true));
  Rng rng(input.seed);
  std::vector<int64_t> all;
  for (int64_t i = 0; i < heads.numel(); ++i)
    if (std::find(named.begin(), named.end(), i) == named.end()) all.push_back(i);
  rng.shuffle(all);
  all.resize(size_t(ablated));
  const double whole = without(input, contests, {}), less = whole - without(input, contests, named),
               random = whole - without(input, contests, all);
  return {{.name = "largest deviation of the sum from the logit difference",
           .unit = "logits",
           .value = result.table.at("largest_deviation_of_the_sum"),
           .op = "<=",
           .bar = 1e-3},
          {.name = "logit difference lost with the four largest heads ablated, beyond four random ones",
           .unit = "logits",
           .value = less - random,
           .op = ">=",
           .bar = 0,
           .null = 0},
          {.name = "logit difference, passage's answer over the true one", .unit = "logits", .value = whole},
          {.name = "lost with the four largest heads ablated", .unit = "logits", .value = less},
          {.name = "lost with four random heads ablated (control)", .unit = "logits", .value = random},
          {.name = "sum of the four heads' contributions",
           .unit = "logits",
           .value = heads.index_select(0, at::tensor(at::ArrayRef<int64_t>(named))).sum().item<double>()}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "direct-logit-attribution",
              .family = "inside",
              .title = "Direct logit attribution",
              .paper = "Elhage et al. 2021; arXiv 2211.00593",
              .sentence = "The contributions of embedding, heads and MLPs add up to the difference of the two answers' "
                          "logits, and the heads with the largest ones carry the answer.",
              .example = "ken reproduce direct-logit-attribution",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::direct_logit_attribution_claim_file
