// The trained byte-level BPE: one token a word, the same on every run, and bounded.
#include <gtest/gtest.h>

#include <algorithm>

#include "ken/base/error.h"
#include "tests/text/vocabularies.h"

namespace ken::text::bpe_trainer_test_file {
namespace {

using namespace ken;
using Words = std::vector<std::pair<std::string, uint64_t>>;

// Words of two syllables and more, with and without a leading space, some with letters of two bytes.
Words random_words(uint64_t seed, size_t n) {
  static const std::vector<std::string> syllables{"ka", "lo", "mi", "ren", "té", "aa", "a", "ß", "or", "ab", "ba"};
  Rng rng(seed);
  Words words;
  while (words.size() < n) {
    std::string word = rng.chance(0.7) ? " " : "";
    for (uint64_t i = rng.below(5) + 1; i > 0; --i) word += syllables[rng.below(syllables.size())];
    words.emplace_back(word, rng.below(50));
  }
  return words;
}

TEST(BpeTrainerTest, EveryWordIsOneToken) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Words words = random_words(seed, 1500);
    const auto tokenizer = text::tokenizer_from_gguf(test::trained(words));
    for (const auto& [word, count] : words) {
      const auto ids = tokenizer->encode(word);
      EXPECT_EQ(ids.size(), 1) << word;
      EXPECT_EQ(tokenizer->decode(ids), word);
    }
  }
}

TEST(BpeTrainerTest, TheMostFrequentPairComesFirstAndTiesGoByBytes) {
  EXPECT_EQ(text::train_bpe({{"ab", 1}, {"cd", 5}}, {}, 1000).merges, (std::vector<std::string>{"c d", "a b"}));
  EXPECT_EQ(text::train_bpe({{"cd", 2}, {"ab", 2}, {"ac", 2}}, {}, 1000).merges,
            (std::vector<std::string>{"a b", "a c", "c d"}));
  EXPECT_EQ(text::train_bpe({{" Ka", 2}}, {}, 1000).merges, (std::vector<std::string>{"\xc4\xa0 K", "\xc4\xa0K a"}));
}

TEST(BpeTrainerTest, OrderOfWordsDoesNotMatter) {
  Words words = random_words(9, 800);
  const auto first = text::train_bpe(words, {"<eos>"}, 5000);
  Rng(1).shuffle(words);
  const auto second = text::train_bpe(words, {"<eos>"}, 5000);
  EXPECT_EQ(first.merges, second.merges);
  EXPECT_EQ(first.tokens, second.tokens);
}

TEST(BpeTrainerTest, LayoutIsBytesThenSpecialsThenMerges) {
  const auto vocab = text::train_bpe({{"ab", 1}}, {"<bos>"}, 1000);
  ASSERT_EQ(vocab.tokens.size(), 258);
  EXPECT_EQ(vocab.tokens[0], "!");
  EXPECT_EQ(vocab.tokens[256], "<bos>");
  EXPECT_EQ(vocab.types[256], 3);
  EXPECT_EQ(vocab.tokens[257], "ab");
  EXPECT_EQ(vocab.types[257], 1);
}

TEST(BpeTrainerTest, StopsAtTheLimit) {
  EXPECT_EQ(text::train_bpe(random_words(2, 500), {}, 300).tokens.size(), 300);
  EXPECT_THROW(text::train_bpe({}, {"<bos>"}, 256), UsageError);
}

TEST(BpeTrainerTest, ATokenIsOneTokenHoweverItIsMerged) {
  auto tokens = text::train_bpe(random_words(3, 1000), {}, 100000).tokens;
  std::sort(tokens.begin(), tokens.end());
  EXPECT_EQ(std::adjacent_find(tokens.begin(), tokens.end()), tokens.end());
}

TEST(BpeTrainerTest, RefusesSpecialsThatTextCouldMake) {
  EXPECT_THROW(text::train_bpe({{"a<eos>b", 1}}, {"<eos>"}, 1000), UsageError);
  EXPECT_THROW(text::train_bpe({}, {"a"}, 1000), UsageError);
  EXPECT_THROW(text::train_bpe({}, {"<eos>", "<eos>"}, 1000), UsageError);
}

TEST(BpeTrainerTest, PutTokenizerNamesAMissingToken) {
  io::Metadata metadata;
  EXPECT_THROW(text::put_tokenizer(metadata, text::train_bpe({}, {}, 256), "gpt-2", false, "<bos>", ""), UsageError);
}

}  // namespace
}  // namespace ken::text::bpe_trainer_test_file
