#pragma once
#include <cstdint>

namespace ken::kernels {

inline constexpr int64_t page = 16;  // positions of a sequence whose cached keys and values lie together

}  // namespace ken::kernels
