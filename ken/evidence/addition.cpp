#include "ken/evidence/addition.h"

#include "ken/base/error.h"
#include "ken/readout/collect.h"

namespace ken::evidence {
namespace {

struct Pass {
  std::vector<model::Row> rows;
  std::vector<int64_t> last;  // of each prompt
  int64_t tokens = 0;
};

void run(const model::Model& model, const Pass& pass, const Addition& addition, nn::Compute compute,
         std::vector<double>& result) {
  const auto add = [&](const at::Tensor& x, const model::Site& site) -> std::optional<at::Tensor> {
    at::Tensor moved = x.clone();
    moved[pass.last[size_t(site.sequence)]] += addition.offset.to(x.options());
    return moved;
  };
  const model::TapPlan plan(model.config, {{addition.point, add}});
  const model::Batch batch = model::pack(pass.rows, model.config.vocab);
  const at::Tensor logits =
      model::forward(model, batch, {.compute = compute, .taps = &plan, .logits = model::ForwardOptions::Logits::all})
          .logits.to(at::kCPU);
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    const auto& tokens = pass.rows[size_t(s)].tokens;
    double sum = 0;
    for (int64_t at = pass.last[size_t(s)]; at + 1 < int64_t(tokens.size()); ++at) {
      const at::Tensor row = logits[batch.begin(s) + at];
      sum += (row[tokens[size_t(at) + 1]] - row.logsumexp(0)).item<double>();
    }
    result.push_back(sum);
  }
}

}  // namespace

std::vector<double> continuation_logprobs(const model::Model& model, const std::vector<OptionItem>& items,
                                          const Addition& addition, nn::Compute compute) {
  const at::NoGradGuard no_gradients;
  std::vector<double> result;
  Pass pass;
  const auto flush = [&] {
    if (!pass.rows.empty()) run(model, pass, addition, compute, result);
    pass = {};
  };
  for (const auto& item : items) {
    const OptionTokens cut = option_tokens(model, item, "addition");
    std::vector<int32_t> tokens = cut.prompt;
    tokens.insert(tokens.end(), cut.options.front().begin(), cut.options.front().end());
    if (pass.tokens + int64_t(tokens.size()) > readout::max_pass_tokens) flush();
    pass.tokens += int64_t(tokens.size());
    pass.last.push_back(int64_t(cut.prompt.size()) - 1);
    pass.rows.push_back({std::move(tokens)});
  }
  flush();
  return result;
}

}  // namespace ken::evidence
