// Q6_K: 256 values in sixteen sub-blocks of 16; x ~ d scale (q - 32) with f16 d, int8 scales and 6 bits a value. Each
// half of 128 values has 64 bytes of low four bits and 32 bytes of high two bits, each byte serving values 32 apart.
//
// The search: for given levels the best step of a sub-block is weighted least squares in one unknown, for a given step
// the best levels are rounding. Candidates are tried around the plain step (the extreme value over -32) and its mirror
// image, then on the int8 grid, whose own step is fitted again. The plain rule is one of the starts.
#include "ken/quant/blocks.h"

namespace ken::quant {
namespace {

constexpr int64_t block = 256;
constexpr int sub = 16, subs = block / sub;
constexpr size_t low_bytes = 128, high_bytes = 64, scales_at = low_bytes + high_bytes, d_at = scales_at + subs,
                 bytes = d_at + 2;

struct Sub {
  const float* x;
  std::array<float, sub> weights;
};
using Levels = std::array<int8_t, sub>;
using Steps = std::array<float, subs>;

struct Fit {
  float d = 0;  // exactly representable in f16
  std::array<int8_t, subs> scales{};
  std::array<int8_t, block> q{};
  float error = 0;
};

// As in affine.cpp: large weights move the output most.
Sub weighted(const float* x) {
  Sub result{x, {}};
  float squares = 0;
  for (int i = 0; i < sub; ++i) squares += x[i] * x[i];
  const float rms = std::sqrt(squares / sub);
  for (int i = 0; i < sub; ++i) result.weights[size_t(i)] = std::fabs(x[i]) + rms;
  return result;
}

// The nearest levels of a step, and the weighted error that is left.
float assign(const Sub& of, float step, Levels& q) {
  const float inverse = inverse_of(step);
  float error = 0;
#pragma omp simd reduction(+ : error)
  for (size_t i = 0; i < sub; ++i) {
    const float level = std::min(std::max(of.x[i] * inverse, -32.0f), 31.0f);
    q[i] = int8_t(int(level + 32.5f) - 32);
    const float miss = step * float(q[i]) - of.x[i];
    error += of.weights[i] * miss * miss;
  }
  return error;
}

struct Refit {
  float step = 0;
  float gain = 0;  // of weighted squares: the larger, the less error is left for the same levels
};

// The best step for the levels nearest to `step`.
Refit refit(const Sub& of, float step) {
  const float inverse = inverse_of(step);
  float qq = 0, qx = 0;
#pragma omp simd reduction(+ : qq, qx)
  for (size_t i = 0; i < sub; ++i) {
    const float level = float(int(std::min(std::max(of.x[i] * inverse, -32.0f), 31.0f) + 32.5f) - 32);
    qq += of.weights[i] * level * level;
    qx += of.weights[i] * level * of.x[i];
  }
  return qq > 0 ? Refit{qx / qq, qx / qq * qx} : Refit{step};
}

float best_step(const Sub& of, float plain) {
  Refit best = refit(of, plain);
  for (int i = -9; i <= 9; ++i) {
    const float step = plain * 32.0f / (32.0f + 0.1f * float(i));
    for (const float signed_step : {step, -step}) {  // mirrored, the extreme value loses a level and others may gain
      const Refit found = refit(of, signed_step);
      if (found.gain > best.gain) best = found;
    }
  }
  return refit(of, best.step).step;
}

// The grid's step, of either sign, as an f16 that is not zero unless the value is.
float grid_step(float value) {
  if (value == 0) return 0;
  const float magnitude = f16_to_f32(f32_to_f16(std::min(std::fabs(value), f16_largest)));
  return std::copysign(std::max(magnitude, 0x1p-24f), value);
}

int nearest(float step, float d) { return int(std::round(std::min(std::max(step * inverse_of(d), -128.0f), 127.0f))); }

// Chooses for each sub-block the grid's scale, up to `reach` off its own step, and its levels.
Fit settle(const std::array<Sub, subs>& parts, const Steps& steps, float d, int reach) {
  Fit fit{.d = d};
  for (size_t s = 0; s < subs; ++s) {
    const int scale = nearest(steps[s], d);
    float least = INFINITY;
    Levels q;
    for (int a = std::max(-128, scale - reach); a <= std::min(127, scale + reach); ++a) {
      const float error = assign(parts[s], d * float(a), q);
      if (!(error < least)) continue;
      least = error;
      fit.scales[s] = int8_t(a);
      std::copy(q.begin(), q.end(), fit.q.begin() + ptrdiff_t(s) * sub);
    }
    fit.error += least;
  }
  return fit;
}

Fit regrid(const std::array<Sub, subs>& parts, const Fit& fit) {
  double qq = 0, qx = 0;
  Steps steps;
  for (size_t s = 0; s < subs; ++s) {
    steps[s] = fit.d * float(fit.scales[s]);
    for (size_t i = 0; i < sub; ++i) {
      const double level = fit.scales[s] * fit.q[s * sub + i], weight = parts[s].weights[i];
      qq += weight * level * level;
      qx += weight * level * parts[s].x[i];
    }
  }
  return settle(parts, steps, grid_step(qq > 0 ? float(qx / qq) : fit.d), 1);
}

Fit fit_block(const float* x) {
  std::array<Sub, subs> parts;
  Steps plain, searched;
  for (size_t s = 0; s < subs; ++s) {
    parts[s] = weighted(x + s * sub);
    plain[s] = extreme<sub>(parts[s].x) / -32.0f;
    searched[s] = best_step(parts[s], plain[s]);
  }
  const auto d_of = [](const Steps& steps) { return grid_step(extreme<subs>(steps.data()) / -128.0f); };
  Fit best = settle(parts, plain, d_of(plain), 0);
  const auto keep = [&best](const Fit& fit) {
    const bool better = fit.error < best.error;
    if (better) best = fit;
    return better;
  };
  keep(settle(parts, searched, d_of(searched), 1));
  for (int turn = 0; turn < 3; ++turn)
    if (!keep(regrid(parts, best))) break;
  return best;
}

void encode(const float* x, uint8_t* out) {
  const Fit fit = fit_block(x);
  std::memcpy(out + scales_at, fit.scales.data(), subs);
  store_half(out + d_at, fit.d);
  for (int half = 0; half < 2; ++half) {
    const int8_t* q = fit.q.data() + 128 * half;
    uint8_t *low = out + 64 * half, *high = out + low_bytes + 32 * half;
    const auto level = [q](int i) { return unsigned(q[i] + 32); };
    for (int i = 0; i < 64; ++i) low[i] = uint8_t((level(i) & 15) | (level(i + 64) & 15) << 4);
    for (int i = 0; i < 32; ++i) {
      high[i] = uint8_t(level(i) >> 4 | level(i + 32) >> 4 << 2 | level(i + 64) >> 4 << 4 | level(i + 96) >> 4 << 6);
    }
  }
}

constexpr Coding coding{.scaling = Scaling::sub, .bits = 6, .offset = 32};

void split(const uint8_t* in, SplitBlock& to) {
  to.d = load_u16(in + d_at);
  std::memcpy(to.scales.data(), in + scales_at, subs);
  for (int part = 0; part < 8; ++part) {
    const int half = part / 4, place = part % 4;
    const uint8_t* low = in + 64 * half + 32 * (place % 2);
    const uint8_t* high = in + low_bytes + 32 * half;
    const int low_shift = place < 2 ? 0 : 4, high_shift = 2 * place;
    uint8_t* q = &to.q[size_t(32 * part)];
    for (int i = 0; i < 32; ++i) q[i] = uint8_t((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4);
  }
}

const Register<Format> entry{block_format<block, bytes, encode, coding, split>(
    "q6_k", "Q6_K", "6.6 bits a weight: blocks of 256 with sixteen searched scales.",
    {.gguf = 14, .file_type = 18, .largest = f16_largest * 128 * 32})};

}  // namespace
}  // namespace ken::quant
