#pragma once
#include <cstdint>

namespace ken::kernels {

inline constexpr int64_t page = 16;  // positions of a sequence whose cached keys and values lie together
// Bytes behind the int8 levels of a position's key or value: its scale. A page's sixteen, f32, follow all its levels.
inline constexpr int64_t scale_bytes = 4;

}  // namespace ken::kernels
