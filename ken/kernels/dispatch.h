// Calls an operation of the "ken" namespace through the torch dispatcher; the handle is looked up once.
#pragma once
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <atomic>

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
void share_out(int64_t tasks, double products, Fn fn) {
  constexpr double worth_waking = 1 << 16;  // a few microseconds of one core
  const int64_t threads = std::min<int64_t>(tasks, at::get_num_threads());
  if (threads < 2 || products < worth_waking) {
    for (int64_t task = 0; task < tasks; ++task) fn(task);
    return;
  }
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) fn(task);
  });
}

}  // namespace ken::kernels
