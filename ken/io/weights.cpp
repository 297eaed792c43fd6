// Weights of any stored type to and from f32: the plain floating-point types, and the block formats of quant/.
#include <fmt/ranges.h>

#include <array>

#include "ken/base/error.h"
#include "ken/io/tensors.h"
#include "ken/quant/half.h"

namespace ken::io {
namespace {

struct PlainWeights {
  std::string_view name;
  DType dtype;
};
constexpr std::array plain_weights{PlainWeights{"f32", DType::f32}, PlainWeights{"f16", DType::f16},
                                   PlainWeights{"bf16", DType::bf16}};

[[noreturn]] void refuse(DType dtype) {
  fail("weights", "{} holds no weights; supported: {}", dtype_name(dtype), fmt::join(weight_types(), ", "));
}

template <float (*widen)(uint16_t)>
void widen_all(const std::byte* bytes, float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    uint16_t stored;
    std::memcpy(&stored, bytes + 2 * i, 2);
    x[i] = widen(stored);
  }
}

template <uint16_t (*narrow)(float)>
void narrow_all(const float* x, std::byte* bytes, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t stored = narrow(x[i]);
    std::memcpy(bytes + 2 * i, &stored, 2);
  }
}

}  // namespace

std::vector<std::string> weight_types() {
  std::vector<std::string> names;
  for (const PlainWeights& plain : plain_weights) names.emplace_back(plain.name);
  for (const quant::Format* format : quant::formats()) names.push_back(format->card.id);
  return names;
}

DType weight_type(std::string_view name) {
  for (const PlainWeights& plain : plain_weights)
    if (plain.name == name) return plain.dtype;
  for (const quant::Format* format : quant::formats())
    if (format->card.id == name) return DType(format->gguf);
  fail_usage("weights", "{} (there are {})", unknown_name("weight type", name, weight_types()),
             fmt::join(weight_types(), ", "));
}

void to_f32(DType dtype, const std::byte* bytes, float* x, int64_t n) {
  if (const quant::Format* format = format_of(dtype)) return quant::dequantize(*format, bytes, x, n);
  if (dtype == DType::f16) return widen_all<quant::f16_to_f32>(bytes, x, n);
  if (dtype == DType::bf16) return widen_all<quant::bf16_to_f32>(bytes, x, n);
  if (dtype != DType::f32) refuse(dtype);
  std::memcpy(x, bytes, size_t(n) * sizeof(float));
}

void from_f32(DType dtype, const float* x, std::byte* bytes, int64_t n) {
  if (const quant::Format* format = format_of(dtype)) return quant::quantize(*format, x, bytes, n);
  if (dtype == DType::f16) return narrow_all<quant::f32_to_f16>(x, bytes, n);
  if (dtype == DType::bf16) return narrow_all<quant::f32_to_bf16>(x, bytes, n);
  if (dtype != DType::f32) refuse(dtype);
  std::memcpy(bytes, x, size_t(n) * sizeof(float));
}

}  // namespace ken::io
