// Characters of a text among its tokens, and its sentences.
#include "ken/readout/spans.h"

#include <gtest/gtest.h>

#include "tests/tiny.h"

namespace ken::readout::spans_test_file {
namespace {

TEST(SpansTest, a_span_is_the_smallest_run_of_tokens_that_covers_it) {
  const auto model = test::tiny_model();
  const std::string text = "the job of Ada is engineer .";
  const auto tokens = model->tokenizer->encode(text);
  const std::string decoded = model->tokenizer->decode(tokens);
  for (const std::string words : {"job", "is engineer", "."}) {
    const size_t begin = decoded.rfind(words);
    ASSERT_NE(begin, std::string::npos);
    const Span span = token_span(*model->tokenizer, tokens, begin, begin + words.size());
    ASSERT_TRUE(span.found());
    const std::vector<int32_t> inside(tokens.begin() + span.first, tokens.begin() + span.last + 1);
    const std::string read = model->tokenizer->decode(inside);
    EXPECT_NE(read.find(words), std::string::npos) << read;
    for (const auto& [from, to] : {std::pair(span.first + 1, span.last), std::pair(span.first, span.last - 1)}) {
      if (from > to) continue;
      const std::vector<int32_t> less(tokens.begin() + from, tokens.begin() + to + 1);
      EXPECT_EQ(model->tokenizer->decode(less).find(words), std::string::npos);
    }
  }
  EXPECT_FALSE(token_span(*model->tokenizer, tokens, decoded.size(), decoded.size() + 1).found());
}

TEST(SpansTest, sentences_end_at_their_signs_and_at_lines) {
  const std::string text = " It is 3.5 m. Is it?  Yes\nno end";
  std::vector<std::string> found;
  for (const auto& [begin, end] : sentences(text)) found.push_back(text.substr(begin, end - begin));
  EXPECT_EQ(found, (std::vector<std::string>{"It is 3.5 m.", "Is it?", "Yes", "no end"}));
  EXPECT_TRUE(sentences("  \n ").empty());
}

}  // namespace
}  // namespace ken::readout::spans_test_file
