// Low-rank adapters on a frozen base: their gradients, what stays untouched, and that they learn.
#include "ken/train/low_rank.h"

#include <gtest/gtest.h>

#include "ken/nn/autograd.h"
#include "ken/train/trainer.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::train::low_rank_test_file {
namespace {

// A tiny model stored in Q8_0, its vocabulary included, as a user would have it.
std::shared_ptr<model::Model> stored_model(const std::string& folder) {
  const fs::path file = test::scratch(folder) / "tiny.gguf";
  const OrganismShape shape{.layers = 2, .d_model = 32, .heads = 4, .kv_heads = 2, .d_ff = 64, .context = 128};
  model::save(*new_organism(world::World(test::tiny_world()), shape, 1, "tiny"), file, io::weight_type("q8_0"));
  return model::load(file);
}

Tensor logits_of(const model::Model& model, nn::Compute compute) {
  model::ForwardOptions options;
  options.compute = compute;
  options.logits = model::ForwardOptions::Logits::all;
  return model::forward(model, model::pack({{{1, 5, 9, 2, 7, 30, 31}}, {{3, 4}}}, model.config.vocab), options).logits;
}

TEST(LowRankTest, nothing_changes_at_first_and_only_the_adapters_are_trained) {
  const auto model = stored_model("low-rank-null");
  const Tensor before = logits_of(*model, nn::Compute::fast);
  const auto parameters = train_low_rank(*model, {.rank = 4});
  EXPECT_EQ(parameters.size(), size_t(2 * 2 * 7));  // two of seven matrices in two blocks
  EXPECT_TRUE(at::equal(logits_of(*model, nn::Compute::fast), before));
  int64_t trained = 0;
  for (auto& [name, w] : model->matrices()) {
    EXPECT_FALSE(w->data.requires_grad()) << name;
    EXPECT_NE(w->format, nullptr) << name << " is no longer stored in blocks";
    trained += w->low_a.defined();
  }
  EXPECT_EQ(trained, 14);
}

TEST(LowRankTest, gradients_are_those_of_the_dense_model) {
  const auto stored = stored_model("low-rank-gradients"), dense = stored_model("low-rank-dense");
  for (auto& [name, w] : dense->matrices()) w->data = nn::dense(*w), w->format = nullptr;
  std::vector<std::vector<Tensor>> gradients;
  for (const auto& model : {stored, dense}) {
    const auto parameters = train_low_rank(*model, {.rank = 4, .seed = 3});
    std::vector<Tensor> values;
    for (const Parameter& p : parameters) {
      at::NoGradGuard none;
      if (p.name.ends_with("low_b")) p.value.copy_(at::arange(p.value.numel()).reshape(p.value.sizes()).sin() * 0.1);
    }
    for (const Parameter& p : parameters) values.push_back(p.value);
    gradients.push_back(torch::autograd::grad({logits_of(*model, nn::Compute::f32).square().mean()}, values));
  }
  for (size_t i = 0; i < gradients[0].size(); ++i) {
    EXPECT_GT(gradients[0][i].abs().max().item<double>(), 0) << i;
    EXPECT_TRUE(at::allclose(gradients[0][i], gradients[1][i], 1e-3, 1e-7)) << i;
  }
}

TEST(LowRankTest, adapters_learn_and_the_base_keeps_its_bytes) {
  const auto model = stored_model("low-rank-learns");
  std::vector<Tensor> before;
  for (auto& [name, w] : model->matrices()) before.push_back(w->data.clone());
  const auto parameters = train_low_rank(*model, {.rank = 8});
  TrainOptions options{.batch_tokens = 512, .optimizer = {.kind = "adamw", .lr = 1e-2}, .max_steps = 0, .threads = 1};
  options.out = test::scratch("low-rank-run");
  auto group = alone();
  const std::shared_ptr<const SampleSource> source =
      world_source(std::make_shared<const world::World>(test::tiny_world()), model->tokenizer, 3);
  const auto result = train(*model, parameters, *next_token(), source, options, *group);
  const std::string log = read_text(options.out / "log.jsonl");
  const double first = Json::parse(log.substr(0, log.find('\n'))).at("loss").get<double>();
  EXPECT_LT(result.metrics.at("loss"), first - 0.3);
  size_t i = 0;
  for (auto& [name, w] : model->matrices()) EXPECT_TRUE(at::equal(w->data, before[i++])) << name;
}

TEST(LowRankTest, targets_are_chosen_by_name_and_mistakes_are_named) {
  const auto model = test::tiny_model();
  EXPECT_THROW(train_low_rank(*model, {.targets = {"attn.W_Z"}}), UsageError);
  EXPECT_THROW(train_low_rank(*model, {.rank = 0}), UsageError);
  EXPECT_EQ(train_low_rank(*model, {.targets = {"attn.W_Q", "W_out"}}).size(), size_t(2 * 2 * 2));
  EXPECT_THROW(train_low_rank(*model, {.targets = {"W_out"}}), Error) << "an overlay on an overlay";
}

TEST(LowRankTest, adapters_stand_on_the_named_layers_only) {
  const auto model = test::tiny_model();
  const auto parameters = train_low_rank(*model, {.rank = 4, .layers = {1}});
  EXPECT_FALSE(parameters.empty());
  for (const auto& [name, matrix] : model->matrices())
    EXPECT_EQ(matrix->low_a.defined(), name.starts_with("blocks.1.")) << name;
  EXPECT_THROW(train_low_rank(*test::tiny_model(), {.layers = {2}}), UsageError);
}

}  // namespace
}  // namespace ken::train::low_rank_test_file
