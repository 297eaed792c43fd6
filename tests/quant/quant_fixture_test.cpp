// The number formats against ggml's own output: its dequantised values, and its bytes for the same source.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ken/base/error.h"
#include "ken/io/tensors.h"
#include "ken/quant/quant.h"
#include "tests/fixtures.h"

namespace ken::quant {
namespace {

template <typename T>
std::vector<T> values(const io::TensorInfo& tensor) {
  std::vector<T> result(tensor.bytes.size() / sizeof(T));
  std::memcpy(result.data(), tensor.bytes.data(), result.size() * sizeof(T));
  return result;
}

std::vector<float> widened(const io::TensorInfo& tensor) {
  std::vector<float> result(size_t(tensor.elements()));
  if (tensor.dtype == io::DType::q8_0) {
    q8_0_dequantize(tensor.bytes.data(), result.data(), tensor.elements());
    return result;
  }
  const auto raw = values<uint16_t>(tensor);
  for (size_t i = 0; i < raw.size(); ++i) {
    result[i] = tensor.dtype == io::DType::f16 ? f16_to_f32(raw[i]) : bf16_to_f32(raw[i]);
  }
  return result;
}

TEST(QuantFixtureTest, DequantisedValuesAreGgmls) {
  KEN_FIXTURE(types, "quant/types.gguf");
  KEN_FIXTURE(wanted, "quant/types_expected.safetensors");
  const auto file = io::open_tensors(types), expected = io::open_tensors(wanted);
  for (const char* name : {"t.f16", "t.bf16", "t.q8_0"}) {
    EXPECT_EQ(file->at(name).shape, (std::vector<int64_t>{4, 512}));
    EXPECT_EQ(widened(file->at(name)), values<float>(expected->at(name))) << name;
  }
}

TEST(QuantFixtureTest, QuantisingTheSourceGivesGgmlsBytes) {
  KEN_FIXTURE(types, "quant/types.gguf");
  KEN_FIXTURE(wanted, "quant/types_expected.safetensors");
  const auto file = io::open_tensors(types), expected = io::open_tensors(wanted);
  const auto source = values<float>(expected->at("src"));
  std::vector<unsigned char> blocks(io::bytes_of(io::DType::q8_0, int64_t(source.size())));
  q8_0_quantize(source.data(), blocks.data(), int64_t(source.size()));
  EXPECT_EQ(blocks, values<unsigned char>(file->at("t.q8_0")));
  std::vector<uint16_t> halves, brains;
  for (const float v : source) halves.push_back(f32_to_f16(v)), brains.push_back(f32_to_bf16(v));
  EXPECT_EQ(halves, values<uint16_t>(file->at("t.f16")));
  EXPECT_EQ(brains, values<uint16_t>(file->at("t.bf16")));
}

TEST(QuantFixtureTest, Q8ErrsByAtMostHalfAStepOfItsBlock) {
  std::vector<float> source(64), back(64);
  for (size_t i = 0; i < 64; ++i) source[i] = std::sin(float(i) * 1.7f) * (i < 32 ? 1.0f : 100.0f);
  std::vector<unsigned char> blocks(2 * q8_0_bytes);
  q8_0_quantize(source.data(), blocks.data(), 64);
  q8_0_dequantize(blocks.data(), back.data(), 64);
  for (size_t i = 0; i < 64; ++i) EXPECT_NEAR(back[i], source[i], (i < 32 ? 1.0f : 100.0f) / 127 * 0.56f);
}

TEST(QuantFixtureTest, Q8OfZerosAndOfTinyValuesIsZero) {
  std::vector<float> source(32), back(32, 1.0f);
  std::vector<unsigned char> block(q8_0_bytes);
  for (const float tiny : {0.0f, 1e-40f, std::numeric_limits<float>::denorm_min()}) {
    source[5] = tiny;
    q8_0_quantize(source.data(), block.data(), 32);
    q8_0_dequantize(block.data(), back.data(), 32);
    EXPECT_EQ(back, std::vector<float>(32, 0.0f)) << tiny;
  }
}

TEST(QuantFixtureTest, Q8RefusesWhatItCannotHold) {
  std::vector<float> source(32);
  std::vector<unsigned char> block(q8_0_bytes);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e9f}) {
    source[31] = bad;
    EXPECT_THROW(q8_0_quantize(source.data(), block.data(), 32), Error) << bad;
  }
  EXPECT_THROW(q8_0_quantize(source.data(), block.data(), 31), Error);
  EXPECT_THROW(q8_0_dequantize(block.data(), source.data(), -32), Error);
}

}  // namespace
}  // namespace ken::quant
