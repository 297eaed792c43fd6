// Activation checkpointing: blocks that are computed again give the gradients of those that kept their activations.
#include "ken/train/optimizer.h"
#include "tests/model/architectures.h"

namespace ken::train::recompute_test_file {
namespace {

class RecomputeTest : public test::ArchitectureTest {
 protected:
  // The gradient of every parameter for a loss of all logits.
  std::vector<Tensor> gradients(int64_t kept_blocks) const {
    const at::AutoGradMode on(true);
    const auto parameters = train_all(*model);
    for (const Parameter& p : parameters) p.value.mutable_grad() = Tensor();
    std::vector<model::Row> rows;
    for (const auto& prompt : prompts) rows.push_back({{prompt.begin(), prompt.end()}});
    const model::ForwardOptions options{.logits = model::ForwardOptions::Logits::all, .kept_blocks = kept_blocks};
    model::forward(*model, model::pack(rows, model->config.vocab), options).logits.square().mean().backward();
    std::vector<Tensor> result;
    for (const Parameter& p : parameters)
      result.push_back(p.value.grad().defined() ? p.value.grad().clone() : Tensor());
    return result;
  }
};

TEST_P(RecomputeTest, gradients_are_those_of_kept_activations) {
  const auto kept = gradients(-1);
  for (const int64_t blocks : {int64_t(0), int64_t(1), model->config.n_layers}) {
    const auto again = gradients(blocks);
    ASSERT_EQ(again.size(), kept.size());
    for (size_t i = 0; i < kept.size(); ++i) {
      ASSERT_EQ(again[i].defined(), kept[i].defined()) << i;
      if (!kept[i].defined()) continue;
      const double scale = kept[i].abs().max().item<double>();
      EXPECT_LE((again[i] - kept[i]).abs().max().item<double>(), 1e-5 * scale) << i << " with " << blocks << " kept";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, RecomputeTest, testing::ValuesIn(test::architectures()),
                         [](const auto& info) { return fmt::format("{}_{}", info.param.name, info.index); });

}  // namespace
}  // namespace ken::train::recompute_test_file
