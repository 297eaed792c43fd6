// Hidden-state optimisation (Yoshida and Gimpel, arXiv 2112.08653): what a model has cached of a text is moved by
// gradient steps, so that the tokens which followed become likelier; the weights stay as they are.
#pragma once
#include "ken/model/model.h"

namespace ken::readout {

using at::Tensor;

struct CacheSteps {
  double rate = 3e-3;   // of Adam
  int64_t window = 25;  // tokens that are read before the states behind them move
  int64_t steps = 1;    // a window
};

// What is added to the keys (after rope) and values of a text's tokens.
struct CacheShift {
  Tensor keys, values;           // [layers, n, n_kv, d_head] f32; zeros where nothing moved
  double before = 0, after = 0;  // mean nll of the windows that were read, before and after their steps: nats a token
  // For passes that read the text from its first token on; they act on its own rows alone. The shift must outlive them.
  std::vector<model::Tap> taps() const;
};

// Window after window: loss = -sum log p(x_b .. x_{b+w-1} | K + dK, V + dV of the tokens before b); one Adam step on
// dK, dV, each position with its own moments. The last window moves what stands before it and is not moved itself. A
// text of one window or less is left as it is.
CacheShift fit_cache(const model::Model& model, const std::vector<int32_t>& tokens, const CacheSteps& options,
                     nn::Compute compute);

}  // namespace ken::readout
