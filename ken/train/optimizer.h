// Muon (Jordan et al. 2024) with AdamW (Loshchilov & Hutter 2019) for what is no hidden matrix, and AdamW alone.
#pragma once
#include <map>
#include <memory>

#include "ken/model/model.h"

namespace ken::train {

using at::Tensor;

// One trained tensor. A matrix' bf16 shadow is refreshed with every update.
struct Parameter {
  std::string name;
  Tensor value;                                                 // f32 leaf with gradients, the model's own
  nn::Matrix* matrix = nullptr;                                 // set when value is this matrix' data
  enum class Kind { hidden, table, gain } kind = Kind::hidden;  // table: embedding and unembedding
};

// Makes the whole model trainable: f32 masters with gradients and their shadows. The file is no longer needed.
std::vector<Parameter> train_all(model::Model& model);
// Back to plain weights: no gradients, no shadows, no graph.
void freeze(model::Model& model);

struct OptimizerOptions {
  std::string kind = "muon";  // muon or adamw
  double lr = 0;              // of hidden matrices; 0 = 0.02 for muon, 3e-3 for adamw
  double table_lr = 0;        // of embeddings and gains; 0 = 0.015 for muon, lr for adamw
  double momentum = 0.95, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  int newton_schulz = 5;
  double weight_decay = 0.1;  // decoupled, times the learning rate; gains have none
};
OptimizerOptions resolved(OptimizerOptions options);  // checked, standards filled in

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // One update from the parameters' gradients times `scale` (the clip), at `factor` of the learning rates.
  virtual void step(double factor, double scale) = 0;
  // Every tensor the next update depends on, by name; the step count goes apart.
  virtual std::map<std::string, Tensor> state() const = 0;
  int64_t steps = 0;
};
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, std::vector<Parameter> parameters);

// The Euclidean norm of all gradients, summed in fixed chunks: the thread count cannot show.
double gradient_norm(const std::vector<Parameter>& parameters);
// X [n, rows, cols] bf16 (n equal shapes), each with Frobenius norm <= 1: towards the nearest semi-orthogonal matrix.
Tensor newton_schulz(Tensor x, int steps);

}  // namespace ken::train
