// safetensors: what is written reads back, and every way a header can lie about its data is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "ken/base/error.h"
#include "ken/io/tensors.h"
#include "tests/fixtures.h"

namespace ken::io::safetensors_test_file {
namespace {

std::string made(std::string header, size_t data) {
  const uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), 8);
  return bytes + header + std::string(data, '\0');
}
std::string refusal(const std::string& bytes) {
  try {
    open_tensors(std::as_bytes(std::span(bytes)), "made");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}
void expect_refusal(const std::string& header, size_t data, std::string_view reason) {
  const std::string found = refusal(made(header, data));
  EXPECT_NE(found.find(reason), std::string::npos) << "expected '" << reason << "' in: " << found;
}

TEST(SafetensorsTest, WhatIsWrittenReadsBack) {
  std::vector<std::byte> bytes(64);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i);
  const auto span = std::span<const std::byte>(bytes);
  const fs::path path = test::scratch("safetensors") / "a.safetensors";
  write_safetensors(path, {{"format", "pt"}, {"note", "\"é\n"}},
                    {{"odd", DType::boolean, {3}, span.first(3)},
                     {"wide", DType::f32, {2, 4}, span.first(32)},
                     {"halves", DType::bf16, {1, 1, 1, 1, 5}, span.first(10)},
                     {"scalar", DType::i64, {}, span.first(8)},
                     {"empty", DType::u8, {0}, {}}});
  const auto file = open_tensors(path);
  EXPECT_EQ(file->format, "safetensors");
  EXPECT_EQ(file->metadata.text("note"), "\"é\n");
  ASSERT_EQ(file->tensors.size(), 5u);
  EXPECT_EQ(file->at("halves").shape, (std::vector<int64_t>{1, 1, 1, 1, 5}));
  EXPECT_EQ(file->at("odd").dtype, DType::boolean);
  EXPECT_EQ(file->at("scalar").elements(), 1);
  for (const auto& t : file->tensors) {
    EXPECT_TRUE(std::ranges::equal(t.bytes, span.first(t.bytes.size()))) << t.name;
    EXPECT_TRUE(t.bytes.empty() || reinterpret_cast<uintptr_t>(t.bytes.data()) % bytes_of(t.dtype, 1) == 0) << t.name;
  }
  write_safetensors(path, {}, {});
  EXPECT_TRUE(open_tensors(path)->tensors.empty());
}

TEST(SafetensorsTest, TensorsComeInTheOrderOfTheirBytes) {
  const std::string header = R"({"z":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},)"
                             R"("a":{"dtype":"I8","shape":[1],"data_offsets":[2,3]}}   )";
  const std::string bytes = made(header, 3);
  const auto file = open_tensors(std::as_bytes(std::span(bytes)), "made");
  ASSERT_EQ(file->tensors.size(), 2u);
  EXPECT_EQ(file->tensors[0].name, "z");
}

TEST(SafetensorsTest, UnsupportedTypesAreListed) {
  const std::string bytes = made(R"({"q":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}})", 3);
  const auto file = open_tensors(std::as_bytes(std::span(bytes)), "made");
  EXPECT_EQ(file->unsupported, std::vector<std::string>{"q: type F8_E4M3"});
  EXPECT_THROW(file->at("q"), Error);
}

TEST(SafetensorsTest, GapsOverlapsAndTailsAreRefused) {
  const auto two = [](int begin, int end) {
    return R"({"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"I8","shape":[)" +
           std::to_string(end - begin) + R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) +
           "]}}";
  };
  EXPECT_EQ(refusal(made(two(4, 8), 8)), "no error");
  expect_refusal(two(5, 8), 8, "belong to no tensor");
  expect_refusal(two(3, 8), 8, "overlap");
  expect_refusal(two(4, 8), 9, "follow the last tensor");
  expect_refusal(two(4, 8), 7, "truncated");
  expect_refusal("{}", 1, "follow the last tensor");
}

TEST(SafetensorsTest, ShapesMustGiveTheBytes) {
  const auto entry = [](const std::string& shape, const std::string& offsets) {
    return R"({"t":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  EXPECT_EQ(refusal(made(entry("[2,2]", "[0,16]"), 16)), "no error");
  expect_refusal(entry("[2,3]", "[0,16]"), 16, "F32 need 6 x 4");
  expect_refusal(entry("[4611686018427387904]", "[0,16]"), 16, "F32");
  expect_refusal(entry("[9223372036854775807,9223372036854775807]", "[0,16]"), 16, "too large");
  expect_refusal(entry("[18446744073709551615]", "[0,16]"), 16, "too large");
  expect_refusal(entry("[-4]", "[0,16]"), 16, "negative");
  expect_refusal(entry("[4.0]", "[0,16]"), 16, "fraction");
  expect_refusal(entry("[4]", "[16,0]"), 16, "ends before it begins");
  expect_refusal(entry("[4]", "[0,16,16]"), 16, "not two");
  expect_refusal(entry("[4]", "[16]"), 16, "not two");
  expect_refusal(entry("[4]", "[0,18446744073709551615]"), 16, "truncated");
  expect_refusal(entry("[1,1,1,1,1,1,1,1,4]", "[0,16]"), 16, "more than 8 dimensions");
}

TEST(SafetensorsTest, TheHeaderHoldsItsEntriesAndNoMore) {
  const std::string t = R"("t":{"dtype":"I8","shape":[1],"data_offsets":[0,1]})";
  expect_refusal("{" + t + "," + t + "}", 1, "appears twice");
  expect_refusal(R"({"t":{"dtype":"I8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1, "twice");
  expect_refusal(R"({"t":{"dtype":"I8","shape":[1],"data_offsets":[0,1],"x":1}})", 1, "unknown field");
  expect_refusal(R"({"t":{"dtype":"I8","shape":[1]}})", 1, "lacks one of");
  expect_refusal(R"({"t":[]})", 1, "a list");
  expect_refusal(R"({"t":{"dtype":{},"shape":[1],"data_offsets":[0,1]}})", 1, "nested too deeply");
  expect_refusal(R"({"t":{"dtype":"I8","shape":[[1]],"data_offsets":[0,1]}})", 1, "a list");
  expect_refusal(R"({"__metadata__":{"a":1},)" + t + "}", 1, "a number");
  expect_refusal(R"({"__metadata__":{"a":"1","a":"2"},)" + t + "}", 1, "appears twice");
  expect_refusal("{" + t, 1, "no JSON");
  expect_refusal("{" + t + "} x", 1, "no JSON");
  expect_refusal("{" + std::string(5000, '['), 1, "no JSON");
  expect_refusal("{\"\xff\":1}", 1, "no JSON");
}

TEST(SafetensorsTest, AHeaderLengthBeyondTheLimitOrTheFileIsRefused) {
  const auto with_length = [](uint64_t length) {
    return std::string(reinterpret_cast<const char*>(&length), 8) + "{\"t\":";
  };
  EXPECT_NE(refusal(with_length(100'000'001)).find("the limit is 100000000"), std::string::npos);
  EXPECT_NE(refusal(with_length(100'000'000)).find("truncated"), std::string::npos);
  EXPECT_NE(refusal(with_length(~uint64_t{0})), "no error");
}

TEST(SafetensorsTest, WritingRefusesWhatTheFormatCannotHold) {
  const fs::path folder = test::scratch("safetensors-refused");
  const std::vector<std::byte> bytes(68);
  const auto write = [&](std::vector<TensorOut> tensors, const std::map<std::string, std::string>& metadata = {}) {
    write_safetensors(folder / "a.safetensors", metadata, tensors);
  };
  EXPECT_THROW(write({{"t", weight_type("q8_0"), {64}, bytes}}), Error);
  EXPECT_THROW(write({{"t", DType::f32, {16}, bytes}}), Error);
  EXPECT_THROW(write({{"__metadata__", DType::f32, {17}, bytes}}), Error);
  EXPECT_THROW(write({{"\xff", DType::f32, {17}, bytes}}), Error);
  EXPECT_THROW(write({{"t", DType::f32, {17}, bytes}, {"t", DType::f32, {17}, bytes}}), Error);
  EXPECT_THROW(write({}, {{"key", "\xff"}}), Error);
  EXPECT_TRUE(fs::is_empty(folder)) << "a refused file leaves nothing";
}

TEST(SafetensorsTest, AFullDiskIsAnError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  EXPECT_THROW(write_safetensors("/dev/full", {}, {}), Error);
  EXPECT_THROW(write_gguf("/dev/full", {}, {}), Error);
}

}  // namespace
}  // namespace ken::io::safetensors_test_file
