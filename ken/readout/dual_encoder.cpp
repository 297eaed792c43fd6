#include "ken/readout/dual_encoder.h"

#include <algorithm>
#include <numeric>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/readout/adam.h"
#include "ken/readout/index.h"

namespace ken::readout {
namespace {

Tensor unit_rows(const Tensor& x) { return x / x.square().sum(1, true).sqrt().clamp_min(1e-12); }

void check_pairs(const std::vector<EncoderPairs>& pairs, int64_t n) {
  if (pairs.empty()) fail("encoder", "there are no pairs to train on");
  const auto inside = [&](int64_t row) { return row >= 0 && row < n; };
  for (const auto& p : pairs)
    if (!inside(p.anchor) || p.near.empty() || p.far.empty() || !std::all_of(p.near.begin(), p.near.end(), inside) ||
        !std::all_of(p.far.begin(), p.far.end(), inside))
      fail("encoder", "each anchor needs near and far texts among the {} states", n);
}

// The loss of one step's anchors. Near texts of one anchor are never far ones of another: they may belong to both.
Tensor info_nce(const Tensor& e, const std::vector<const EncoderPairs*>& step, double temperature) {
  std::vector<Tensor> losses;
  for (const EncoderPairs* p : step) {
    std::vector<int64_t> far = p->far;
    for (const EncoderPairs* other : step)
      for (const int64_t row : other->near)
        if (other != p && row != p->anchor && !is_in(row, p->near)) far.push_back(row);
    const Tensor anchor = e[p->anchor];                                                         // [k]
    const Tensor to_far = at::mv(e.index_select(0, index_of(far)), anchor) / temperature;       // [far]
    const Tensor to_near = at::mv(e.index_select(0, index_of(p->near)), anchor) / temperature;  // [near]
    const Tensor all = at::cat({to_near.unsqueeze(1), to_far.unsqueeze(0).expand({to_near.size(0), -1})}, 1);
    losses.push_back(at::logsumexp(all, {1}) - to_near);
  }
  return at::cat(losses).mean();
}

}  // namespace

Tensor DualEncoder::encode(const Tensor& s) const { return unit_rows(at::mm(s - mean, w.t())); }

DualEncoder untrained_encoder(const Tensor& states) {
  if (states.dim() != 2 || states.size(0) == 0) fail("encoder", "there are no states to encode");
  return {states.mean(0), at::eye(states.size(1))};
}

DualEncoder train_encoder(const Tensor& states, const std::vector<EncoderPairs>& pairs, const EncoderOptions& options,
                          const Progress& progress) {
  DualEncoder encoder = untrained_encoder(states);
  check_pairs(pairs, states.size(0));
  const Tensor identity = encoder.w.clone();
  Adam adam;
  std::vector<size_t> order(pairs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t batch = size_t(options.batch), steps = (order.size() + batch - 1) / batch * size_t(options.epochs);
  size_t done = 0;
  for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    Rng(options.seed, uint64_t(epoch)).shuffle(order);
    for (size_t first = 0; first < order.size(); first += batch, ++done) {
      std::vector<const EncoderPairs*> step;
      for (size_t i = first; i < std::min(first + batch, order.size()); ++i) step.push_back(&pairs[order[i]]);
      const at::AutoGradMode gradients(true);
      Tensor w = encoder.w.detach().requires_grad_(true);
      const Tensor e = DualEncoder{encoder.mean, w}.encode(states);
      const Tensor loss =
          info_nce(e, step, options.temperature) + options.decay * (w - identity).square().sum() / double(w.size(0));
      loss.backward();
      const double rate = options.rate * (1 - double(done) / double(steps));
      encoder.w = w.detach() + adam.step(w.grad(), rate);
      if (progress) progress("train encoder", done + 1, steps, "");
    }
  }
  return encoder;
}

}  // namespace ken::readout
