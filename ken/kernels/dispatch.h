// Calls an operation of the "ken" namespace through the torch dispatcher; the handle is looked up once.
#pragma once
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "ken/kernels/team.h"
#include "ken/nn/torch.h"

namespace ken::kernels {

template <typename Signature>
auto operation(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

// Memory for a result on the CPU, past the dispatcher: a kernel of a few KB has no time for it.
inline at::Tensor fresh(at::IntArrayRef sizes, at::ScalarType type) { return at::detail::empty_cpu(sizes, type); }
inline at::Tensor fresh_like(const at::Tensor& x) { return fresh(x.sizes(), x.scalar_type()); }

inline bool is_bf16(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16; }
inline uint16_t* bf16_data(const at::Tensor& x) { return reinterpret_cast<uint16_t*>(x.data_ptr<at::BFloat16>()); }

// Calls fn(pointer of f32) or fn(pointer of bf16 storage).
template <typename Fn>
void with_data(const at::Tensor& x, Fn fn) {
  if (is_bf16(x)) {
    fn(bf16_data(x));
  } else {
    fn(x.data_ptr<float>());
  }
}

// fn(task) for every task, on all threads where the multiplications to do outweigh waking them. Threads take the next
// task as they come: one that other work holds up leaves more to the others. Which thread runs a task must not show.
template <typename Fn>
void share_out(int64_t tasks, double products, Fn fn, const Reading& reading = {}) {
  constexpr double worth_waking = 1 << 16, worth_telling = 1 << 13;  // a few microseconds of one core; of a team
  Team* team = Team::here();
  const int64_t threads = std::min<int64_t>(tasks, at::get_num_threads());
  if (threads < 2 || products < (team ? worth_telling : worth_waking)) {
    for (int64_t task = 0; task < tasks; ++task) fn(task);
    return;
  }
  if (team) return team->share(tasks, fn, reading);
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) fn(task);
  });
}

// fn(begin, end) for stretches of n things of so many numbers each, on all threads where they are many.
template <typename Fn>
void share_range(int64_t n, int64_t numbers, Fn fn) {
  const bool team = Team::here();
  const int64_t least = team ? 1 << 12 : 1 << 15, grain = std::max<int64_t>(1, least / std::max<int64_t>(1, numbers));
  if (!team) return at::parallel_for(0, n, grain, fn);
  const int64_t piece = std::max(grain, (n + at::get_num_threads() - 1) / at::get_num_threads());
  share_out((n + piece - 1) / piece, 2 * double(n) * double(numbers),
            [&](int64_t i) { fn(i * piece, std::min(n, (i + 1) * piece)); });
}

}  // namespace ken::kernels
