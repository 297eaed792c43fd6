// KL of next-token distributions between two models.
#include "ken/model/divergence.h"

#include "ken/base/error.h"

namespace ken::model {
namespace {

// [T, vocab]
Tensor logprobs(const Model& m, nn::Compute compute, const std::vector<int32_t>& text) {
  ForwardOptions options;
  options.compute = compute;
  options.logits = ForwardOptions::Logits::all;
  return at::log_softmax(forward(m, pack({{text}}, m.config.vocab), options).logits, -1);
}

void add(Divergence& sum, const Tensor& p, const Tensor& q) {
  const Tensor kl = (p.exp() * (p - q)).sum(-1, false, at::kDouble);
  sum.tokens += kl.numel();
  sum.mean += kl.sum().item<double>();
  sum.max = std::max(sum.max, kl.max().item<double>());
  sum.same_first += p.argmax(-1).eq(q.argmax(-1)).sum().item<double>();
}

}  // namespace

std::vector<Divergence> divergence(const Model& reference, const Model& other, const std::vector<nn::Compute>& computes,
                                   const std::vector<std::vector<int32_t>>& texts) {
  if (reference.config.vocab != other.config.vocab)
    fail("divergence", "vocabularies of {} and {} tokens have no divergence", reference.config.vocab,
         other.config.vocab);
  if (texts.empty()) fail("divergence", "no text to compare the models on");
  const at::NoGradGuard no_gradients;
  std::vector<Divergence> result(computes.size());
  for (const auto& text : texts) {
    const Tensor p = logprobs(reference, nn::Compute::f32, text);
    for (size_t i = 0; i < computes.size(); ++i) add(result[i], p, logprobs(other, computes[i], text));
  }
  for (Divergence& sum : result) sum.mean /= double(sum.tokens), sum.same_first /= double(sum.tokens);
  return result;
}

}  // namespace ken::model
