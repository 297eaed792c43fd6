// A patched pass that enters at its first change equals a whole pass with taps; what is put back changes nothing.
#include "ken/readout/patching.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::readout::patching_test_file {
namespace {

constexpr const char* models[] = {"stories260K/model.gguf", "gemma2/model.gguf", "gpt2/model.gguf",
                                  "llama3_rope_tied/model.gguf", "mistral/model.gguf"};

std::vector<int32_t> tokens(int first, int count, int64_t vocab) {
  std::vector<int32_t> result;
  for (int i = 0; i < count; ++i) result.push_back(int32_t((7 * first + 13 * i + 3) % vocab));
  return result;
}

class PatchingTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto path = test::fixture("models/" + std::string(GetParam()));
    if (!path) {
      if (test::fixtures_required()) FAIL() << "fixture models/" << GetParam() << " is missing; set KEN_FIXTURES";
      GTEST_SKIP() << "fixture models/" << GetParam() << " not found; set KEN_FIXTURES to the fixtures folder";
    }
    model = model::load(*path);
    const int64_t vocab = model->config.vocab;
    base = {tokens(1, 9, vocab), tokens(2, 21, vocab)};
    source = {tokens(3, 9, vocab), tokens(4, 21, vocab)};
  }
  // The whole pass with the same changes as taps.
  Tensor whole(const Patch& patch) const {
    const at::NoGradGuard no_gradients;
    std::vector<model::Tap> taps;
    for (const Edit& edit : patch.edits)
      taps.push_back({model::point_name(edit.point, edit.layer),
                      [&edit](const Tensor& x, const model::Site& site) -> std::optional<Tensor> {
                        const Tensor changed = edit.change(x, site.positions);
                        return changed.defined() ? std::optional<Tensor>(changed) : std::nullopt;
                      },
                      {}});
    const model::TapPlan plan(model->config, std::move(taps));
    return model::forward(*model, model::pack({{base[patch.prompt]}}, model->config.vocab), {.taps = &plan}).logits[0];
  }
  Tensor patched(SavedRun& run, const std::vector<Patch>& patches) const {
    return Patcher(*model, run, nn::Compute::f32)
        .measure(patches, [](const Tensor& logits, const std::vector<int64_t>&) { return logits; });
  }
  std::shared_ptr<model::Model> model;
  std::vector<std::vector<int32_t>> base, source;
};

TEST_P(PatchingTest, a_patch_from_its_first_layer_and_token_gives_the_logits_of_a_whole_pass) {
  const std::vector<Point> keep = {Point::attn_out, Point::mlp_out, Point::z};
  SavedRun from(*model, source, keep, nn::Compute::f32), to(*model, base, keep, nn::Compute::f32);
  std::vector<Patch> patches;
  for (size_t p = 0; p < base.size(); ++p)
    for (int64_t l = 0; l < model->config.n_layers; ++l)
      for (const int64_t t : {int64_t{0}, from.length(p) / 2, from.length(p) - 1}) {
        patches.push_back({p, t, {put(Point::resid_post, l, t, from.resid(l + 1, p)[t])}});
        patches.push_back({p, t, {put(Point::resid_pre, l, t, from.resid(l, p)[t])}});
        patches.push_back({p, t, {put(Point::attn_out, l, t, from.kept(Point::attn_out, l, p)[t])}});
        patches.push_back({p, t, {put(Point::mlp_out, l, t, from.kept(Point::mlp_out, l, p)[t])}});
        patches.push_back({p, t, {put(Point::z, l, t, from.kept(Point::z, l, p)[t][1], 1)}});
      }
  const Tensor logits = patched(to, patches);
  double moved = 0;
  for (size_t i = 0; i < patches.size(); ++i) {
    const Tensor want = whole(patches[i]);
    const double scale = want.abs().max().item<double>();
    EXPECT_LE((logits[int64_t(i)] - want).abs().max().item<double>(), 1e-5 * scale) << i;
    moved = std::max(moved, (want - to.logits()[int64_t(patches[i].prompt)]).abs().max().item<double>() / scale);
  }
  EXPECT_GT(moved, 1e-3);  // the patches do something
}

TEST_P(PatchingTest, a_prompts_own_activation_changes_no_bit) {
  SavedRun run(*model, base, {Point::z}, nn::Compute::f32);
  std::vector<Patch> patches;
  for (int64_t l = 0; l < model->config.n_layers; ++l)
    for (const int64_t t : {int64_t{2}, run.length(1) - 1}) {
      patches.push_back({1, t, {put(Point::resid_post, l, t, run.resid(l + 1, 1)[t])}});
      patches.push_back({1, t, {put(Point::z, l, t, run.kept(Point::z, l, 1)[t][0], 0)}});
    }
  const Tensor logits = patched(run, patches);
  for (size_t i = 0; i < patches.size(); ++i) EXPECT_TRUE(at::equal(logits[int64_t(i)], run.logits()[1])) << i;
}

TEST_P(PatchingTest, edits_of_scores_see_all_keys) {
  SavedRun run(*model, base, {}, nn::Compute::f32);
  const int64_t last = run.length(1) - 1;
  const auto hide = [](const Tensor& scores, std::span<const int64_t> positions) {
    EXPECT_EQ(scores.size(1), int64_t(positions.size()));
    EXPECT_EQ(scores.size(2), positions.back() + 1);
    Tensor result = scores.clone();
    result.narrow(1, scores.size(1) - 1, 1).narrow(2, 1, 4).fill_(-INFINITY);
    return result;
  };
  const Patch late{1, last, {{Point::scores, 1, hide}}}, early{1, 3, {{Point::scores, 1, hide}}};
  const Tensor logits = patched(run, {late, early}), want = whole(late);
  const double bound = 1e-5 * want.abs().max().item<double>();
  EXPECT_LE((logits[0] - want).abs().max().item<double>(), bound);
  EXPECT_LE((logits[1] - want).abs().max().item<double>(), bound);
  EXPECT_FALSE(at::equal(want, run.logits()[1]));
}

TEST_P(PatchingTest, a_patch_beyond_the_prompt_and_a_point_that_was_not_kept_are_errors) {
  SavedRun run(*model, base, {}, nn::Compute::f32);
  EXPECT_THROW(patched(run, {{0, run.length(0), {}}}), Error);
  EXPECT_THROW(run.kept(Point::z, 0, 0), Error);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, PatchingTest, testing::ValuesIn(models), [](const auto& info) {
  std::string name = info.param;
  return name.substr(0, name.find('/'));
});

}  // namespace
}  // namespace ken::readout::patching_test_file
