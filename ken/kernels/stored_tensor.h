// A stored matrix as operations of the dispatcher pass it: a tensor and a number for what it holds.
#pragma once
#include "ken/kernels/stored.h"
#include "ken/nn/torch.h"

namespace ken::kernels {

inline constexpr int64_t plain_numbers = -1;  // else GGUF's number of the format
inline int64_t type_of(const quant::Format* format) { return format ? int64_t(format->gguf) : plain_numbers; }
inline const quant::Format* format_of(int64_t type) {
  if (type == plain_numbers) return nullptr;
  const quant::Format* format = quant::find_format(uint32_t(type));
  TORCH_CHECK(format, "[kernels] ", type, " is no block format");
  return format;
}

inline StoredMatrix stored_matrix(const at::Tensor& stored, const quant::Format* format, int64_t in) {
  const int64_t columns = format && in % format->block == 0 ? int64_t(format->bytes_of(in)) : in;
  TORCH_CHECK(stored.dim() == 2 && stored.size(1) == columns, "[kernels] stored rows of ", stored.size(1), " are not ",
              in, " values of ", format ? format->card.title : std::string("plain numbers"));
  const auto type = stored.scalar_type();
  const Stored plain = type == at::kFloat ? Stored::f32 : type == at::kHalf ? Stored::f16 : Stored::bf16;
  return {stored.data_ptr(), format ? Stored::blocks : plain, format, stored.size(0), in};
}

}  // namespace ken::kernels
