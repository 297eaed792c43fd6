// The 16-bit floats against ggml's own output: its widened values, and its bytes for the same source.
#include <gtest/gtest.h>

#include <cstring>

#include "ken/io/tensors.h"
#include "ken/quant/half.h"
#include "tests/fixtures.h"

namespace ken::quant::half_fixture_test_file {
namespace {

template <typename T>
std::vector<T> values(const io::TensorInfo& tensor) {
  std::vector<T> result(tensor.bytes.size() / sizeof(T));
  std::memcpy(result.data(), tensor.bytes.data(), result.size() * sizeof(T));
  return result;
}

TEST(HalfFixtureTest, widened_values_and_narrowed_bytes_are_ggmls) {
  KEN_FIXTURE(types, "quant/types.gguf");
  KEN_FIXTURE(wanted, "quant/types_expected.safetensors");
  const auto file = io::open_tensors(types), expected = io::open_tensors(wanted);
  const auto source = values<float>(expected->at("src"));
  const auto n = int64_t(source.size());
  for (const char* type : {"f16", "bf16"}) {
    const auto& tensor = file->at("t." + std::string(type));
    std::vector<float> widened(source.size());
    io::to_f32(tensor.dtype, tensor.bytes.data(), widened.data(), n);
    EXPECT_EQ(widened, values<float>(expected->at(tensor.name))) << type;
    std::vector<std::byte> narrowed(tensor.bytes.size());
    io::from_f32(io::weight_type(type), source.data(), narrowed.data(), n);
    EXPECT_TRUE(std::ranges::equal(narrowed, tensor.bytes)) << type;
  }
}

}  // namespace
}  // namespace ken::quant::half_fixture_test_file
