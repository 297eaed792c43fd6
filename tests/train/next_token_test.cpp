// The loss that training minimises is that of the logits the model answers with, in every family.
#include "ken/train/objective.h"
#include "ken/train/optimizer.h"
#include "tests/model/architectures.h"

namespace ken::train::next_token_test_file {
namespace {

class NextTokenTest : public test::ArchitectureTest {
 protected:
  static std::vector<Tensor> gradients(const Tensor& loss, const std::vector<Parameter>& parameters) {
    for (const Parameter& p : parameters) p.value.mutable_grad() = Tensor();
    loss.backward();
    std::vector<Tensor> result;
    for (const Parameter& p : parameters) result.push_back(p.value.grad());
    return result;
  }
};

TEST_P(NextTokenTest, its_loss_and_gradients_are_those_of_the_logits) {
  const at::AutoGradMode on(true);
  const auto parameters = train_all(*model);
  std::vector<model::Row> rows;
  for (const auto& prompt : prompts) rows.push_back({{prompt.begin(), prompt.end()}});
  TrainBatch batch{model::pack(rows, model->config.vocab), {}, {}};
  const int64_t tokens = batch.inputs.tokens.size(0);
  batch.targets = (batch.inputs.tokens.to(at::kLong) * 7 + 3) % model->config.vocab;
  batch.weights = at::arange(tokens, at::kFloat) / double(tokens);
  const double total = batch.weights.sum().item<double>();
  for (const double cap : {model->config.final_cap, 0.5}) {
    model->config.final_cap = cap;
    const Tensor logits =
        model::forward(*model, batch.inputs, {.logits = model::ForwardOptions::Logits::all}).logits.to(at::kFloat);
    const Tensor nll = -at::log_softmax(logits, -1).gather(1, batch.targets.unsqueeze(1)).squeeze(1);
    const Tensor expected = (nll * batch.weights).sum() / total;
    const Tensor loss = next_token()->loss({*model, nn::Compute::f32}, batch, total).value;
    EXPECT_NEAR(loss.item<double>(), expected.item<double>(), 1e-4) << cap;
    const auto of_logits = gradients(expected, parameters), of_loss = gradients(loss, parameters);
    for (size_t i = 0; i < parameters.size(); ++i) {
      ASSERT_EQ(of_loss[i].defined(), of_logits[i].defined()) << i;
      if (!of_loss[i].defined()) continue;
      const double scale = of_logits[i].abs().max().item<double>();
      EXPECT_LE((of_loss[i] - of_logits[i]).abs().max().item<double>(), 1e-4 * scale + 1e-9) << i << " under " << cap;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, NextTokenTest, testing::ValuesIn(test::architectures()),
                         [](const auto& info) { return fmt::format("{}_{}", info.param.name, info.index); });

}  // namespace
}  // namespace ken::train::next_token_test_file
