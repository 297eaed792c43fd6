// GGUF: what is written reads back, the fixtures agree with their safetensors twins, and hostile headers are refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "ken/base/error.h"
#include "ken/io/tensors.h"
#include "tests/fixtures.h"

namespace ken::io::gguf_test_file {
namespace {

// A header made by hand, field by field.
struct Bytes {
  std::string data = {};
  template <typename T>
  Bytes& put(T value) {
    data.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& text(std::string_view value) {
    put(uint64_t(value.size())).data += value;
    return *this;
  }
  Bytes& pad() {
    data.resize((data.size() + 31) / 32 * 32);
    return *this;
  }
};
Bytes begin(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
  Bytes bytes{"GGUF"};
  return bytes.put(version).put(tensors).put(keys);
}
Bytes& tensor(Bytes& bytes, std::string_view name, std::vector<uint64_t> shape, uint32_t type, uint64_t offset) {
  bytes.text(name).put(uint32_t(shape.size()));
  for (const uint64_t size : shape) bytes.put(size);
  return bytes.put(type).put(offset);
}

std::shared_ptr<const TensorFile> open(const Bytes& bytes) {
  return open_tensors(std::as_bytes(std::span(bytes.data)), "made");
}
std::string refusal(const Bytes& bytes) {
  try {
    open(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}
void expect_refusal(const Bytes& bytes, std::string_view reason) {
  const std::string found = refusal(bytes);
  EXPECT_NE(found.find(reason), std::string::npos) << "expected '" << reason << "' in: " << found;
}
Bytes one_tensor(std::vector<uint64_t> shape, uint32_t type, uint64_t offset, size_t data) {
  Bytes bytes = begin(1, 0);
  tensor(bytes, "t", std::move(shape), type, offset).pad();
  bytes.data.resize(bytes.data.size() + data);
  return bytes;
}

TEST(GgufTest, WhatIsWrittenReadsBack) {
  Metadata metadata;
  metadata.values = {{"a.text", std::string("é\n")},
                     {"a.flag", true},
                     {"a.small", int64_t{32}},
                     {"a.negative", int64_t{-5}},
                     {"a.long", int64_t{-1} << 40},
                     {"a.largest", ~uint64_t{0}},
                     {"a.float", double(1e-5f)},
                     {"a.double", 1e-5},
                     {"a.texts", std::vector<std::string>{"", "b", std::string("\0\xff", 2)}},
                     {"a.integers", std::vector<int64_t>{1, -2}},
                     {"a.longs", std::vector<int64_t>{int64_t{1} << 40}},
                     {"a.floats", std::vector<double>{0.5, -1}},
                     {"a.doubles", std::vector<double>{0.1}},
                     {"a.flags", std::vector<bool>{true, false, true}},
                     {"a.none", std::vector<std::string>{}}};
  std::vector<float> values(3 * 64);
  std::iota(values.begin(), values.end(), 0.0f);
  const auto span = std::as_bytes(std::span(values));
  const fs::path path = test::scratch("gguf") / "a.gguf";
  write_gguf(path, metadata,
             {{"matrix", DType::f32, {3, 64}, span},
              {"odd", DType::i8, {3}, span.first(3)},
              {"blocks", weight_type("q8_0"), {2, 32}, span.first(68)},
              {"scalar", DType::f64, {}, span.first(8)},
              {"empty", DType::f16, {0, 4}, {}}});
  const auto file = open_tensors(path);
  EXPECT_EQ(file->format, "gguf");
  EXPECT_EQ(file->metadata.values, metadata.values);
  ASSERT_EQ(file->tensors.size(), 5u);
  EXPECT_EQ(file->tensors[0].name, "matrix");
  EXPECT_EQ(file->at("matrix").shape, (std::vector<int64_t>{3, 64}));
  EXPECT_EQ(std::memcmp(file->at("matrix").bytes.data(), values.data(), span.size()), 0);
  EXPECT_EQ(file->at("odd").bytes.size(), 3u);
  EXPECT_EQ(file->at("blocks").dtype, weight_type("q8_0"));
  EXPECT_EQ(std::memcmp(file->at("blocks").bytes.data(), values.data(), 68), 0);
  EXPECT_EQ(file->at("scalar").elements(), 1);
  EXPECT_EQ(file->at("empty").elements(), 0);
  for (const auto& t : file->tensors) EXPECT_EQ(reinterpret_cast<uintptr_t>(t.bytes.data()) % 32, 0u) << t.name;
}

TEST(GgufTest, AFixtureRewrittenKeepsItsBytes) {
  KEN_FIXTURE(path, "models/llama/model-q8_0.gguf");
  const auto file = open_tensors(path);
  std::vector<TensorOut> out;
  for (const auto& t : file->tensors) out.push_back({t.name, t.dtype, t.shape, t.bytes});
  const fs::path copy = test::scratch("gguf-copy") / "copy.gguf";
  write_gguf(copy, file->metadata, out);
  const auto again = open_tensors(copy);
  EXPECT_EQ(again->metadata.values, file->metadata.values);
  ASSERT_EQ(again->tensors.size(), file->tensors.size());
  for (size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(again->tensors[i].name, out[i].name);
    EXPECT_EQ(again->tensors[i].shape, out[i].shape);
    EXPECT_TRUE(std::ranges::equal(again->tensors[i].bytes, out[i].bytes));
  }
}

TEST(GgufTest, AFixtureAgreesWithItsSafetensorsTwin) {
  KEN_FIXTURE(gguf, "models/llama/model.gguf");
  KEN_FIXTURE(twin, "models/llama/hf/model.safetensors");
  const auto a = open_tensors(gguf), b = open_tensors(twin);
  EXPECT_EQ(a->metadata.text("general.architecture"), "llama");
  EXPECT_EQ(a->metadata.integer("llama.block_count"), 3);
  const auto &x = a->at("token_embd.weight"), &y = b->at("model.embed_tokens.weight");
  EXPECT_EQ(x.shape, y.shape);
  EXPECT_TRUE(std::ranges::equal(x.bytes, y.bytes));
}

TEST(GgufTest, VocabulariesOpenWithoutTensors) {
  KEN_FIXTURE(path, "tokenizers/ggml-vocab-gpt-2.gguf");
  const auto file = open_tensors(path);
  EXPECT_TRUE(file->tensors.empty());
  EXPECT_EQ(file->metadata.texts("tokenizer.ggml.tokens").size(), 50257u);
  EXPECT_EQ(file->metadata.integers("tokenizer.ggml.token_type").size(), 50257u);
}

TEST(GgufTest, AnUnsupportedTypeIsListedAndRefusedOnlyWhenUsed) {
  KEN_FIXTURE(path, "quant/types.gguf");
  const auto file = open_tensors(path);
  EXPECT_EQ(file->tensors.size(), 10u);
  EXPECT_EQ(file->unsupported.size(), 4u);
  EXPECT_EQ(std::ranges::count(file->unsupported, "t.q2_K: type Q2_K"), 1);
  EXPECT_EQ(file->find("t.q2_K"), nullptr);
  try {
    file->at("t.q2_K");
    FAIL() << "an unsupported type went unnoticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Q2_K"), std::string::npos) << error.what();
  }
  EXPECT_EQ(open(one_tensor({8}, 77, 0, 8))->unsupported, std::vector<std::string>{"t: type 77"});
}

TEST(GgufTest, Version2IsReadAndOthersAreExplained) {
  EXPECT_EQ(refusal(begin(0, 0, 2)), "no error");
  expect_refusal(begin(0, 0, 1), "version 1");
  expect_refusal(begin(0, 0, 4), "version 4");
  expect_refusal(begin(0, 0, 3u << 24), "big-endian");
}

TEST(GgufTest, CountsAndLengthsBeyondTheFileAreRefusedBeforeAnythingIsAllocated) {
  for (const uint64_t huge : {uint64_t{1} << 40, uint64_t{1} << 61, uint64_t{1} << 63, ~uint64_t{0}}) {
    expect_refusal(begin(0, huge), "the metadata");
    expect_refusal(begin(huge, 0), "the tensor table");
    expect_refusal(begin(0, 1).put(huge).put(uint64_t{0}), "metadata key 1 of 1");
    for (const uint32_t type : {0u, 4u, 6u, 7u, 8u, 10u, 12u}) {
      expect_refusal(begin(0, 1).text("k").put(uint32_t{9}).put(type).put(huge), "truncated");
    }
    expect_refusal(begin(0, 1).text("k").put(uint32_t{8}).put(huge), "the value of metadata key 'k'");
    expect_refusal(one_tensor({huge, huge}, 0, 0, 64), "too large");
    expect_refusal(one_tensor({4}, 0, huge & ~uint64_t{31}, 64), "pass the end");
  }
  expect_refusal(one_tensor({uint64_t{1} << 62}, 0, 0, 64), "too large");
  expect_refusal(one_tensor({uint64_t{1} << 60}, 0, 0, 64), "pass the end");
}

TEST(GgufTest, BadStructureIsRefused) {
  expect_refusal(begin(0, 1).text("k").put(uint32_t{9}).put(uint32_t{9}).put(uint64_t{0}), "array of arrays");
  expect_refusal(begin(0, 1).text("k").put(uint32_t{13}).put(uint64_t{0}), "unknown type 13");
  expect_refusal(begin(0, 1).text("k").put(uint32_t{7}).put(uint8_t{2}), "neither 0 nor 1");
  expect_refusal(begin(0, 2).text("k").put(uint32_t{0}).put(uint8_t{2}).text("k").put(uint32_t{0}).put(uint8_t{2}),
                 "appears twice");
  expect_refusal(one_tensor({1, 1, 1, 1, 1}, 0, 0, 64), "5 dimensions");
  expect_refusal(one_tensor({33}, 8, 0, 64), "do not fill the blocks of 32");
  expect_refusal(one_tensor({4}, 0, 8, 64), "no multiple of the alignment");
  expect_refusal(one_tensor({17}, 0, 0, 64), "truncated");
  expect_refusal(one_tensor({256}, 10, 0, 64), "truncated");  // the size of an unsupported type is known too
}

TEST(GgufTest, TensorsMayNotOverlapOrShareAName) {
  const auto two = [](std::string_view second, uint64_t offset) {
    Bytes bytes = begin(2, 0);
    tensor(bytes, "a", {9}, 0, 0);
    tensor(bytes, second, {8}, 0, offset).pad();
    bytes.data.resize(bytes.data.size() + 128);
    return bytes;
  };
  EXPECT_EQ(refusal(two("b", 64)), "no error");
  expect_refusal(two("b", 32), "overlap");
  expect_refusal(two("b", 0), "overlap");
  expect_refusal(two("a", 64), "appears twice");
}

TEST(GgufTest, TheAlignmentIsReadAndChecked) {
  const auto aligned = [](uint32_t alignment) {
    Bytes bytes = begin(1, 1).text("general.alignment").put(uint32_t{4}).put(alignment);
    tensor(bytes, "t", {1}, 24, 0);
    bytes.data.resize((bytes.data.size() + 255) / 256 * 256);
    return bytes.put(int8_t{42});
  };
  EXPECT_EQ(open(aligned(256))->at("t").bytes[0], std::byte{42});
  for (const uint32_t bad : {0u, 3u, 48u, 1u << 31}) expect_refusal(aligned(bad), "power of two");
}

TEST(GgufTest, WritingRefusesWhatTheFormatCannotHold) {
  const fs::path folder = test::scratch("gguf-refused");
  const std::vector<std::byte> bytes(64);
  const auto write = [&](std::vector<TensorOut> tensors) { write_gguf(folder / "a.gguf", {}, tensors); };
  EXPECT_THROW(write({{"t", DType::f32, {4}, std::span(bytes).first(15)}}), Error);
  EXPECT_THROW(write({{"t", DType::u8, {64}, bytes}}), Error);
  EXPECT_THROW(write({{"t", DType::f32, {1, 1, 1, 1, 16}, bytes}}), Error);
  EXPECT_THROW(write({{"t", weight_type("q8_0"), {64, 1}, std::vector<std::byte>(68)}}), Error)
      << "rows are the last dimension";
  EXPECT_THROW(write({{"t", DType::i8, {-64}, bytes}}), Error);
  EXPECT_THROW(write({{"t", DType::i8, {64}, bytes}, {"t", DType::i8, {64}, bytes}}), Error);
  EXPECT_THROW(write({{std::string(64, 'n'), DType::i8, {64}, bytes}}), Error);
  EXPECT_TRUE(fs::is_empty(folder)) << "a refused file leaves nothing";
}

TEST(GgufTest, EveryBlockFormatIsWrittenAndReadAsItStands) {
  const fs::path path = test::scratch("gguf-formats") / "a.gguf";
  std::vector<std::vector<std::byte>> kept;
  std::vector<TensorOut> out;
  for (const quant::Format* format : quant::formats()) {
    kept.emplace_back(3 * format->bytes_of(512), std::byte(format->gguf));
    out.push_back({format->card.id, DType(format->gguf), {3, 512}, kept.back()});
  }
  write_gguf(path, {}, out);
  const auto file = open_tensors(path);
  ASSERT_EQ(file->tensors.size(), out.size());
  EXPECT_TRUE(file->unsupported.empty());
  for (size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(file->tensors[i].dtype, out[i].dtype);
    EXPECT_EQ(file->tensors[i].shape, out[i].shape);
    EXPECT_TRUE(std::ranges::equal(file->tensors[i].bytes, kept[i])) << out[i].name;
  }
  for (const quant::Format* format : quant::formats()) {
    const std::vector<std::byte> bytes(format->bytes);
    const std::vector<TensorOut> flat{{"t", DType(format->gguf), {format->block, 1}, bytes}};
    EXPECT_THROW(write_gguf(path, {}, flat), Error) << format->card.id;
    Bytes table = begin(1, 0);
    tensor(table, "t", {uint64_t(format->block / 2), 2}, format->gguf, 0).pad();
    table.data.resize(table.data.size() + format->bytes);
    expect_refusal(table, "do not fill the blocks");
  }
}

TEST(GgufTest, TypesThatAreNotOpenedAreNamedWithThoseThatAre) {
  Bytes bytes = begin(2, 0);
  tensor(bytes, "old", {256}, 10, 0);
  tensor(bytes, "inner", {1}, 0x10000, 96).pad();  // a number that is ours alone
  bytes.data.resize(bytes.data.size() + 128);
  const auto file = open(bytes);
  EXPECT_EQ(file->unsupported, (std::vector<std::string>{"old: type Q2_K", "inner: type 65536"}));
  try {
    file->at("old");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Q2_K"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("q4_k"), std::string::npos) << error.what();
  }
}

TEST(GgufTest, AFileWrittenInPiecesIsTheSame) {
  const fs::path folder = test::scratch("gguf-pieces");
  std::vector<std::byte> a(100), b(64);
  for (size_t i = 0; i < a.size(); ++i) a[i] = std::byte(i);
  const Metadata metadata{{{"k", int64_t{7}}}};
  write_gguf(folder / "whole.gguf", metadata,
             {{"a", DType::i8, {100}, a},
              {"none", DType::i8, {0}, {}},
              {"b", DType::i8, {64}, b},
              {"last", DType::i8, {0}, {}}});
  const std::vector<TensorShape> shapes{
      {"a", DType::i8, {100}}, {"none", DType::i8, {0}}, {"b", DType::i8, {64}}, {"last", DType::i8, {0}}};
  {
    GgufWriter writer(folder / "pieces.gguf", metadata, shapes);
    for (size_t i = 0; i < 100; i += 30) writer.append(std::span(a).subspan(i, std::min<size_t>(30, 100 - i)));
    EXPECT_THROW(writer.commit(), Error);
  }
  EXPECT_FALSE(fs::exists(folder / "pieces.gguf")) << "without its last bytes there is no file";
  GgufWriter writer(folder / "pieces.gguf", metadata, shapes);
  for (size_t i = 0; i < 100; i += 30) writer.append(std::span(a).subspan(i, std::min<size_t>(30, 100 - i)));
  writer.append(b);
  EXPECT_THROW(writer.append(b), Error);
  writer.commit();
  EXPECT_EQ(read_text(folder / "whole.gguf"), read_text(folder / "pieces.gguf"));
}

}  // namespace
}  // namespace ken::io::gguf_test_file
