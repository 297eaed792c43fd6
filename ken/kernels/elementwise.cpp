// Rotary embedding (Su et al. 2021) and SwiGLU (Shazeer 2020), forward and backward.
#include "ken/kernels/elementwise.h"

#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"

namespace ken::kernels {
namespace {

// One row of one head; cos and sin hold R/2 values.
template <bool interleaved, typename T>
KEN_INLINE void rope_head(const T* x, T* y, const float* cos, const float* sin, float direction, int64_t half,
                          int64_t width) {
  const int64_t step = interleaved ? 2 : 1, other = interleaved ? 1 : half;
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float a = load(x[i * step]), b = load(x[i * step + other]), s = sin[i] * direction;
    store(y[i * step], a * cos[i] - b * s);
    store(y[i * step + other], b * cos[i] + a * s);
  }
  for (int64_t i = 2 * half; i < width; ++i) y[i] = x[i];
}

struct Turn {
  const float* angles;
  float direction;
  int64_t heads, width, half;
  bool interleaved;
};
template <typename T>
KEN_INLINE void rope_rows_(const T* x, T* y, const Turn& turn, int64_t begin, int64_t end) {
  const auto [angles, direction, heads, width, half, interleaved] = turn;
  for (int64_t t = begin; t < end; ++t) {
    const float* cos = angles + t * 2 * half;
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t at = (t * heads + h) * width;
      if (interleaved) {
        rope_head<true>(x + at, y + at, cos, cos + half, direction, half, width);
      } else {
        rope_head<false>(x + at, y + at, cos, cos + half, direction, half, width);
      }
    }
  }
}
KEN_CLONES void rope_rows(const float* x, float* y, const Turn& turn, int64_t b, int64_t e) {
  rope_rows_(x, y, turn, b, e);
}
KEN_CLONES void rope_rows(const bf16* x, bf16* y, const Turn& turn, int64_t b, int64_t e) {
  rope_rows_(x, y, turn, b, e);
}

// As the reference implementations do, the angle is an f32 product.
void write_angles(int64_t position, const float* frequency, int64_t half, float* row) {
  for (int64_t i = 0; i < half; ++i) {
    const float angle = float(position) * frequency[i];
    row[i] = std::cos(angle);
    row[half + i] = std::sin(angle);
  }
}

Tensor rope_angles_cpu(const Tensor& positions, const Tensor& frequencies) {
  const int64_t n = positions.size(0), half = frequencies.size(0);
  Tensor angles = fresh({n, 2, half}, at::kFloat);
  if (n == 0) return angles;
  const int64_t* position = positions.data_ptr<int64_t>();
  const float* frequency = frequencies.data_ptr<float>();
  float* rows = angles.data_ptr<float>();
  const auto fill = [&](int64_t count, float* to, const int64_t* from) {
    at::parallel_for(0, count, 64, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) write_angles(from ? from[t] : t, frequency, half, to + t * 2 * half);
    });
  };
  // Packed short documents repeat their positions: each is computed once.
  const auto [least, most] = std::minmax_element(position, position + n);
  if (*least < 0 || *most >= n / 2) {
    fill(n, rows, position);
    return angles;
  }
  const Tensor table = fresh({*most + 1, 2, half}, at::kFloat);
  fill(*most + 1, table.data_ptr<float>(), nullptr);
  for (int64_t t = 0; t < n; ++t)
    std::memcpy(rows + t * 2 * half, table.data_ptr<float>() + position[t] * 2 * half,
                size_t(2 * half) * sizeof(float));
  return angles;
}

Tensor rope_cpu(const Tensor& x, const Tensor& angles, bool interleaved, double direction) {
  Tensor y = fresh_like(x);
  const Turn turn{angles.data_ptr<float>(), float(direction), x.size(1), x.size(2), angles.size(2), interleaved};
  share_range(x.size(0), x.size(1) * x.size(2), [&](int64_t begin, int64_t end) {
    if (is_bf16(x)) {
      rope_rows(bf16_data(x), bf16_data(y), turn, begin, end);
    } else {
      rope_rows(x.data_ptr<float>(), y.data_ptr<float>(), turn, begin, end);
    }
  });
  return y;
}

template <typename T>
KEN_INLINE void swiglu_span_(const T* gate, const T* up, T* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float g = load(gate[i]);
    store(y[i], g * sigmoid_(g) * load(up[i]));
  }
}

}  // namespace

KEN_CLONES void swiglu_span(const float* g, const float* u, float* y, int64_t n) { swiglu_span_(g, u, y, n); }
KEN_CLONES void swiglu_span(const bf16* g, const bf16* u, bf16* y, int64_t n) { swiglu_span_(g, u, y, n); }

namespace {

template <typename T>
KEN_INLINE void swiglu_backward_span_(const T* dy, const T* gate, const T* up, T* dgate, T* dup, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float g = load(gate[i]), d = load(dy[i]), s = sigmoid_(g);
    store(dup[i], d * g * s);
    store(dgate[i], d * load(up[i]) * s * (1.0f + g * (1.0f - s)));
  }
}
KEN_CLONES void swiglu_backward_span(const float* dy, const float* g, const float* u, float* dg, float* du, int64_t n) {
  swiglu_backward_span_(dy, g, u, dg, du, n);
}
KEN_CLONES void swiglu_backward_span(const bf16* dy, const bf16* g, const bf16* u, bf16* dg, bf16* du, int64_t n) {
  swiglu_backward_span_(dy, g, u, dg, du, n);
}

constexpr int64_t span_a_task = 16384;

Tensor swiglu_cpu(const Tensor& gate, const Tensor& up) {
  Tensor y = fresh_like(gate);
  share_range(gate.numel(), 1, [&](int64_t b, int64_t e) {
    if (is_bf16(gate)) {
      swiglu_span(bf16_data(gate) + b, bf16_data(up) + b, bf16_data(y) + b, e - b);
    } else {
      swiglu_span(gate.data_ptr<float>() + b, up.data_ptr<float>() + b, y.data_ptr<float>() + b, e - b);
    }
  });
  return y;
}

std::tuple<Tensor, Tensor> swiglu_backward_cpu(const Tensor& dy, const Tensor& gate, const Tensor& up) {
  Tensor dgate = fresh_like(gate), dup = fresh_like(up);
  at::parallel_for(0, gate.numel(), span_a_task, [&](int64_t b, int64_t e) {
    if (is_bf16(gate)) {
      swiglu_backward_span(bf16_data(dy) + b, bf16_data(gate) + b, bf16_data(up) + b, bf16_data(dgate) + b,
                           bf16_data(dup) + b, e - b);
    } else {
      swiglu_backward_span(dy.data_ptr<float>() + b, gate.data_ptr<float>() + b, up.data_ptr<float>() + b,
                           dgate.data_ptr<float>() + b, dup.data_ptr<float>() + b, e - b);
    }
  });
  return {dgate, dup};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(ken, m) {
  m.def("rope(Tensor x, Tensor angles, bool interleaved, float direction) -> Tensor");
  m.def("rope_angles(Tensor positions, Tensor frequencies) -> Tensor");
  m.def("swiglu(Tensor gate, Tensor up) -> Tensor");
  m.def("swiglu_backward(Tensor dy, Tensor gate, Tensor up) -> (Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(ken, CPU, m) {
  m.impl("rope", rope_cpu);
  m.impl("rope_angles", rope_angles_cpu);
  m.impl("swiglu", swiglu_cpu);
  m.impl("swiglu_backward", swiglu_backward_cpu);
}

Tensor rope(const Tensor& x, const Tensor& angles, bool interleaved, double direction) {
  static const auto op = operation<Tensor(const Tensor&, const Tensor&, bool, double)>("ken::rope");
  return op.call(x.contiguous(), angles, interleaved, direction);
}
Tensor rope_angles(const Tensor& positions, const Tensor& frequencies) {
  static const auto op = operation<Tensor(const Tensor&, const Tensor&)>("ken::rope_angles");
  return op.call(positions, frequencies);
}
Tensor swiglu(const Tensor& gate, const Tensor& up) {
  static const auto op = operation<Tensor(const Tensor&, const Tensor&)>("ken::swiglu");
  return op.call(gate.contiguous(), up.contiguous());
}
std::tuple<Tensor, Tensor> swiglu_backward(const Tensor& dy, const Tensor& gate, const Tensor& up) {
  static const auto op =
      operation<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&)>("ken::swiglu_backward");
  return op.call(dy.contiguous(), gate, up);
}

}  // namespace ken::kernels
