// Which file of a folder is read, and what stands beside it.
#include "ken/text/tokenizer_files.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/fixtures.h"
#include "tests/text/protobuf.h"

namespace ken::text::tokenizer_files_test_file {
namespace {

using namespace ken;
using Ids = std::vector<int32_t>;

std::string model() {
  return test::sentencepiece_model({{"<unk>", 2}, {"<s>", 3}, {"</s>", 3}, {"\xe2\x96\x81", 1, -1}, {"a", 1, -1}},
                                   {.type = 2});
}

TEST(TokenizerFilesTest, AFolderWithATokenizerModelAlone) {
  const auto folder = test::scratch("tokenizer-files");
  EXPECT_FALSE(text::has_tokenizer(folder));
  write_text(folder / "tokenizer.model", model());
  write_text(folder / "added_tokens.json", R"({"<pad>": 6})");
  write_text(folder / "tokenizer_config.json",
             R"({"add_bos_token": false, "bos_token": {"content": "<s>"}, "eos_token": "<end>",
                 "chat_template": "{{ x }}", "added_tokens_decoder": {"0": {"content": "<unk>", "special": true},
                 "7": {"content": "<end>", "special": true}}})");
  EXPECT_TRUE(text::has_tokenizer(folder));
  const auto metadata = text::tokenizer_metadata(folder);
  EXPECT_EQ(metadata.text("tokenizer.chat_template"), "{{ x }}");
  const auto tokenizer = text::tokenizer_from_gguf(metadata);
  EXPECT_EQ(tokenizer->vocab_size(), 8);
  EXPECT_EQ(tokenizer->eos, 7);
  EXPECT_EQ(tokenizer->unk, 0);
  EXPECT_FALSE(tokenizer->add_bos);
  EXPECT_EQ(tokenizer->encode("a<pad>a<end>a", true), (Ids{3, 4, 6, 4, 7, 3, 4}));
  EXPECT_EQ(tokenizer->encode("a<pad>a"), (Ids{3, 4, 6, 4}));
}

TEST(TokenizerFilesTest, ASingleFileAndItsNames) {
  const auto folder = test::scratch("tokenizer-files");
  for (const char* name : {"tokenizer.model", "spiece.model", "tokenizer.model.v3"}) {
    write_text(folder / name, model());
    EXPECT_TRUE(text::is_tokenizer_path(folder / name));
    EXPECT_EQ(text::tokenizer_from_gguf(text::tokenizer_metadata(folder / name))->encode("a"), (Ids{3, 4}));
  }
  EXPECT_TRUE(text::is_tokenizer_path(folder / "tokenizer.json"));
  EXPECT_FALSE(text::is_tokenizer_path(folder / "model.gguf"));
}

TEST(TokenizerFilesTest, DamagedFilesAreNamed) {
  const auto folder = test::scratch("tokenizer-files");
  write_text(folder / "tokenizer.json", "[");
  EXPECT_THROW(text::tokenizer_metadata(folder), Error);
  write_text(folder / "tokenizer.json", "{\"model\": " + std::string(100, '[') + std::string(100, ']') + "}");
  EXPECT_THROW(text::tokenizer_metadata(folder), Error);
  EXPECT_THROW(text::tokenizer_metadata(folder / "none.model"), Error);
}

}  // namespace
}  // namespace ken::text::tokenizer_files_test_file
