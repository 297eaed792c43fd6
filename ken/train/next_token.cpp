// Next-token cross-entropy with a weight for each token.
#include "ken/train/logprobs.h"
#include "ken/train/objective.h"

namespace ken::train {
namespace {

class NextToken final : public Objective {
 public:
  std::string name() const override { return "next_token"; }
  std::vector<std::string> metrics() const override { return {"loss", "answer_loss", "answer_hit"}; }
  double weight(const TrainBatch& batch) const override { return batch.weights.sum(at::kDouble).item<double>(); }

  Loss loss(const Policy& policy, const TrainBatch& batch, double total) const override {
    const Tensor targets = batch.targets.to(policy.model.device), weights = batch.weights.to(policy.model.device);
    const Tensor hidden = policy.hidden(batch.inputs);
    const auto [value, nll, hit] = weighted_nll(hidden, policy.model.output(), policy.model.config.final_cap, targets,
                                                weights / total, policy.compute);
    const Tensor answers = weights.gt(1).to(at::kDouble), n = nll.to(at::kDouble);
    const double count = answers.sum().item<double>();
    return {value,
            {{"loss", (n * weights).sum().item<double>(), weight(batch)},
             {"answer_loss", (n * answers).sum().item<double>(), count},
             {"answer_hit", (hit * answers).sum().item<double>(), count}}};
  }
};

}  // namespace

Tensor Policy::hidden(const model::Batch& batch) const {
  return model::forward(model, batch,
                        {.compute = compute, .logits = model::ForwardOptions::Logits::none, .kept_blocks = kept_blocks})
      .hidden;
}

std::unique_ptr<Objective> next_token() { return std::make_unique<NextToken>(); }

}  // namespace ken::train
