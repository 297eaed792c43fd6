// A packed batch: one token axis, a span per sequence, no padding. Prefill, decode and training share it.
#pragma once
#include <vector>

#include "ken/model/taps.h"
#include "ken/nn/kv_cache.h"

namespace ken::model {

struct Row {
  std::vector<int32_t> tokens;
  int cached = -1;                  // the sequence's id in the KV cache; -1: none
  std::optional<Phase> phase = {};  // default: decode when one token follows cached ones
};

struct Batch {
  Tensor tokens, positions, offsets;  // [T], [T], [S + 1] i64
  std::vector<int> cached;            // [S]
  std::vector<Phase> phases;          // [S]
  int64_t sequences() const { return offsets.size(0) - 1; }
  int64_t begin(int64_t s) const { return offsets.data_ptr<int64_t>()[s]; }
  int64_t end(int64_t s) const { return offsets.data_ptr<int64_t>()[s + 1]; }
  int64_t last(int64_t s) const { return end(s) - 1; }
  std::span<const int64_t> positions_of(int64_t s) const {
    return {positions.data_ptr<int64_t>() + begin(s), size_t(end(s) - begin(s))};
  }
};

// Positions of a cached row go on where its cache ends. Empty rows and ids outside the vocabulary are Errors.
Batch pack(const std::vector<Row>& rows, int64_t vocab, const nn::KvCache* cache = nullptr);

}  // namespace ken::model
