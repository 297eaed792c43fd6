// Memory of small tensors, kept by each thread for its next ones. A decoded token makes some three hundred tensors of a
// few KB and drops them again; glibc's aligned memory is cut out of a larger piece each time and put together again.
#include <c10/core/CPUAllocator.h>
#include <c10/core/alignment.h>
#include <c10/core/impl/alloc_cpu.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <vector>

namespace ken::kernels {
namespace {

// Sizes are powers of two from 64 bytes to 64 KB; larger ones are not kept.
constexpr size_t smallest = 6, sizes = 11, most_bytes = size_t{1} << (smallest + sizes - 1);
constexpr size_t kept_bytes = size_t{1} << 20;  // of each size by each thread

class Kept {
 public:
  Kept() { here() = this; }
  ~Kept() {
    here() = nullptr;  // what is dropped after this goes straight back
    for (auto& blocks : free_)
      for (void* block : blocks) c10::free_cpu(block);
  }
  // This thread's; null before its first tensor and behind its last.
  static Kept*& here() {
    static thread_local Kept* kept = nullptr;
    return kept;
  }
  void* take(size_t size) {
    auto& blocks = free_[size];
    if (blocks.empty()) return nullptr;
    void* block = blocks.back();
    blocks.pop_back();
    return block;
  }
  bool keep(size_t size, void* block) {
    auto& blocks = free_[size];
    if ((blocks.size() + 1) << (smallest + size) > kept_bytes) return false;
    blocks.push_back(block);
    return true;
  }

 private:
  std::array<std::vector<void*>, sizes> free_;
};

// In front of every tensor's memory: the size that it is kept as, or `sizes`.
struct alignas(c10::gAlignment) Header {
  size_t size;
};
void drop(void* memory) {
  if (!memory) return;  // oneDNN's scratch memory of no bytes
  Header* block = static_cast<Header*>(memory) - 1;
  Kept* kept = Kept::here();
  // A thread may drop what another one made: the block is then its own.
  if (block->size == sizes || !kept || !kept->keep(block->size, block)) c10::free_cpu(block);
}

class SmallBlocks : public c10::Allocator {
 public:
  SmallBlocks() { c10::SetCPUAllocator(this, 1); }
  c10::DataPtr allocate(size_t bytes) const override {
    if (bytes == 0) return {nullptr, nullptr, drop, c10::Device(c10::DeviceType::CPU)};
    auto* block = static_cast<Header*>(bytes > most_bytes ? nullptr : kept_block(bytes));
    if (!block) block = new (c10::alloc_cpu(sizeof(Header) + bytes)) Header{sizes};
    return {block + 1, block + 1, drop, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return drop; }

 private:
  // Null where this thread is about to end.
  static Header* kept_block(size_t bytes) {
    static thread_local Kept kept;
    if (!Kept::here()) return nullptr;
    const size_t size = std::max(smallest, size_t(std::bit_width(bytes - 1))) - smallest;
    void* block = kept.take(size);
    if (!block) block = new (c10::alloc_cpu(sizeof(Header) + (size_t{1} << (smallest + size)))) Header{size};
    return static_cast<Header*>(block);
  }
};

#ifndef __SANITIZE_ADDRESS__  // kept memory would hide what is used after its end
SmallBlocks& small_blocks() {
  static auto& blocks = *new SmallBlocks;  // outlives every tensor
  return blocks;
}
[[maybe_unused]] const auto& registered = small_blocks();
#endif

}  // namespace
}  // namespace ken::kernels
