// A scoped weight edit: the matrix is changed while the object lives and bit-equal to before when it is gone.
#pragma once
#include "ken/model/model.h"

namespace ken::model {

class WeightEdit {
 public:
  // Adds b a (rank k): a [k, in], b [out, k], f32. Works on every stored type: the product is added at run time.
  static WeightEdit low_rank(Model& model, const std::string& matrix, const Tensor& a, const Tensor& b);
  // Replaces the matrix by an f32 one of the same shape.
  static WeightEdit replace(Model& model, const std::string& matrix, const Tensor& value);
  ~WeightEdit();
  WeightEdit(WeightEdit&& other) noexcept;
  WeightEdit& operator=(WeightEdit&&) = delete;

 private:
  WeightEdit(Model& model, const std::string& matrix);
  nn::Matrix* target_;
  nn::Matrix saved_;
};

}  // namespace ken::model
