// What the blocks of a format hold: levels, and how they become values.
#pragma once
#include <array>
#include <cstdint>

namespace ken::quant {

// How levels q become values; d and m are f16. block: d (q - offset). line: d q + m. grid: d sc q - m mn with the
// scale and the minimum of 32 values. sub: d sc (q - offset) with the int8 scale of 16 values.
enum class Scaling { block, line, grid, sub };
struct Coding {
  Scaling scaling = Scaling::block;
  int bits = 8, offset = 0;  // of a level
};
struct SplitBlock {  // one block; what the coding does not use is unspecified
  std::array<uint8_t, 256> q;
  std::array<uint8_t, 16> scales;
  std::array<uint8_t, 8> minima;
  uint16_t d, m;  // f16
};

}  // namespace ken::quant
