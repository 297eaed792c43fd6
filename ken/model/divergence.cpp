// KL of next-token distributions between two models.
#include "ken/model/divergence.h"

#include "ken/base/error.h"

namespace ken::model {
namespace {

Tensor logits(const Model& m, nn::Compute compute, const std::vector<int32_t>& text) {
  ForwardOptions options;
  options.compute = compute;
  options.logits = ForwardOptions::Logits::all;
  return forward(m, pack({{text}}, m.config.vocab), options).logits;
}

}  // namespace

Divergence divergence(const Model& reference, nn::Compute reference_compute, const Model& other, nn::Compute compute,
                      const std::vector<std::vector<int32_t>>& texts) {
  if (reference.config.vocab != other.config.vocab)
    fail("divergence", "vocabularies of {} and {} tokens have no divergence", reference.config.vocab,
         other.config.vocab);
  const at::NoGradGuard no_gradients;
  Divergence result;
  for (const auto& text : texts) {
    const Tensor p = at::log_softmax(logits(reference, reference_compute, text), -1),  // [T, vocab]
        q = at::log_softmax(logits(other, compute, text), -1);
    const Tensor kl = (p.exp() * (p - q)).sum(-1, false, at::kDouble);
    result.tokens += kl.numel();
    result.mean += kl.sum().item<double>();
    result.max = std::max(result.max, kl.max().item<double>());
    result.same_first += p.argmax(-1).eq(q.argmax(-1)).sum().item<double>();
  }
  if (result.tokens == 0) fail("divergence", "no text to compare the models on");
  result.mean /= double(result.tokens);
  result.same_first /= double(result.tokens);
  return result;
}

}  // namespace ken::model
