#include "ken/evidence/word_swaps.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "ken/base/error.h"
#include "ken/base/files.h"

namespace ken::evidence::word_swaps_test_file {
namespace {

TEST(WordSwapsTest, swaps_whole_words_all_at_once_and_reads_files) {
  EXPECT_EQ(swap_words("she and sheila, she", {{"she", "he"}}), "he and sheila, he");
  EXPECT_EQ(swap_words("a b a c", both_ways({{"a", "b"}})), "b a b c");
  EXPECT_EQ(swap_words("Ada King, Ada", {{"Ada", "X"}, {"Ada King", "Y Z"}}), "Y Z, X");
  const fs::path file = fs::temp_directory_path() / fmt::format("ken-swaps-{}.json", ::getpid());
  write_text(file, R"({"a": ["b", "c"], "d": "e"})");
  EXPECT_EQ(read_word_swaps(file.string(), "test"), (WordSwaps{{"a", "b"}, {"a", "c"}, {"d", "e"}}));
  write_text(file, R"({"a": 3})");
  EXPECT_THROW(read_word_swaps(file.string(), "test"), Error);
  fs::remove(file);
  EXPECT_THROW(read_word_swaps("nofile", "test"), UsageError);
}

}  // namespace
}  // namespace ken::evidence::word_swaps_test_file
