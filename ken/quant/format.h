// The block formats of weights (ggml's): an open set of scalar references, one file per format, found by id or by
// GGUF's number of the type. The fast versions in kernels/ must equal these.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ken/base/card.h"
#include "ken/quant/coding.h"

namespace ken::quant {

struct Format {
  Card card;              // id as commands write it ("q4_k"), title as files name it ("Q4_K")
  uint32_t gguf = 0;      // GGUF's number of the tensor type
  int64_t file_type = 0;  // llama.cpp's general.file_type of a file whose matrices are mostly in this format
  int64_t block = 0;      // values that are stored together
  size_t bytes = 0;       // of one such block
  float largest = 0;      // the magnitude above which a block's scales leave the range of f16
  // Whole blocks, unchecked: finite values up to `largest`, in any mixture.
  void (*encode)(const float* x, std::byte* out, int64_t blocks) = nullptr;
  void (*decode)(const std::byte* in, float* x, int64_t blocks) = nullptr;
  Coding coding = {};
  void (*split)(const uint8_t* in, SplitBlock& to) = nullptr;  // one block, as stored

  size_t bytes_of(int64_t n) const { return size_t(n / block) * bytes; }  // n a multiple of the block
};

// n values, a multiple of the block. A value that is not finite or too large is an error that says which.
void quantize(const Format& format, const float* x, void* blocks, int64_t n);
void dequantize(const Format& format, const void* blocks, float* x, int64_t n);

const Format* find_format(uint32_t gguf);      // null when the type is no block format of ours
const Format& format_of(std::string_view id);  // UsageError with near names
const std::vector<const Format*>& formats();   // by GGUF's number

}  // namespace ken::quant
