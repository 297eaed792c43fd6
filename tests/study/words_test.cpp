// Command lines cut into words, and words put together again.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/study/batch.h"

namespace ken::study::words_test_file {
namespace {

using Words = std::vector<std::string>;

TEST(WordsTest, are_cut_as_a_shell_cuts_them) {
  EXPECT_EQ(split_words("  study --facts 'a b.jsonl'\t-o \"x \\\" $y\" # note"),
            (Words{"study", "--facts", "a b.jsonl", "-o", "x \" $y"}));
  EXPECT_EQ(split_words("a\\ b '' c#d 'it'\\''s'"), (Words{"a b", "", "c#d", "it's"}));
  EXPECT_TRUE(split_words(" # only a note").empty());
  EXPECT_THROW(split_words("ask 'where"), UsageError);
  EXPECT_THROW(split_words("ask \\"), UsageError);
}

TEST(WordsTest, joined_words_are_cut_into_the_same_words) {
  const Words words{"ask", "", "it's \"so\"", "a b", "$x `y` \\", "plain-1.5"};
  EXPECT_EQ(split_words(join_words(words)), words);
}

}  // namespace
}  // namespace ken::study::words_test_file
