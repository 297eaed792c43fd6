// Beginnings that stay in the cache: the longest one is taken, those within another and those long unused go.
#include "ken/generate/beginnings.h"

#include <gtest/gtest.h>

namespace ken::generate::beginnings_test_file {
namespace {

class BeginningsTest : public testing::Test {
 protected:
  int sequence(int64_t length) {
    const int opened = cache.open();
    cache.extend(opened, length);
    return opened;
  }
  static std::vector<int32_t> tokens(int32_t first, int64_t n) {
    std::vector<int32_t> all;
    for (int64_t i = 0; i < n; ++i) all.push_back(first + int32_t(i));
    return all;
  }
  nn::KvCache cache{1, 1, 8, at::kFloat};
  Beginnings beginnings{cache};
};

TEST_F(BeginningsTest, the_longest_common_one_is_forked_but_for_the_last_token) {
  beginnings.add(tokens(0, 20), sequence(20));
  beginnings.add(tokens(100, 40), sequence(40));
  const auto [whole, all] = beginnings.fork(tokens(0, 20));
  EXPECT_EQ(all, 19u);
  EXPECT_EQ(cache.length(whole), 19);
  auto ask = tokens(100, 30);
  ask.push_back(7);
  const auto [part, n] = beginnings.fork(ask);
  EXPECT_EQ(n, 30u);
  EXPECT_EQ(cache.length(part), 30);
  const auto [nothing, none] = beginnings.fork(tokens(0, 3));  // not worth it
  EXPECT_EQ(none, 0u);
  EXPECT_EQ(cache.length(nothing), 0);
}

TEST_F(BeginningsTest, one_that_a_longer_one_begins_with_gives_its_place) {
  beginnings.add(tokens(0, 20), sequence(20));
  beginnings.add(tokens(0, 64), sequence(64));
  const int64_t used = cache.blocks_used();
  EXPECT_EQ(used, 4);
  beginnings.add(tokens(0, 3), sequence(3));  // too short to keep
  EXPECT_EQ(cache.blocks_used(), used);
}

TEST_F(BeginningsTest, those_not_used_for_longest_go_first) {
  for (int32_t i = 0; i < 3; ++i) beginnings.add(tokens(100 * i, 32), sequence(32));
  cache.close(beginnings.fork(tokens(0, 32)).first);  // the oldest is used
  beginnings.shrink(64);
  EXPECT_EQ(cache.blocks_used(), 4);
  EXPECT_EQ(beginnings.fork(tokens(0, 40)).second, 32u);
  EXPECT_EQ(beginnings.fork(tokens(100, 40)).second, 0u);
  beginnings.shrink(0);
  EXPECT_EQ(beginnings.fork(tokens(0, 40)).second, 0u);
}

TEST_F(BeginningsTest, there_are_not_too_many) {
  for (int32_t i = 0; i < int32_t(Beginnings::most) + 10; ++i) beginnings.add(tokens(100 * i, 16), sequence(16));
  beginnings.shrink(1 << 20);
  EXPECT_EQ(cache.blocks_used(), int64_t(Beginnings::most));
}

}  // namespace
}  // namespace ken::generate::beginnings_test_file
