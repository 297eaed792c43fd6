// Taps: named points of the forward pass where a function reads or replaces the activations of one sequence.
// Names are TransformerLens's: "blocks.3.hook_resid_post", "blocks.*.attn.hook_z", "ln_final.hook_normalized", ...
#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ken/model/config.h"
#include "ken/nn/torch.h"

namespace ken::model {

using at::Tensor;

enum class Point {
  embed,
  resid_pre,
  ln1,
  q,
  k,
  v,
  rot_q,
  rot_k,
  scores,
  pattern,
  z,
  attn_raw,
  attn_out,
  resid_mid,
  ln2,
  mlp_pre,
  mlp_linear,
  mlp_post,
  mlp_raw,
  mlp_out,
  resid_post,
  ln_final,
  count
};
std::vector<std::string> point_names();  // "hook_embed", "blocks.*.hook_resid_pre", ... in the order above
std::string point_name(Point point, int64_t layer);

enum class Phase { prefill, decode };

struct Site {
  int sequence;                        // index of the row in the batch
  std::span<const int64_t> positions;  // of its tokens in the pass
  Phase phase;
  int64_t layer;  // -1 at points without a layer
  Point point;
};

// x holds the rows of one sequence: [n, d_model], [n, H, D], [n, d_ff], or [H, n_q, n_k] at scores and pattern.
// Nothing returned = read only. A replacement must have the shape of x; it is put in place out of place.
using TapFn = std::function<std::optional<Tensor>(const Tensor& x, const Site& site)>;

struct Tap {
  std::string point;  // a name; "*" for the layer means every layer
  TapFn fn;
  std::vector<int> sequences = {};  // rows of the batch; empty = all
};

// Names resolved once before a pass; asking about an unused point costs one look at a table.
class TapPlan {
 public:
  TapPlan() = default;
  TapPlan(const Config& config, std::vector<Tap> taps);  // unknown names are UsageErrors with near ones
  bool empty() const { return taps_.empty(); }
  bool uses(Point point, int64_t layer) const { return !taps_.empty() && !at(point, layer).empty(); }
  bool uses(Point point, int64_t layer, int sequence) const;
  // x over all rows of the batch (or of one sequence, if `only` >= 0) after every tap, in the order given.
  Tensor apply(Point point, int64_t layer, const Tensor& x, const struct Batch& batch, int only = -1) const;

 private:
  const std::vector<size_t>& at(Point point, int64_t layer) const {
    return table_[size_t(point) * size_t(layers_) + size_t(std::max<int64_t>(layer, 0))];
  }
  std::vector<Tap> taps_;
  std::vector<std::vector<size_t>> table_;
  int64_t layers_ = 0;
};

// Collects activations by full name: one tensor a sequence, in the order of the pass.
class ActivationCache {
 public:
  // Taps that fill this cache, which must outlive the pass. Rows are cloned, because a pass reuses no tensor but a
  // caller may edit one.
  std::vector<Tap> taps(const std::vector<std::string>& points);
  bool has(const std::string& name) const { return values_.count(name) > 0; }
  std::vector<std::string> names() const;
  const Tensor& at(const std::string& name, int sequence = 0) const;
  void clear() { values_.clear(); }

 private:
  std::map<std::string, std::map<int, Tensor>> values_;
};

}  // namespace ken::model
