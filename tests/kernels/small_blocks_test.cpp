// The memory of small tensors: used again by its thread, dropped by any, aligned, and free of charge at no bytes.
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <thread>

#include "ken/nn/torch.h"

namespace ken::kernels::small_blocks_test_file {
namespace {

TEST(SmallBlocksTest, memory_that_was_dropped_is_the_next_tensors_of_its_size) {
  const void* first = at::empty({700}, at::kFloat).data_ptr();
  EXPECT_EQ(at::empty({1000}, at::kFloat).data_ptr(), first);  // both are kept as 4 KB
  const at::Tensor held = at::empty({700}, at::kFloat);
  EXPECT_EQ(held.data_ptr(), first);
  EXPECT_NE(at::empty({700}, at::kFloat).data_ptr(), first);
}

TEST(SmallBlocksTest, every_size_is_aligned_and_its_own) {
  std::vector<at::Tensor> all;
  for (int64_t n = 1; n < 200000; n = n * 3 / 2 + 1) {
    all.push_back(at::full({n}, n, at::kInt));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(all.back().data_ptr()) % c10::gAlignment, 0u) << n;
  }
  for (const at::Tensor& x : all) EXPECT_TRUE(x.eq(x.size(0)).all().item<bool>()) << x.size(0);
}

TEST(SmallBlocksTest, another_thread_may_drop_a_tensor_and_a_thread_may_end_before_its_tensors) {
  at::Tensor here = at::full({500}, 1.0f), there;
  std::thread([&] {
    here.reset();
    there = at::full({500}, 2.0f);
  }).join();
  EXPECT_EQ(there.sum().item<float>(), 1000);
}

TEST(SmallBlocksTest, raw_memory_comes_and_goes_also_of_no_bytes) {
  at::Allocator& allocator = *c10::GetCPUAllocator();
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{64}, size_t{65536}, size_t{65537}, size_t{1} << 21}) {
    void* memory = allocator.raw_allocate(bytes);
    EXPECT_EQ(memory == nullptr, bytes == 0);
    if (memory) std::memset(memory, 1, bytes);
    allocator.raw_deallocate(memory);
  }
}

}  // namespace
}  // namespace ken::kernels::small_blocks_test_file
