#include "ken/model/edit.h"

#include "ken/base/error.h"

namespace ken::model {

WeightEdit::WeightEdit(Model& model, const std::string& matrix) : target_(&model.matrix(matrix)), saved_(*target_) {}
WeightEdit::WeightEdit(WeightEdit&& other) noexcept : target_(other.target_), saved_(std::move(other.saved_)) {
  other.target_ = nullptr;
}
// The saved matrix holds the very tensors of before, so nothing is rounded on the way back.
WeightEdit::~WeightEdit() {
  if (target_) *target_ = saved_;
}

WeightEdit WeightEdit::low_rank(Model& model, const std::string& matrix, const Tensor& a, const Tensor& b) {
  WeightEdit edit(model, matrix);
  nn::Matrix& w = *edit.target_;
  if (a.dim() != 2 || b.dim() != 2 || a.size(1) != w.in || b.size(0) != w.out || a.size(0) != b.size(1)) {
    fail("edit", "{} is {}x{}; an overlay takes a [k, {}] and b [{}, k]", matrix, w.out, w.in, w.in, w.out);
  }
  w.low_a = w.low_a.defined() ? at::cat({w.low_a, a}) : a;
  w.low_b = w.low_b.defined() ? at::cat({w.low_b, b}, 1) : b;
  return edit;
}

WeightEdit WeightEdit::replace(Model& model, const std::string& matrix, const Tensor& value) {
  WeightEdit edit(model, matrix);
  nn::Matrix& w = *edit.target_;
  if (value.dim() != 2 || value.size(0) != w.out || value.size(1) != w.in)
    fail("edit", "{} is {}x{}, the new value is not", matrix, w.out, w.in);
  w.data = value.to(at::kFloat).contiguous();
  w.format = nullptr;
  w.shadow = Tensor();
  return edit;
}

}  // namespace ken::model
