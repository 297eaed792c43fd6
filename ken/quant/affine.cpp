// The search behind Q4_K and Q5_K. A sub-block is a line, x ~ scale q - minimum; for a given q the best line is
// weighted least squares in two unknowns, for a given line the best q is rounding. Candidates of the line's step are
// tried around the plain one (the range over the number of steps) and improved by turns. The scales and minima found
// are then rounded to the 6-bit grid, where their neighbours are tried too, and the grid's own two steps are fitted
// again with everything else fixed. The plain rule is one of the starts, so no result is worse than it.
#include "ken/quant/affine.h"

#include <algorithm>
#include <cmath>

#include "ken/quant/blocks.h"

namespace ken::quant {
namespace {

constexpr int grid = 63;  // the largest 6-bit scale

struct Line {
  float scale = 0, minimum = 0;  // both >= 0
};

// One sub-block: where its values are, how much each counts.
struct Sub {
  const float* x;
  std::array<float, affine_sub> weights;
};
using Levels = std::array<uint8_t, affine_sub>;

Sub weighted(const float* x) {
  Sub sub{x, {}};
  float squares = 0;
  for (int i = 0; i < affine_sub; ++i) squares += x[i] * x[i];
  const float rms = std::sqrt(squares / affine_sub);
  for (int i = 0; i < affine_sub; ++i) sub.weights[size_t(i)] = std::fabs(x[i]) + rms;
  return sub;
}

// The nearest levels of a line, and the weighted error that is left.
float assign(const Sub& sub, const Line& line, int largest, Levels& q) {
  const float inverse = inverse_of(line.scale), top = float(largest);
  float error = 0;
#pragma omp simd reduction(+ : error)
  for (size_t i = 0; i < affine_sub; ++i) {
    const float level = std::min(std::max((sub.x[i] + line.minimum) * inverse, 0.0f), top);
    q[i] = uint8_t(int(level + 0.5f));
    const float miss = line.scale * float(q[i]) - line.minimum - sub.x[i];
    error += sub.weights[i] * miss * miss;
  }
  return error;
}

// Sums of a least-squares problem x ~ scale a - minimum b.
struct Normal {
  double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;

  void add(double weight, double a, double b, double x) {
    aa += weight * a * a, ab += weight * a * b, bb += weight * b * b;
    ax += weight * a * x, bx += weight * b * x;
  }
  // The solution with both unknowns >= 0; `before` where the sums do not determine one.
  Line solve(const Line& before) const {
    const double determinant = aa * bb - ab * ab;
    if (determinant > 1e-12 * aa * bb) {
      const double scale = (ax * bb - bx * ab) / determinant, minimum = (ax * ab - bx * aa) / determinant;
      if (scale >= 0 && minimum >= 0) return {float(scale), float(minimum)};
    }
    return aa > 0 && ax > 0 ? Line{float(ax / aa), 0} : before;
  }
};

struct Refit {
  Line line;
  double gain = 0;  // of weighted squares: the larger, the less error is left for the same levels
};

// The best line for the levels nearest to `line`.
Refit refit(const Sub& sub, const Line& line, int largest) {
  const float inverse = inverse_of(line.scale), top = float(largest);
  float w = 0, wq = 0, wqq = 0, wx = 0, wqx = 0;
#pragma omp simd reduction(+ : w, wq, wqq, wx, wqx)
  for (size_t i = 0; i < affine_sub; ++i) {
    const float level = float(int(std::min(std::max((sub.x[i] + line.minimum) * inverse, 0.0f), top) + 0.5f));
    const float weight = sub.weights[i], value = sub.x[i];
    w += weight, wq += weight * level, wqq += weight * level * level;
    wx += weight * value, wqx += weight * level * value;
  }
  const Line best = Normal{wqq, wq, w, wqx, wx}.solve(line);
  return {best, double(best.scale) * wqx - double(best.minimum) * wx};
}

Line plain_line(const float* x, int largest) {
  const Range range = range_of<affine_sub>(x);
  const float low = std::min(range.low, 0.0f);
  return {(range.high - low) / float(largest), -low};
}

Line best_line(const Sub& sub, const Line& plain, int largest) {
  Refit best = refit(sub, plain, largest);
  for (int step = -10; step <= 10; ++step) {  // up to one level fewer or more in the range
    const float scale = plain.scale * float(largest) / (float(largest) + 0.1f * float(step));
    const Refit found = refit(sub, {scale, plain.minimum}, largest);
    if (found.gain > best.gain) best = found;
  }
  for (int turn = 0; turn < 3; ++turn) best = refit(sub, best.line, largest);  // levels and line by turns: never worse
  return best.line;
}

// value as an f16 that is not zero unless the value is: a step of zero would lose the whole block.
float grid_step(float value) {
  if (!(value > 0)) return 0;
  return std::max(f16_to_f32(f32_to_f16(std::min(value, f16_largest))), 0x1p-24f);
}

int nearest(float value, float step) { return int(std::min(value * inverse_of(step) + 0.5f, float(grid))); }

struct Fit {
  AffineBlock block;
  float error = 0;
};

// Chooses for each sub-block the grid's scale and minimum, up to `reach` off its line's own, and its levels.
Fit settle(const std::array<Sub, affine_subs>& subs, const std::array<Line, affine_subs>& lines, float d, float dmin,
           int reach, int largest) {
  Fit fit{{.d = d, .dmin = dmin}};
  for (size_t s = 0; s < affine_subs; ++s) {
    const int scale = nearest(lines[s].scale, d), minimum = nearest(lines[s].minimum, dmin);
    float least = INFINITY;
    Levels q;
    for (int a = std::max(0, scale - reach); a <= std::min(grid, scale + reach); ++a) {
      for (int b = std::max(0, minimum - reach); b <= std::min(grid, minimum + reach); ++b) {
        const float error = assign(subs[s], {d * float(a), dmin * float(b)}, largest, q);
        if (!(error < least)) continue;
        least = error;
        fit.block.scales[s] = uint8_t(a), fit.block.minima[s] = uint8_t(b);
        std::copy(q.begin(), q.end(), fit.block.q.begin() + ptrdiff_t(s) * affine_sub);
      }
    }
    fit.error += least;
  }
  return fit;
}

Fit settle_lines(const std::array<Sub, affine_subs>& subs, const std::array<Line, affine_subs>& lines, int reach,
                 int largest) {
  Line most;
  for (const Line& line : lines) {
    most = {std::max(most.scale, line.scale), std::max(most.minimum, line.minimum)};
  }
  return settle(subs, lines, grid_step(most.scale / grid), grid_step(most.minimum / grid), reach, largest);
}

// The grid's steps that suit the chosen scales, minima and levels best; then everything is chosen again by them.
Fit regrid(const std::array<Sub, affine_subs>& subs, const AffineBlock& block, int largest) {
  Normal sums;
  std::array<Line, affine_subs> lines;
  for (size_t s = 0; s < affine_subs; ++s) {
    lines[s] = {block.d * float(block.scales[s]), block.dmin * float(block.minima[s])};
    for (size_t i = 0; i < affine_sub; ++i) {
      sums.add(subs[s].weights[i], block.scales[s] * block.q[s * affine_sub + i], block.minima[s], subs[s].x[i]);
    }
  }
  const Line steps = sums.solve({block.d, block.dmin});
  return settle(subs, lines, grid_step(steps.scale), grid_step(steps.minimum), 1, largest);
}

}  // namespace

AffineBlock fit_affine(const float* x, int largest) {
  std::array<Sub, affine_subs> subs;
  std::array<Line, affine_subs> plain, searched;
  for (size_t s = 0; s < affine_subs; ++s) {
    subs[s] = weighted(x + s * affine_sub);
    plain[s] = plain_line(subs[s].x, largest);
    searched[s] = best_line(subs[s], plain[s], largest);
  }
  Fit best = settle_lines(subs, plain, 0, largest);
  const auto keep = [&best](const Fit& fit) {
    const bool better = fit.error < best.error;
    if (better) best = fit;
    return better;
  };
  keep(settle_lines(subs, searched, 1, largest));
  for (int turn = 0; turn < 3; ++turn)
    if (!keep(regrid(subs, best.block, largest))) break;
  return best.block;
}

// Bytes 0-3 hold the low six bits of scales 0-3, bytes 4-7 of minima 0-3; bytes 8-11 hold four bits of scales and of
// minima 4-7, whose upper two bits are the upper two of bytes 0-3 and of bytes 4-7.
void pack_scales(const AffineBlock& block, uint8_t* out) {
  for (size_t i = 0; i < 4; ++i) {
    const unsigned scale = block.scales[i + 4], minimum = block.minima[i + 4];
    out[i] = uint8_t(block.scales[i] | scale >> 4 << 6);
    out[i + 4] = uint8_t(block.minima[i] | minimum >> 4 << 6);
    out[i + 8] = uint8_t((scale & 15) | (minimum & 15) << 4);
  }
}

void split_scales(const uint8_t* in, SplitBlock& to) {
  to.d = load_u16(in), to.m = load_u16(in + 2);
  in += 4;
  for (size_t i = 0; i < 4; ++i) {
    to.scales[i] = in[i] & 63;
    to.minima[i] = in[i + 4] & 63;
    to.scales[i + 4] = uint8_t((in[i + 8] & 15) | in[i] >> 6 << 4);
    to.minima[i + 4] = uint8_t(in[i + 8] >> 4 | in[i + 4] >> 6 << 4);
  }
}

}  // namespace ken::quant
