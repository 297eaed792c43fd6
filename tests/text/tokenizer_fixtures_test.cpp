// Tokenizers against ids that llama.cpp, SentencePiece and Hugging Face's tokenizers computed.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "ken/io/tensors.h"
#include "ken/text/tokenizer.h"
#include "tests/fixtures.h"

namespace ken::text::tokenizer_fixtures_test_file {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> read_inputs(const std::filesystem::path& path) {
  const std::string text = read(path), separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> inputs;
  for (size_t at = 0, end; (end = text.find(separator, at)) != std::string::npos; at = end + separator.size())
    inputs.push_back(text.substr(at, end - at));
  return inputs;
}

std::vector<std::vector<int32_t>> read_ids(const std::filesystem::path& path) {
  std::vector<std::vector<int32_t>> rows;
  std::istringstream lines(read(path));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    rows.emplace_back();
    for (int32_t id; numbers >> id;) rows.back().push_back(id);
  }
  return rows;
}

std::string without_prefix(const ken::text::Tokenizer& tokenizer, std::string text) {
  if (tokenizer.add_space_prefix && !text.empty() && text[0] == ' ') text.erase(0, 1);
  return text;
}

void expect_cover(const ken::text::Tokenizer& tokenizer, const std::string& text, const std::vector<int32_t>& ids) {
  const auto pieces = tokenizer.encode_with_offsets(text);
  ASSERT_EQ(pieces.size(), ids.size());
  size_t end = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(pieces[i].id, ids[i]);
    EXPECT_EQ(pieces[i].begin, end);
    EXPECT_GE(pieces[i].end, pieces[i].begin);
    end = pieces[i].end;
  }
  EXPECT_EQ(end, text.size());
}

void expect_same(const std::string& model, const std::string& cases, size_t at_least) {
  KEN_FIXTURE(file, model);
  KEN_FIXTURE(inp, cases + ".inp");
  KEN_FIXTURE(out, cases + ".out");
  const auto metadata =
      std::filesystem::is_directory(file) ? ken::text::tokenizer_metadata(file) : ken::io::open_tensors(file)->metadata;
  const auto tokenizer = ken::text::tokenizer_from_gguf(metadata);
  const auto inputs = read_inputs(inp);
  const auto expected = read_ids(out);
  ASSERT_EQ(inputs.size(), expected.size());
  ASSERT_GE(inputs.size(), at_least);
  for (size_t i = 0; i < inputs.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "case " << i << ": " << inputs[i]);
    EXPECT_EQ(tokenizer->encode(inputs[i]), expected[i]);
    EXPECT_EQ(without_prefix(*tokenizer, tokenizer->decode(expected[i])), inputs[i]);
    expect_cover(*tokenizer, inputs[i], expected[i]);
  }
}

void expect_vocabulary(const std::string& name, size_t extra) {
  const std::string file = "tokenizers/ggml-vocab-" + name + ".gguf";
  expect_same(file, file, 46);
  if (!testing::Test::IsSkipped()) expect_same(file, file + ".extra", extra);
}

TEST(TokenizerFixturesTest, Gpt2) { expect_vocabulary("gpt-2", 300); }
TEST(TokenizerFixturesTest, GptNeoxWithoutPreTokenizerName) { expect_vocabulary("gpt-neox", 267); }
TEST(TokenizerFixturesTest, LlamaSentencePiece) { expect_vocabulary("llama-spm", 300); }
TEST(TokenizerFixturesTest, Phi3) { expect_vocabulary("phi-3", 300); }
TEST(TokenizerFixturesTest, Stories260K) {
  expect_same("models/stories260K/model.gguf", "models/stories260K/tokenizer", 346);
}

// tokenizer.json of the same vocabularies.
void expect_json(const std::string& name) {
  const std::string cases = "tokenizers/ggml-vocab-" + name + ".gguf";
  expect_same("tokenizers/hf/" + name, cases, 46);
  if (!testing::Test::IsSkipped()) expect_same("tokenizers/hf/" + name, cases + ".extra", 300);
}

TEST(TokenizerFixturesTest, Gpt2FromJson) { expect_json("gpt-2"); }
TEST(TokenizerFixturesTest, LlamaSentencePieceFromJson) { expect_json("llama-spm"); }
TEST(TokenizerFixturesTest, Stories260KFromJson) {
  expect_same("models/stories260K/hf", "models/stories260K/tokenizer", 346);
}

}  // namespace
}  // namespace ken::text::tokenizer_fixtures_test_file
