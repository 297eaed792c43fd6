// Calls an operation of the "ken" namespace through the torch dispatcher; the handle is looked up once.
#pragma once
#include "ken/nn/torch.h"

namespace ken::kernels {

template <typename Signature>
auto operation(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

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

}  // namespace ken::kernels
