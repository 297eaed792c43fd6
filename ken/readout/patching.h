// Passes that change something in a pass which was already made: activation patching, knock-out, path patching. What a
// change cannot reach is not computed again: a patched pass enters at its first changed layer from the saved residual
// stream, and at its first changed token behind the saved keys and values.
#pragma once
#include "ken/base/progress.h"
#include "ken/model/partial.h"

namespace ken::readout {

using at::Tensor;
using model::Point;

// Prompts of a pass with what it left behind.
class SavedRun {
 public:
  // `keep` are the points whose rows are kept beside the residual stream ("z" of every head, attn_out, ...). `taps` act
  // on the pass: a corruption by noise.
  SavedRun(const model::Model& model, std::vector<std::vector<int32_t>> prompts, const std::vector<Point>& keep,
           nn::Compute compute, std::vector<model::Tap> taps = {});
  SavedRun(const SavedRun&) = delete;

  size_t size() const { return prompts_.size(); }
  const std::vector<int32_t>& prompt(size_t s) const { return prompts_[s]; }
  int64_t length(size_t s) const { return int64_t(prompts_[s].size()); }
  // Rows of one prompt: [n, d_model] of resid_pre (layer n_layers: after the last block), or of a kept point as its tap
  // gives them.
  Tensor resid(int64_t layer, size_t s) const;
  Tensor kept(Point point, int64_t layer, size_t s) const;
  const Tensor& logits() const { return logits_; }  // [S, vocab] f32, of the last tokens

 private:
  friend class Patcher;
  std::vector<std::vector<int32_t>> prompts_;
  std::vector<int64_t> offsets_;
  std::vector<Tensor> resid_;  // by layer, packed rows
  std::map<std::pair<Point, int64_t>, Tensor> kept_;
  Tensor logits_;
  nn::KvCache cache_;
  std::vector<int> cached_;
};

// One change: the rows of the point from Patch::from on (of scores and pattern: [H, n_q, n_k], all keys) become what
// `change` returns; an undefined tensor leaves them. positions are the rows' places in the prompt.
struct Edit {
  Point point;
  int64_t layer;
  std::function<Tensor(const Tensor& rows, std::span<const int64_t> positions)> change;
};

// Changes to one prompt that are made together. Layers and tokens before the first are taken from the saved run, so no
// edit may lie before `from`.
struct Patch {
  size_t prompt = 0;
  int64_t from = 0;
  std::vector<Edit> edits;
};

// The row at `position` becomes `value` [d] (at z with head >= 0: that head's [D]).
Edit put(Point point, int64_t layer, int64_t position, Tensor value, int64_t head = -1);

class Patcher {
 public:
  Patcher(const model::Model& model, SavedRun& run, nn::Compute compute)
      : model_(model), run_(run), compute_(compute) {}
  // What is measured of next-token logits [n, vocab]: [n, m] f32, for the patches of these numbers.
  using Measure = std::function<Tensor(const Tensor& logits, const std::vector<int64_t>& numbers)>;
  // [patches, m]: each prompt under its patch. Passes of a few thousand rows, sorted by the first layer that changes;
  // logits of a large vocabulary are never held for all patches.
  Tensor measure(const std::vector<Patch>& patches, const Measure& measure, const Progress& progress = {});

 private:
  Tensor pass(const std::vector<const Patch*>& patches, int64_t layer);
  const model::Model& model_;
  SavedRun& run_;
  nn::Compute compute_;
};

}  // namespace ken::readout
