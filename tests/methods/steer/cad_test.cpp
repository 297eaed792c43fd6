#include <gtest/gtest.h>

#include "ken/generate/control.h"

namespace ken::generate::cad_test_file {
namespace {

Tensor combined(const Json& params, const Tensor& with, const Tensor& without) {
  const auto control = control_from("cad", params).make();
  Step step{with, {without}};
  return control->combine(step);
}

TEST(CadTest, mixes_the_two_streams_as_the_paper_does) {
  const Tensor a = at::tensor({1.0f, 2.0f, 0.0f}), b = at::tensor({2.0f, 1.0f, 0.5f});
  EXPECT_TRUE(at::allclose(combined({{"alpha", 1.0}}, a, b), at::tensor({0.0f, 3.0f, -0.5f})));
  EXPECT_TRUE(at::equal(combined({{"alpha", 0.0}}, a, b), a));
  EXPECT_TRUE(at::equal(combined({{"alpha", -1.0}}, a, b), b));
}

TEST(CadTest, the_plausibility_mask_keeps_hopeless_tokens_out) {
  const Tensor a = at::tensor({5.0f, 4.9f, -5.0f}), b = at::tensor({5.0f, 5.0f, -50.0f});
  EXPECT_EQ(combined({{"alpha", 2.0}}, a, b).argmax().item<int64_t>(), 2);
  EXPECT_EQ(combined({{"alpha", 2.0}, {"mask", 0.1}}, a, b).argmax().item<int64_t>(), 0);
}

TEST(CadTest, asks_for_the_prompt_without_its_passage) {
  const auto control = control_from("cad:alpha=0.5").make();
  const auto twins = control->twins({"passage question", "question"});
  ASSERT_EQ(twins.size(), 1u);
  EXPECT_EQ(twins[0].text, "question");
  EXPECT_THROW(control->twins({"question", ""}), UsageError);
  EXPECT_THROW(control_from("cad:alpha=-2"), UsageError);
  EXPECT_THROW(control_from("cadd"), UsageError);
}

}  // namespace
}  // namespace ken::generate::cad_test_file
