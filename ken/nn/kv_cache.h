// Keys and values of sequences in blocks of 16 positions: forks share blocks, a write to a shared block copies it
// first.
#pragma once
#include "ken/kernels/page.h"
#include "ken/nn/torch.h"

namespace ken::nn {

using at::Tensor;

class KvCache {
 public:
  static constexpr int64_t block = kernels::page;
  // `type` is f32 or bf16: what the forward passes over this cache compute in, so that nothing is lost; or int8, on the
  // CPU and for passes in bf16: half the memory, each key and value rounded to 127 levels of its largest number.
  // max_positions bounds the positions held at once over all sequences (blocks count once however often shared);
  // extending past it is an Error.
  KvCache(int64_t layers, int64_t kv_heads, int64_t d_head, at::ScalarType type, at::Device device = at::kCPU,
          int64_t max_positions = int64_t{1} << 22);

  int open();            // an empty sequence
  int fork(int parent);  // the same positions, nothing copied
  void close(int sequence);
  int64_t length(int sequence) const { return at(sequence).length; }
  void truncate(int sequence, int64_t length);

  // Makes room for n more positions of a sequence and counts them as present; write() must fill them in every layer.
  void extend(int sequence, int64_t n);
  // k, v [T, K, D] of the last positions of the sequences whose table() this is, packed by offsets [S + 1].
  void write(int64_t layer, const std::pair<Tensor, Tensor>& table, const Tensor& offsets, const Tensor& k,
             const Tensor& v);
  // What the paged attention reads: block numbers [S, most] i32 and lengths [S] i64 (on the CPU).
  std::pair<Tensor, Tensor> table(const std::vector<int>& sequences) const;
  const Tensor& keys(int64_t layer) const { return k_[size_t(layer)]; }
  const Tensor& values(int64_t layer) const { return v_[size_t(layer)]; }

  int64_t blocks_used() const { return used_; }
  // Of one position in all layers.
  int64_t position_bytes() const { return std::ssize(k_) * 2 * kv_heads_ * width() * int64_t(at::elementSize(type_)); }
  int64_t bytes() const { return capacity_ * block * position_bytes(); }  // allocated

 private:
  struct Entry {
    std::vector<int32_t> blocks;
    int64_t length = 0;
    bool live = false;
  };
  const Entry& at(int sequence) const;
  Entry& at(int sequence) { return const_cast<Entry&>(static_cast<const KvCache*>(this)->at(sequence)); }
  int32_t take_block();
  void drop_block(int32_t block_id);
  void grow(int64_t blocks);
  // Numbers of a key or value in its block: of int8, with its scale.
  int64_t width() const { return d_head_ + (type_ == at::kChar ? kernels::scale_bytes : 0); }

  int64_t kv_heads_, d_head_, capacity_ = 0, used_ = 0, max_blocks_;
  at::ScalarType type_;
  at::Device device_;
  std::vector<Tensor> k_, v_;  // a layer: [capacity, K, D, block] and [capacity, K, block, D]; see attention_paged
  std::vector<int32_t> references_, free_;
  std::vector<Entry> entries_;
  std::vector<int> free_entries_;
};

}  // namespace ken::nn
