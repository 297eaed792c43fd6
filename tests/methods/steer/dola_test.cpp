// DoLa: which layers are candidates, the premature one and the contrast, against the states of a plain pass.
#include <gtest/gtest.h>

#include "ken/generate/generate.h"
#include "ken/model/partial.h"
#include "ken/model/random.h"
#include "ken/readout/lens.h"
#include "tests/tiny.h"

namespace ken::generate::dola_test_file {
namespace {

std::shared_ptr<model::Model> deep_model(int64_t layers) {
  return train::new_organism(world::World(test::tiny_world()),
                             {.layers = layers, .d_model = 32, .heads = 4, .kv_heads = 2, .d_ff = 48, .context = 128},
                             3, "deep");
}

Request ask(const std::string& control, int64_t tokens = 1) {
  Request request;
  request.prompt.text = "Q: where was Ada born ? A:";
  request.max_tokens = tokens;
  if (!control.empty()) request.controls = {control_from(control)};
  return request;
}

Generated run(const model::Model& model, const Request& request) {
  return generate(model, {request}, {.compute = nn::Compute::f32})[0][0];
}

// JSD from its definition, in doubles.
double divergence(const Tensor& a, const Tensor& b) {
  const Tensor p = a.to(at::kDouble).softmax(-1), q = b.to(at::kDouble).softmax(-1), m = (p + q) / 2;
  return ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()).item<double>() / 2;
}

TEST(DolaTest, contrasts_with_the_candidate_that_differs_most) {
  const auto model = deep_model(8);  // tied: candidates 2 (low), or 4 and 6 (high)
  const auto tokens = model::prompt_ids(*model, ask("").prompt.text);
  const Tensor states = readout::last_states(*model, {tokens}, nn::Compute::f32)[0];  // [9, d]
  const Tensor logits = model::read_out(*model, states, nn::Compute::f32), last = logits[8];
  const auto low = run(*model, ask("dola:layers=low"));
  EXPECT_EQ(low.notes.at("premature-layer")[0], 2);
  const double four = divergence(last, logits[4]), six = divergence(last, logits[6]);
  const auto high = run(*model, ask("dola:layers=high"));
  const int64_t premature = four >= six ? 4 : 6;
  EXPECT_EQ(high.notes.at("premature-layer")[0], double(premature));
  EXPECT_NEAR(high.notes.at("layer-divergence")[0], std::max(four, six), 1e-4);
  const Tensor p = last.log_softmax(-1);
  const Tensor scores = (p - logits[premature].log_softmax(-1)).masked_fill(p < p.max() + std::log(0.1), -INFINITY);
  EXPECT_EQ(high.tokens[0], int32_t(scores.argmax().item<int64_t>()));
  EXPECT_NEAR(high.logprobs[0], scores.log_softmax(-1).max().item<double>(), 1e-4);
}

TEST(DolaTest, strength_0_is_plain_and_the_mask_keeps_hopeless_tokens_out) {
  const auto model = deep_model(4);
  EXPECT_EQ(run(*model, ask("dola:strength=0", 6)).logprobs, run(*model, ask("", 6)).logprobs);
  EXPECT_LT(run(*model, ask("dola:mask=0")).logprobs[0], -0.1);
  EXPECT_NEAR(run(*model, ask("dola:mask=1")).logprobs[0], 0, 1e-6);  // one token is left
}

TEST(DolaTest, repetition_makes_tokens_of_the_answer_less_likely) {
  const auto model = deep_model(4);
  const auto plain = run(*model, ask("dola:mask=0", 8)), penalised = run(*model, ask("dola:mask=0,repetition=10", 8));
  EXPECT_EQ(plain.tokens[0], penalised.tokens[0]);
  EXPECT_EQ(std::set<int32_t>(penalised.tokens.begin(), penalised.tokens.end()).size(), penalised.tokens.size());
}

TEST(DolaTest, samples_and_batches_give_what_a_row_gives_alone) {
  const auto model = deep_model(4);
  Request sampled = ask("dola", 5);
  sampled.sampling = {.temperature = 1, .seed = 4};
  sampled.samples = 3;
  sampled.key = 7;
  Request other = ask("dola:layers=low", 5);
  other.prompt.text = "Q: what is the job of Ada Lovelace ? A:";
  const auto together = generate(*model, {other, sampled}, {.compute = nn::Compute::f32});
  const auto alone = generate(*model, {sampled}, {.compute = nn::Compute::f32});
  for (size_t j = 0; j < 3; ++j) {
    EXPECT_EQ(together[1][j].tokens, alone[0][j].tokens);
    for (size_t t = 0; t < alone[0][j].logprobs.size(); ++t)
      EXPECT_NEAR(together[1][j].logprobs[t], alone[0][j].logprobs[t], 1e-4);
  }
  EXPECT_THROW(control_from("dola:layers=middle"), UsageError);
}

}  // namespace
}  // namespace ken::generate::dola_test_file
