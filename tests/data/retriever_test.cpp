#include "ken/data/retriever.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"

namespace ken::data::retriever_test_file {
namespace {

TEST(RetrieverTest, ranks_by_rare_words_and_says_which_passage) {
  const auto found = bm25({{"a", "the cat sat on the mat"}, {"b", "the dog sat"}, {"c", "a bird flew away"}});
  const auto hits = found->search("where did the dog sit?", 3);
  ASSERT_EQ(hits.size(), 2u);  // the third passage shares no word
  EXPECT_EQ(hits[0].passage, 1u);
  EXPECT_EQ(hits[1].passage, 0u);
  EXPECT_GT(hits[0].score, hits[1].score);
  EXPECT_EQ(found->search("dog", 1).size(), 1u);
}

TEST(RetrieverTest, equal_passages_come_in_their_order) {
  const auto found = bm25({{"a", "one two"}, {"b", "three"}, {"c", "one two"}});
  const auto hits = found->search("two", 9);
  ASSERT_EQ(hits.size(), 2u);
  EXPECT_EQ(hits[0].passage, 0u);
  EXPECT_EQ(hits[1].passage, 2u);
  EXPECT_DOUBLE_EQ(hits[0].score, hits[1].score);
}

TEST(RetrieverTest, nothing_to_find_is_no_error) {
  EXPECT_TRUE(bm25({})->search("word", 5).empty());
  EXPECT_TRUE(bm25({{"a", "text"}})->search("?!", 5).empty());
  EXPECT_TRUE(bm25({{"a", "text"}})->search(std::string(1 << 20, 'x'), 5).empty());
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "w" + std::to_string(i) + " ";
  EXPECT_EQ(bm25({{"a", "w1 w2"}})->search(many, 5).size(), 1u);
}

TEST(RetrieverTest, pieces_hold_so_many_words) {
  EXPECT_EQ(chunks("a b  c\nd e", 2), (std::vector<std::string>{"a b", "c d", "e"}));
  EXPECT_TRUE(chunks("  ", 3).empty());
  EXPECT_THROW(chunks("a", 0), UsageError);
}

}  // namespace
}  // namespace ken::data::retriever_test_file
