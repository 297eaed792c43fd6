// VISTA's push keeps norms and follows its formula; late logits are mixed in; the evidence is the passage's difference.
#include <gtest/gtest.h>

#include "ken/generate/generate.h"
#include "ken/model/partial.h"
#include "ken/readout/lens.h"
#include "tests/tiny.h"

namespace ken::generate::vista_test_file {
namespace {

constexpr nn::Compute f32 = nn::Compute::f32;

Request ask(const std::string& control, size_t number = 0) {
  static const data::FactSet facts = test::tiny_facts();
  Request request = evidence::with_passage(facts.contexts.at(number), world::prompt_style());
  request.max_tokens = 3;
  if (!control.empty()) request.controls = {control_from(control)};
  return request;
}

struct VistaTest : testing::Test {
  std::shared_ptr<model::Model> model = test::tiny_model();
  Generated run(const Request& request) { return generate(*model, {request}, {.compute = f32})[0][0]; }
};

TEST_F(VistaTest, turns_each_mlp_output_towards_what_the_passage_did) {
  const Request request = ask("");
  const auto control = control_from("vista:lambda=0.3").make();
  control->begin({*model, f32});
  EXPECT_TRUE(control->twins(request.prompt).empty());
  const auto taps = control->taps();
  ASSERT_EQ(taps.back().point, "blocks.*.hook_mlp_out");
  const Tensor states = readout::last_states(
      *model,
      {model::prompt_ids(*model, request.prompt.text), model::prompt_ids(*model, request.prompt.without_context)}, f32);
  const Tensor v = states[0][2] - states[1][2];  // after block 1
  at::manual_seed(3);
  const Tensor x = at::randn({4, model->config.d_model});
  const std::vector<int64_t> positions{0, 1, 2, 3};
  const Tensor y = *taps.back().fn(x, {0, positions, model::Phase::prefill, 1, model::Point::mlp_out});
  for (int64_t i = 0; i < 4; ++i) {
    const Tensor a = x[i] / x[i].norm(), u = v / v.norm();
    const double k = 1 + std::max(0.0, -a.dot(u).item<double>());
    Tensor expected = a + 0.3 * k * u;
    expected = expected / expected.norm() * x[i].norm();
    EXPECT_TRUE(at::allclose(y[i], expected, 1e-4, 1e-5)) << i;
    EXPECT_NEAR(y[i].norm().item<double>(), x[i].norm().item<double>(), 1e-4);
  }
}

TEST_F(VistaTest, gamma_mixes_the_logits_of_late_layers) {
  // Of two layers the window of 0.5 to 0.5 is the state after the first.
  const Request request = ask("vista:lambda=0,gamma=0.25,from=0.5,to=0.5");
  const Tensor states = readout::last_states(*model, {model::prompt_ids(*model, request.prompt.text)}, f32)[0];
  const Tensor logits = model::read_out(*model, states, f32), mixed = 0.75 * logits[2] + 0.25 * logits[1];
  const auto result = run(request);
  EXPECT_EQ(result.tokens[0], int32_t(mixed.argmax().item<int64_t>()));
  EXPECT_NEAR(result.logprobs[0], mixed.log_softmax(-1).max().item<double>(), 1e-4);
}

TEST_F(VistaTest, strength_0_leaves_every_bit_and_a_random_direction_is_another_one) {
  EXPECT_EQ(run(ask("vista:lambda=0,gamma=0")).logprobs, run(ask("")).logprobs);
  const auto pushed = run(ask("vista:lambda=0.5")), random = run(ask("vista:lambda=0.5,random=true")),
             again = run(ask("vista:lambda=0.5,random=true,seed=1"));
  EXPECT_NE(pushed.logprobs, random.logprobs);
  EXPECT_NE(again.logprobs, random.logprobs);
}

TEST_F(VistaTest, samples_and_batches_give_what_a_row_gives_alone) {
  Request sampled = ask("vista", 1);
  sampled.sampling = {.temperature = 1, .seed = 4};
  sampled.samples = 3;
  const auto together = generate(*model, {ask("vista:lambda=0.9"), sampled}, {.compute = f32});
  const auto alone = generate(*model, {sampled}, {.compute = f32});
  for (size_t j = 0; j < 3; ++j) {
    EXPECT_EQ(together[1][j].tokens, alone[0][j].tokens);
    for (size_t t = 0; t < alone[0][j].logprobs.size(); ++t)
      EXPECT_NEAR(together[1][j].logprobs[t], alone[0][j].logprobs[t], 1e-4);
  }
}

TEST_F(VistaTest, refuses_a_prompt_without_a_passage) {
  const auto control = control_from("vista").make();
  control->begin({*model, f32});
  EXPECT_THROW(control->twins({"question", ""}), UsageError);
  EXPECT_THROW(control_from("vista:gamma=2"), UsageError);
}

}  // namespace
}  // namespace ken::generate::vista_test_file
