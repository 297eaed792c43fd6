// The registry of block formats, and the checks that all of them share.
#include "ken/quant/format.h"

#include <algorithm>
#include <cmath>

#include "ken/base/registry.h"

namespace ken::quant {
namespace {

void check_length(const Format& format, int64_t n) {
  if (n >= 0 && n % format.block == 0) return;
  fail(format.card.id, "{} values are no multiple of the block of {}", n, format.block);
}

}  // namespace

void quantize(const Format& format, const float* x, void* blocks, int64_t n) {
  check_length(format, n);
  for (int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) {
      fail(format.card.id, "value {} is {}; only finite weights can be quantised", i, x[i]);
    }
    if (std::fabs(x[i]) > format.largest) {
      fail(format.card.id, "value {} is {}, past the limit of {} for {}; keep this tensor as F32", i, x[i],
           format.largest, format.card.title);
    }
  }
  format.encode(x, static_cast<std::byte*>(blocks), n / format.block);
}

void dequantize(const Format& format, const void* blocks, float* x, int64_t n) {
  check_length(format, n);
  format.decode(static_cast<const std::byte*>(blocks), x, n / format.block);
}

const std::vector<const Format*>& formats() {
  static const auto sorted = [] {
    auto list = Registry<Format>::get().all();
    std::sort(list.begin(), list.end(), [](auto* a, auto* b) { return a->gguf < b->gguf; });
    return list;
  }();
  return sorted;
}

const Format* find_format(uint32_t gguf) {
  for (const Format* format : formats())
    if (format->gguf == gguf) return format;
  return nullptr;
}

const Format& format_of(std::string_view id) { return Registry<Format>::get().at("weight type", id); }

}  // namespace ken::quant
