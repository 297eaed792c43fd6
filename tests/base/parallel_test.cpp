#include "ken/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace ken::parallel_test_file {
namespace {

TEST(ParallelTest, ranges_hold_everything_once) {
  for (const int64_t n : {0, 1, 2, 3, 1000}) {
    std::vector<int> times(size_t(n), 0);
    in_ranges(n, [&](int64_t begin, int64_t end) {
      ASSERT_LT(begin, end);
      for (int64_t i = begin; i < end; ++i) ++times[size_t(i)];
    });
    EXPECT_EQ(times, std::vector<int>(size_t(n), 1)) << n;
  }
}

TEST(ParallelTest, an_error_reaches_the_caller_when_all_have_ended) {
  std::atomic<int64_t> done = 0;
  const auto work = [&](int64_t begin, int64_t end) {
    done += end - begin;
    throw std::runtime_error("no");
  };
  EXPECT_THROW(in_ranges(100, work), std::runtime_error);
  EXPECT_EQ(done, 100);
}

#ifdef _OPENMP
TEST(ParallelTest, as_many_threads_as_openmp_was_told) {
  const int before = omp_get_max_threads();
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    std::atomic<int> ranges = 0;
    in_ranges(100, [&](int64_t, int64_t) { ++ranges; });
    EXPECT_EQ(ranges, threads);
  }
  omp_set_num_threads(before);
}
#endif

}  // namespace
}  // namespace ken::parallel_test_file
