// What both tensor formats share: sniffing, metadata access, names, dtypes, and files cut short.
#include "ken/io/tensors.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::io::tensors_test_file {
namespace {

std::span<const std::byte> bytes_of_text(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string refusal(std::string_view content) {
  try {
    open_tensors(bytes_of_text(content), "given");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TensorsTest, OtherFilesAreNamedWithWhatToDo) {
  using namespace std::string_view_literals;
  EXPECT_NE(refusal("").find("empty"), std::string::npos);
  EXPECT_NE(refusal("PK\3\4abcdefgh"sv).find("convert it to safetensors"), std::string::npos);
  EXPECT_NE(refusal("\x80\2}q\0abcdefgh"sv).find("pickle"), std::string::npos);
  EXPECT_NE(refusal("version https://git-lfs.github.com/spec/v1").find("git lfs pull"), std::string::npos);
  EXPECT_NE(refusal("{\"model_type\": \"llama\"}").find("folder"), std::string::npos);
  EXPECT_NE(refusal("<!DOCTYPE html><html>").find("download"), std::string::npos);
  EXPECT_NE(refusal("some text that is no model").find("neither"), std::string::npos);
}

TEST(TensorsTest, EveryFixtureCutShortIsRefusedAndSaysSo) {
  for (const char* name : {"models/llama/model.gguf", "models/llama/hf/model.safetensors", "quant/types.gguf",
                           "tokenizers/ggml-vocab-gpt-2.gguf"}) {
    KEN_FIXTURE(path, name);
    const MappedFile file(path);
    for (size_t i = 0; i < 64; ++i) {
      const auto part = file.bytes().first(file.bytes().size() * i / 64);
      try {
        open_tensors(part, name);
        FAIL() << name << " was opened after " << part.size() << " bytes";
      } catch (const Error& error) {
        const std::string what = error.what();
        EXPECT_NE(what.find("download it again"), std::string::npos) << what;
        EXPECT_TRUE(i == 0 || what.find("truncated") != std::string::npos) << what;
      }
    }
  }
}

TEST(TensorsTest, MetadataGivesTypedValuesOrNamesTheKey) {
  Metadata metadata{{{"text", std::string("a")},
                     {"integer", int64_t{-3}},
                     {"large", ~uint64_t{0}},
                     {"number", 0.5},
                     {"flag", true},
                     {"texts", std::vector<std::string>{"x"}},
                     {"integers", std::vector<int64_t>{1, 2}}}};
  EXPECT_EQ(metadata.text("text"), "a");
  EXPECT_EQ(metadata.text("none", "standard"), "standard");
  EXPECT_EQ(metadata.integer("integer"), -3);
  EXPECT_EQ(metadata.integer("none", 7), 7);
  EXPECT_EQ(metadata.number("integer"), -3.0);
  EXPECT_EQ(metadata.number("number", 1), 0.5);
  EXPECT_TRUE(metadata.flag("flag", false));
  EXPECT_EQ(metadata.texts("texts").size(), 1u);
  EXPECT_EQ(metadata.numbers("integers"), (std::vector<double>{1, 2}));
  EXPECT_EQ(metadata.integers("integers"), (std::vector<int64_t>{1, 2}));
  EXPECT_THROW(metadata.integer("large"), Error);
  EXPECT_THROW(metadata.integer("number"), Error);
  EXPECT_THROW(metadata.integer("text", 1), Error) << "a default does not hide a wrong type";
  EXPECT_THROW(metadata.flag("integer", true), Error);
  EXPECT_THROW(metadata.numbers("texts"), Error);
  EXPECT_THROW(metadata.texts("text"), Error);
  try {
    metadata.text("llama.block_count");
    FAIL() << "a missing key went unnoticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'llama.block_count' is missing"), std::string::npos) << error.what();
  }
}

TEST(TensorsTest, AnUnknownTensorNamesTheNearOnes) {
  KEN_FIXTURE(path, "models/llama/model.gguf");
  const auto file = open_tensors(path);
  EXPECT_EQ(file->find("token_embd"), nullptr);
  try {
    file->at("token_embed.weight");
    FAIL() << "an unknown tensor went unnoticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("token_embd.weight"), std::string::npos) << error.what();
  }
}

TEST(TensorsTest, BytesOfCountsWholeBlocksOnly) {
  EXPECT_EQ(bytes_of(DType::bf16, 3), 6u);
  EXPECT_EQ(bytes_of(weight_type("q8_0"), 64), 68u);
  EXPECT_THROW(bytes_of(weight_type("q8_0"), 33), Error);
  EXPECT_THROW(bytes_of(DType::f32, -1), Error);
  EXPECT_THROW(bytes_of(DType::f64, INT64_MAX), Error);
  EXPECT_EQ(dtype_name(weight_type("q8_0")), "Q8_0");
  EXPECT_EQ(dtype_name(weight_type("q4_k")), "Q4_K");
  EXPECT_EQ(block_of(weight_type("q4_k")), 256);
  EXPECT_EQ(bytes_of(weight_type("q4_k"), 512), 288u);
  EXPECT_EQ(weight_type("bf16"), DType::bf16);
  EXPECT_THROW(weight_type("q4_m"), UsageError);
  float value = 0;
  EXPECT_THROW(to_f32(DType::i32, nullptr, &value, 1), Error) << "integers are no weights";
}

TEST(TensorsTest, OpeningALargeFileDoesNotTouchItsTensorPages) {
  const fs::path path = test::scratch("tensors-large") / "large.gguf";
  const std::vector<std::byte> small(4096);
  write_gguf(path, {}, {{"small", DType::i8, {4096}, small}});
  // The same header with a tensor of 1 GB: the file is sparse, so pages that are read would be made resident.
  constexpr uint64_t size = uint64_t{1} << 30;
  {
    std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(4 + 4 + 8 + 8 + 8 + 5 + 4);  // magic, version, counts, the name, the rank
    out.write(reinterpret_cast<const char*>(&size), 8);
  }
  fs::resize_file(path, fs::file_size(path) - 4096 + size);
  const auto file = open_tensors(path);
  const auto bytes = file->at("small").bytes;
  ASSERT_EQ(bytes.size(), size);
  const size_t page = size_t(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(bytes.data()) + size / 2) / page * page;
  std::vector<unsigned char> resident(size / 4 / page);
  ASSERT_EQ(::mincore(reinterpret_cast<void*>(begin), size / 4, resident.data()), 0);
  EXPECT_EQ(std::ranges::count_if(resident, [](unsigned char flag) { return flag & 1; }), 0);
  fs::remove(path);
}

}  // namespace
}  // namespace ken::io::tensors_test_file
