// Heads: whole circuits change nothing, paths of the last layer are plain patches, masks find what moves the answer.
#include "ken/readout/heads.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::readout::heads_test_file {
namespace {

class HeadsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto path = test::fixture("models/" + std::string(GetParam()));
    if (!path) {
      if (test::fixtures_required()) FAIL() << "fixture models/" << GetParam() << " is missing; set KEN_FIXTURES";
      GTEST_SKIP() << "fixture models/" << GetParam() << " not found; set KEN_FIXTURES to the fixtures folder";
    }
    model = model::load(*path);
    for (int i = 0; i < 6; ++i) {
      std::vector<int32_t> a, b;
      for (int t = 0; t < 12; ++t) {
        a.push_back(int32_t((11 * i + 17 * t + 5) % model->config.vocab));
        b.push_back(t == 4 ? int32_t((11 * i + 17 * t + 9) % model->config.vocab) : a.back());
      }
      clean.push_back(a), corrupt.push_back(b), last.push_back(11);
    }
  }
  Tensor patched(SavedRun& run, const Patch& patch) const {
    return Patcher(*model, run, nn::Compute::f32)
        .measure({patch}, [](const Tensor& logits, const std::vector<int64_t>&) { return logits; })[0];
  }
  std::shared_ptr<model::Model> model;
  std::vector<std::vector<int32_t>> clean, corrupt;
  std::vector<int64_t> last;
};

TEST_P(HeadsTest, a_circuit_of_all_heads_is_the_model_and_one_of_none_is_not) {
  SavedRun run(*model, clean, {Point::z}, nn::Compute::f32);
  const SavedRun other(*model, corrupt, {Point::z}, nn::Compute::f32);
  const auto circuit = [&](const std::vector<Head>& kept, const std::vector<const SavedRun*>& others) {
    return circuit_logits(*model, clean, kept, others, nn::Compute::f32);
  };
  EXPECT_TRUE(at::equal(circuit(all_heads(model->config), {&other}), run.logits()));
  EXPECT_TRUE(at::equal(circuit({}, {&run}), run.logits()));  // each gives what it gives here
  EXPECT_FALSE(at::equal(circuit({}, {&run, &other}), run.logits()));
  EXPECT_TRUE(
      at::equal(transplanted_logits(*model, run, run, all_heads(model->config), last, nn::Compute::f32), run.logits()));
  // Every head at every token of the other run leaves only the embedding of the token that differs.
  const Tensor moved = transplanted_logits(*model, run, other, all_heads(model->config), {}, nn::Compute::f32);
  EXPECT_LE((moved - other.logits()).abs().max().item<double>(), 1e-4 * moved.abs().max().item<double>());
}

TEST_P(HeadsTest, the_direct_path_of_a_head_of_the_last_layer_is_its_patch) {
  SavedRun run(*model, clean, {Point::z}, nn::Compute::f32);
  const SavedRun other(*model, corrupt, {Point::z}, nn::Compute::f32);
  std::vector<int32_t> right;
  for (size_t s = 0; s < clean.size(); ++s) right.push_back(run.logits()[int64_t(s)].argmax().item<int32_t>());
  const Tensor effect = path_effects(*model, run, other, right, last, {}, nn::Compute::f32);
  const int64_t l = model->config.n_layers - 1;
  for (int64_t h = 0; h < model->config.n_heads; ++h) {
    double sum = 0;
    for (size_t s = 0; s < clean.size(); ++s) {
      const Tensor z = other.kept(Point::z, l, s)[last[s]][h];
      const double before = at::softmax(run.logits()[int64_t(s)], 0)[right[s]].item<double>(),
                   after = at::softmax(patched(run, {s, last[s], {put(Point::z, l, last[s], z, h)}}), 0)[right[s]]
                               .item<double>();
      sum += (after - before) / before;
    }
    EXPECT_NEAR(effect[l][h].item<double>(), sum / double(clean.size()), 1e-5) << h;
  }
}

// What reaches every head of a layer by its query at one token is, where nothing else differs there, little.
TEST_P(HeadsTest, a_path_needs_a_sender_before_its_receiver) {
  SavedRun run(*model, clean, {Point::z}, nn::Compute::f32);
  const SavedRun other(*model, corrupt, {Point::z}, nn::Compute::f32);
  std::vector<int32_t> right;
  for (size_t s = 0; s < clean.size(); ++s) right.push_back(run.logits()[int64_t(s)].argmax().item<int32_t>());
  for (const Point input : {Point::q, Point::k, Point::v}) {
    const Tensor effect = path_effects(*model, run, other, right, last, {{{1, 0}}, input}, nn::Compute::f32);
    EXPECT_GT(effect[0].abs().max().item<double>(), 0);
    EXPECT_EQ(effect.slice(0, 1).abs().max().item<double>(), 0);
  }
  EXPECT_EQ(
      path_effects(*model, run, run, right, last, {{{1, 0}}, Point::q}, nn::Compute::f32).abs().max().item<double>(),
      0);
}

TEST_P(HeadsTest, a_mask_finds_heads_that_move_the_answer) {
  SavedRun run(*model, clean, {Point::z}, nn::Compute::f32);
  const SavedRun other(*model, corrupt, {Point::z}, nn::Compute::f32);
  const auto all = all_heads(model->config);
  // The target is what all heads together raise most.
  const Tensor whole = transplanted_logits(*model, run, other, all, last, nn::Compute::f32) - run.logits();
  std::vector<int32_t> targets;
  for (size_t s = 0; s < clean.size(); ++s) targets.push_back(whole[int64_t(s)].argmax().item<int32_t>());
  const auto found =
      carriers(*model, clean, other, targets, last, all, {.penalty = 0, .epochs = 10, .batch = 6}, nn::Compute::f32);
  ASSERT_FALSE(found.empty());
  const Tensor some = transplanted_logits(*model, run, other, found, last, nn::Compute::f32) - run.logits();
  double gain = 0;
  for (size_t s = 0; s < clean.size(); ++s) gain += some[int64_t(s)][targets[s]].item<double>();
  EXPECT_GT(gain, 0);
  EXPECT_TRUE(
      carriers(*model, clean, other, targets, last, all, {.penalty = 100, .epochs = 2}, nn::Compute::f32).empty());
}

TEST_P(HeadsTest, heads_are_named_by_layer_and_number) {
  const auto heads = heads_from("0.1 1.0", model->config);
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[1].name(), "1.0");
  for (const char* bad : {"1", "1.x", "99.0", "0.99", "-1.0", "0.1x"})
    EXPECT_THROW(heads_from(bad, model->config), UsageError) << bad;
}

INSTANTIATE_TEST_SUITE_P(Fixtures, HeadsTest,
                         testing::Values("stories260K/model.gguf", "gemma2/model.gguf", "gpt2/model.gguf"),
                         [](const auto& info) {
                           const std::string name = info.param;
                           return name.substr(0, name.find('/'));
                         });

}  // namespace
}  // namespace ken::readout::heads_test_file
