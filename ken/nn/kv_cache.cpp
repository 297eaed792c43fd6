#include "ken/nn/kv_cache.h"

#include <cstring>

#include "ken/base/error.h"
#include "ken/kernels/kernels.h"

namespace ken::nn {
namespace {

// Every sample of a prompt copies a block in every layer at its first step: too often for torch's own ways.
void copy_block(const Tensor& pool, int64_t from, int64_t to) {
  if (!pool.is_cpu()) {
    pool.select(0, to).copy_(pool.select(0, from));
    return;
  }
  const size_t bytes = pool.nbytes() / size_t(pool.size(0));
  auto* data = static_cast<std::byte*>(pool.data_ptr());
  std::memcpy(data + size_t(to) * bytes, data + size_t(from) * bytes, bytes);
}

}  // namespace

KvCache::KvCache(int64_t layers, int64_t kv_heads, int64_t d_head, at::ScalarType type, at::Device device,
                 int64_t max_positions)
    : kv_heads_(kv_heads),
      d_head_(d_head),
      max_blocks_((max_positions + block - 1) / block),
      type_(type),
      device_(device),
      k_(size_t(layers)),
      v_(size_t(layers)) {
  grow(8);
}

const KvCache::Entry& KvCache::at(int sequence) const {
  if (sequence < 0 || size_t(sequence) >= entries_.size() || !entries_[size_t(sequence)].live) {
    fail("kv_cache", "sequence {} is not open", sequence);
  }
  return entries_[size_t(sequence)];
}

int KvCache::open() {
  int id;
  if (free_entries_.empty()) {
    id = int(entries_.size());
    entries_.emplace_back();
  } else {
    id = free_entries_.back();
    free_entries_.pop_back();
  }
  entries_[size_t(id)] = Entry{{}, 0, true};
  return id;
}

int KvCache::fork(int parent) {
  const int id = open();
  const Entry source = at(parent);
  for (int32_t b : source.blocks) ++references_[size_t(b)];
  entries_[size_t(id)] = source;
  return id;
}

void KvCache::close(int sequence) {
  Entry& entry = at(sequence);
  for (int32_t b : entry.blocks) drop_block(b);
  entry = Entry{};
  free_entries_.push_back(sequence);
}

void KvCache::truncate(int sequence, int64_t length) {
  Entry& entry = at(sequence);
  if (length < 0 || length > entry.length) fail("kv_cache", "cannot truncate {} positions to {}", entry.length, length);
  while (int64_t(entry.blocks.size()) * block >= length + block) {
    drop_block(entry.blocks.back());
    entry.blocks.pop_back();
  }
  entry.length = length;
}

void KvCache::extend(int sequence, int64_t n) {
  const int64_t length = at(sequence).length;
  // A partly filled last block that others share is copied before anything is written to it.
  if (length % block != 0 && n > 0 && references_[size_t(at(sequence).blocks.back())] > 1) {
    const int32_t copy = take_block(), old = at(sequence).blocks.back();
    for (size_t l = 0; l < k_.size(); ++l) copy_block(k_[l], old, copy), copy_block(v_[l], old, copy);
    drop_block(old);
    at(sequence).blocks.back() = copy;
  }
  while (int64_t(at(sequence).blocks.size()) * block < length + n) {
    const int32_t fresh = take_block();
    at(sequence).blocks.push_back(fresh);
  }
  at(sequence).length = length + n;
}

void KvCache::write(int64_t layer, const std::pair<Tensor, Tensor>& table, const Tensor& offsets, const Tensor& k,
                    const Tensor& v) {
  kernels::write_pages(k, v, k_[size_t(layer)], v_[size_t(layer)], table.first, table.second, offsets);
}

std::pair<Tensor, Tensor> KvCache::table(const std::vector<int>& sequences) const {
  size_t most = 1;
  for (int id : sequences) most = std::max(most, at(id).blocks.size());
  Tensor table = at::zeros({int64_t(sequences.size()), int64_t(most)}, at::kInt);
  Tensor lengths = at::empty({int64_t(sequences.size())}, at::kLong);
  for (size_t i = 0; i < sequences.size(); ++i) {
    const Entry& entry = at(sequences[i]);
    std::copy(entry.blocks.begin(), entry.blocks.end(), table.data_ptr<int32_t>() + i * most);
    lengths.data_ptr<int64_t>()[i] = entry.length;
  }
  return {table, lengths};
}

int32_t KvCache::take_block() {
  if (free_.empty()) grow(std::max<int64_t>(64, capacity_ * 2));
  if (used_ >= max_blocks_)
    fail("kv_cache", "the cache is full at {} positions; run fewer rows or shorter prompts at once",
         max_blocks_ * block);
  const int32_t id = free_.back();
  free_.pop_back();
  references_[size_t(id)] = 1;
  ++used_;
  return id;
}

void KvCache::drop_block(int32_t id) {
  if (--references_[size_t(id)] == 0) {
    free_.push_back(id);
    --used_;
  }
}

void KvCache::grow(int64_t blocks) {
  const auto options = at::TensorOptions().dtype(type_).device(device_);
  for (auto* pool : {&k_, &v_}) {
    for (auto& tensor : *pool) {
      Tensor larger = pool == &k_ ? at::empty({blocks, kv_heads_, width(), block}, options)
                                  : at::empty({blocks, kv_heads_, block, width()}, options);
      if (capacity_ > 0) larger.narrow(0, 0, capacity_).copy_(tensor);
      tensor = larger;
    }
  }
  references_.resize(size_t(blocks), 0);
  for (int64_t id = blocks - 1; id >= capacity_; --id) free_.push_back(int32_t(id));
  capacity_ = blocks;
}

}  // namespace ken::nn
