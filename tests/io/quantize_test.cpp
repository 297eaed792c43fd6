// ken quantize's rules: which tensor gets which type, what the file says of itself, and that it is the same bytes as
// quantising each tensor alone.
#include "ken/io/quantize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::io::quantize_test_file {
namespace {

struct Part {
  std::string name;
  std::vector<int64_t> shape;
  DType dtype = DType::f32;
};

float value_at(size_t i) { return std::sin(float(i) * 0.7f) * 0.1f; }

fs::path model_file(const std::string& name, const std::vector<Part>& parts, float odd = 0) {
  const fs::path path = test::scratch("quantize-" + name) / "in.gguf";
  std::vector<std::vector<std::byte>> kept;
  std::vector<TensorOut> out;
  for (const Part& part : parts) {
    int64_t n = 1;
    for (const int64_t size : part.shape) n *= size;
    std::vector<float> values(static_cast<size_t>(n));
    for (size_t i = 0; i < values.size(); ++i) values[i] = value_at(i);
    if (odd != 0) values.back() = odd;
    kept.emplace_back(bytes_of(part.dtype, n));
    if (part.dtype != DType::i32) from_f32(part.dtype, values.data(), kept.back().data(), n);
    out.push_back({part.name, part.dtype, part.shape, kept.back()});
  }
  const Metadata metadata{{{"general.architecture", std::string("llama")},
                           {"general.file_type", int64_t{1}},
                           {"tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"}},
                           {"tokenizer.ggml.scores", std::vector<double>{0.5, -1}}}};
  write_gguf(path, metadata, out);
  return path;
}

const std::vector<Part> model{{"token_embd.weight", {300, 256}, DType::bf16},
                              {"blk.0.attn_q.weight", {1100, 256}, DType::f16},
                              {"blk.0.attn_k.weight", {8, 96}},
                              {"blk.0.attn_v.weight", {8, 20}},
                              {"blk.0.attn_norm.weight", {256}, DType::bf16},
                              {"blk.0.attn_q.bias", {256}},
                              {"blk.0.ffn_gate_inp.weight", {4, 256}},
                              {"blk.0.ffn_gate_exps.weight", {2, 4, 256}},
                              {"blk.1.attn_q.weight", {4, 512}},
                              {"position_embd.weight", {4, 256}},
                              {"ids", {7}, DType::i32},
                              {"output.weight", {300, 256}}};

std::map<std::string, std::string> types_of(const TensorFile& file) {
  std::map<std::string, std::string> types;
  for (const auto& tensor : file.tensors) types[tensor.name] = dtype_name(tensor.dtype);
  return types;
}

TEST(QuantizeTest, EachTensorGetsTheTypeThatTheRulesSay) {
  const auto source = open_tensors(model_file("rules", model));
  const fs::path path = fs::path(source->name).parent_path() / "out.gguf";
  const auto result = quantize(
      *source, path, {.dtype = weight_type("q4_k"), .keep = {parse_keep("f32:blk.1.*"), parse_keep("q5_0:blk.*")}});
  const auto kept = open_tensors(path);
  EXPECT_EQ(types_of(*kept).at("blk.1.attn_q.weight"), "F32");
  EXPECT_EQ(types_of(*kept).at("blk.0.attn_q.weight"), "Q5_0");
  EXPECT_EQ(types_of(*kept).at("ids"), "I32");

  const auto plain = quantize(*source, path, {.dtype = weight_type("q4_k")});
  const auto file = open_tensors(path);
  EXPECT_EQ(types_of(*file), (std::map<std::string, std::string>{{"token_embd.weight", "Q6_K"},
                                                                 {"blk.0.attn_q.weight", "Q4_K"},
                                                                 {"blk.0.attn_k.weight", "Q8_0"},
                                                                 {"blk.0.attn_v.weight", "F16"},
                                                                 {"blk.0.attn_norm.weight", "F32"},
                                                                 {"blk.0.attn_q.bias", "F32"},
                                                                 {"blk.0.ffn_gate_inp.weight", "F32"},
                                                                 {"blk.0.ffn_gate_exps.weight", "Q4_K"},
                                                                 {"blk.1.attn_q.weight", "Q4_K"},
                                                                 {"position_embd.weight", "F32"},
                                                                 {"ids", "I32"},
                                                                 {"output.weight", "Q6_K"}}));
  ASSERT_EQ(plain.notes.size(), 2u);
  EXPECT_NE((plain.notes[0] + plain.notes[1]).find("blk.0.attn_k.weight"), std::string::npos);
  EXPECT_EQ(plain.tensors.at("Q4_K"), 3);
  EXPECT_LT(plain.bytes, plain.bytes_before);
  size_t bytes = 0;
  for (const auto& tensor : file->tensors) bytes += tensor.bytes.size();
  EXPECT_EQ(plain.bytes, bytes);
}

TEST(QuantizeTest, TheEndsGetMoreBitsThanQ5ButNotFewerThanAskedFor) {
  const auto source = open_tensors(model_file("ends", model));
  const fs::path path = fs::path(source->name).parent_path() / "out.gguf";
  for (const auto& [type, end] : std::map<std::string, std::string>{
           {"q4_0", "Q6_K"}, {"q5_k", "Q6_K"}, {"q6_k", "Q6_K"}, {"q8_0", "Q8_0"}, {"bf16", "BF16"}, {"f32", "F32"}}) {
    quantize(*source, path, {.dtype = weight_type(type)});
    EXPECT_EQ(types_of(*open_tensors(path)).at("output.weight"), end) << type;
  }
}

TEST(QuantizeTest, BytesAreThoseOfTheFormatWhateverTheThreads) {
  const auto source = open_tensors(model_file("bytes", model));
  const fs::path folder = fs::path(source->name).parent_path();
  for (const quant::Format* format : quant::formats()) {
    const DType dtype = DType(format->gguf);
    quantize(*source, folder / "one.gguf", {.dtype = dtype});
    quantize(*source, folder / "many.gguf", {.dtype = dtype, .threads = 3});
    EXPECT_EQ(read_text(folder / "one.gguf"), read_text(folder / "many.gguf")) << format->card.id;
    const auto file = open_tensors(folder / "one.gguf");
    for (const auto& tensor : file->tensors) {
      if (tensor.dtype == DType::i32) continue;
      const auto& before = source->at(tensor.name);
      std::vector<float> values(size_t(before.elements()));
      to_f32(before.dtype, before.bytes.data(), values.data(), before.elements());
      std::vector<std::byte> bytes(tensor.bytes.size());
      from_f32(tensor.dtype, values.data(), bytes.data(), before.elements());
      EXPECT_TRUE(std::ranges::equal(bytes, tensor.bytes)) << format->card.id << " " << tensor.name;
    }
    quantize(*file, folder / "again.gguf", {.dtype = dtype});
    EXPECT_EQ(read_text(folder / "again.gguf"), read_text(folder / "one.gguf")) << "stored already: not rounded again";
  }
}

TEST(QuantizeTest, MetadataStayAndSayWhatTheFileIs) {
  const auto source = open_tensors(model_file("metadata", model));
  const fs::path path = fs::path(source->name).parent_path() / "out.gguf";
  const std::map<std::string, int64_t> types{{"f32", 0},   {"f16", 1},   {"q4_0", 2}, {"q4_1", 3},
                                             {"q8_0", 7},  {"q5_0", 8},  {"q5_1", 9}, {"q4_k", 14},
                                             {"q5_k", 16}, {"q6_k", 18}, {"bf16", 32}};
  for (const auto& [type, number] : types) {
    quantize(*source, path, {.dtype = weight_type(type)});
    const auto file = open_tensors(path);
    Metadata wanted = source->metadata;
    wanted.values["general.file_type"] = number;
    wanted.values["general.quantization_version"] = int64_t{2};
    EXPECT_EQ(file->metadata.values, wanted.values) << type;
  }
}

std::string error_of(const fs::path& in, const std::string& type) {
  const auto source = open_tensors(in);
  const fs::path out = in.parent_path() / "bad.gguf";
  try {
    quantize(*source, out, {.dtype = weight_type(type), .threads = 2});
  } catch (const Error& error) {
    EXPECT_FALSE(fs::exists(out)) << "an error leaves no file";
    return error.what();
  }
  return "no error";
}

TEST(QuantizeTest, AWeightThatCannotBeStoredIsNamedByTensorRowAndColumn) {
  const std::vector<Part> one{{"blk.0.w.weight", {3, 512}}};
  const auto expect = [&](float odd, const std::string& type, const std::string& part) {
    const std::string error = error_of(model_file("odd", one, odd), type);
    EXPECT_NE(error.find("'blk.0.w.weight', row 2, column 511 is " + part), std::string::npos) << error;
  };
  expect(NAN, "q4_k", "nan");
  expect(INFINITY, "q6_k", "inf");
  expect(NAN, "bf16", "nan");
  expect(1e6f, "q4_1", "1000000");
  expect(1e6f, "f16", "1000000");
  EXPECT_EQ(error_of(model_file("odd", one, 1e6f), "bf16"), "no error");
}

TEST(QuantizeTest, WhatCannotBeQuantisedIsRefused) {
  KEN_FIXTURE(types, "quant/types.gguf");
  EXPECT_NE(error_of(types, "q4_k").find("t.q2_K: type Q2_K"), std::string::npos);
  KEN_FIXTURE(other, "quant/types_expected.safetensors");
  EXPECT_NE(error_of(other, "q4_k").find("safetensors"), std::string::npos);
  EXPECT_THROW(parse_keep("f32"), UsageError);
  EXPECT_THROW(parse_keep("f32:"), UsageError);
  EXPECT_THROW(parse_keep("f33:*"), UsageError);
}

TEST(QuantizeTest, PatternsStandForAnyText) {
  const auto source = open_tensors(model_file("patterns", {{"blk.10.attn_q.weight", {2, 32}}}));
  const fs::path path = fs::path(source->name).parent_path() / "out.gguf";
  const auto fits = [&](const std::string& pattern) {
    quantize(*source, path, {.dtype = weight_type("q8_0"), .keep = {{DType::f32, pattern}}});
    return open_tensors(path)->tensors[0].dtype == DType::f32;
  };
  for (const char* yes : {"*", "blk.10.attn_q.weight", "blk.*", "*weight", "blk.*.attn_*.weight", "*1*q*", "**t"})
    EXPECT_TRUE(fits(yes)) << yes;
  for (const char* no : {"blk.1.*", "attn", "*attn", "blk.10.attn_q.weights", "*.q.*", "weight*"})
    EXPECT_FALSE(fits(no)) << no;
}

}  // namespace
}  // namespace ken::io::quantize_test_file
