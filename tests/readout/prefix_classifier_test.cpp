#include "ken/readout/prefix_classifier.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::readout::prefix_classifier_test_file {
namespace {

constexpr int64_t length = 8;

// Texts whose attribute is that a certain token comes early: the token and the time tell it.
std::vector<LabelledContinuation> texts(const model::Model& model, size_t n) {
  Rng rng(5);
  std::vector<LabelledContinuation> all;
  for (size_t i = 0; i < n; ++i) {
    LabelledContinuation text{{1, 5}, {}, i % 2 == 0, std::to_string(i)};
    for (int64_t t = 0; t < length; ++t) text.continuation.push_back(int32_t(20 + rng.below(10)));
    text.continuation[1] = text.has ? 40 : 50;
    all.push_back(text);
  }
  (void)model;
  return all;
}

TEST(PrefixClassifierTest, a_token_that_tells_is_found_and_tempers_nothing_before_it) {
  const auto model = test::tiny_model();
  const std::string point = "blocks.1.hook_resid_post";
  const auto fit = fit_prefix_classifier(*model, texts(*model, 200), point, length, 1, nn::Compute::f32);
  EXPECT_GT(fit.table["auroc_by_part"][3].get<double>(), 0.9);
  EXPECT_NEAR(fit.table["share"].get<double>(), 0.5, 1e-9);
  const Tensor state = at::zeros({model->config.d_model});
  const Tensor q = fit.classifier.log_likely(*model, state, 1, at::tensor({int64_t(40), int64_t(50)}, at::kLong));
  EXPECT_GT(q[0].item<float>(), q[1].item<float>() + 0.5);
  EXPECT_LE(q.max().item<float>(), 0);
}

TEST(PrefixClassifierTest, it_goes_through_its_file) {
  const auto model = test::tiny_model();
  const auto fit =
      fit_prefix_classifier(*model, texts(*model, 40), "blocks.1.hook_resid_post", length, 1, nn::Compute::f32);
  const auto file = test::scratch("prefix-classifier") / "q.safetensors";
  save(lever_of(fit.classifier, "conditional-beam"), file);
  const auto read = prefix_classifier(load_lever(file, "conditional-beam"));
  const Tensor state = at::ones({model->config.d_model}), tokens = at::tensor({int64_t(7), int64_t(30)}, at::kLong);
  EXPECT_TRUE(
      at::equal(read.log_likely(*model, state, 3, tokens), fit.classifier.log_likely(*model, state, 3, tokens)));
  check(read, *model);
  model->config.d_model += 1;
  EXPECT_THROW(check(read, *model), Error);
}

TEST(PrefixClassifierTest, one_class_is_not_enough) {
  const auto model = test::tiny_model();
  auto all = texts(*model, 40);
  for (auto& text : all) text.has = true;
  EXPECT_THROW(fit_prefix_classifier(*model, all, "blocks.1.hook_resid_post", length, 1, nn::Compute::f32), Error);
}

}  // namespace
}  // namespace ken::readout::prefix_classifier_test_file
