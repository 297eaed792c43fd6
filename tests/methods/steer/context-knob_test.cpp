#include "ken/base/error.h"
#include "ken/readout/lever.h"
#include "tests/steered_rows.h"

namespace ken::generate::context_knob_test_file {
namespace {

// u = (3, 4, 0, ...) / 5, middle 1, half 2; 3 half distances towards memory, 2 towards the passage.
readout::Lever lever(int64_t d = 32) {
  readout::Lever made{.method = "context-knob"};
  made.about = {{"layer", 1}, {"middle", 1.0}, {"half", 2.0}, {"times_memory", 3.0}, {"times_context", 2.0}};
  at::Tensor u = at::zeros({d}, at::kFloat);
  u[0] = 0.6f, u[1] = 0.8f;
  made.tensors = {{"direction", u}};
  return made;
}

std::unique_ptr<Control> begun(const model::Model& model, Json params) {
  auto control = control_from("context-knob", params).make();
  control->begin({model, nn::Compute::f32});
  return control;
}

TEST(ContextKnobTest, sets_the_coordinate_of_the_last_row_alone) {
  const auto model = test::tiny_model();
  const test::OneFile file("ken-context-knob-test.safetensors");
  readout::save(lever(), file.path);
  const at::Tensor x = at::zeros({2, 32}, at::kFloat);
  x[1][0] = 5.0f, x[1][2] = 7.0f;  // u^T h = 3
  const auto set = [&](Json params) {
    params["file"] = file.path.string();
    const auto control = begun(*model, params);
    const auto taps = control->taps();
    EXPECT_EQ(taps.at(0).point, "blocks.1.hook_resid_post");
    return test::tapped(taps[0], x);
  };
  // to memory: v = 1 + 3 * 2 = 7, so 4 u are added; to the passage: v = 1 - 2 * 2 = -3, so -6 u
  at::Tensor memory = x.clone(), context = x.clone(), half = x.clone();
  memory[1][0] = 5 + 4 * 0.6f, memory[1][1] = 4 * 0.8f;
  context[1][0] = 5 - 6 * 0.6f, context[1][1] = -6 * 0.8f;
  half[1][0] = 5 + 0.5f * 0.6f, half[1][1] = 0.5f * 0.8f;  // v = 1 + 1.5 * 2 = 4, half the way
  EXPECT_TRUE(at::allclose(set({{"to", "memory"}}), memory));
  EXPECT_TRUE(at::allclose(set({{"to", "context"}}), context));
  EXPECT_TRUE(at::allclose(set({{"to", "memory"}, {"times", 1.5}, {"strength", 0.5}}), half));
  // setting twice is setting once
  EXPECT_TRUE(at::equal(set({{"strength", 0.0}}), x));
  // the random control goes as far, elsewhere
  const at::Tensor random = set({{"to", "memory"}, {"seed", 3}}) - x;
  EXPECT_NEAR(random.norm().item<double>(), 4, 1e-4);
  EXPECT_LT(std::abs((random[1] / 4).dot(lever().tensors.at("direction")).item<double>()), 0.6);
}

TEST(ContextKnobTest, rows_do_not_lean_on_each_other) {
  const auto model = test::tiny_model();
  test::expect_rows_do_not_lean_on_each_other(*model, control_from("context-knob:to=memory,times=20"));
}

TEST(ContextKnobTest, a_lever_of_another_model_or_method_is_refused) {
  const auto model = test::tiny_model();
  const test::OneFile file("ken-context-knob-test-2.safetensors");
  readout::save(lever(16), file.path);
  EXPECT_THROW(begun(*model, {{"file", file.path.string()}}), UsageError);
  auto other = lever();
  other.about["layer"] = 2;
  readout::save(other, file.path);
  EXPECT_THROW(begun(*model, {{"file", file.path.string()}}), UsageError);
  other = lever();
  other.tensors["direction"] = other.tensors["direction"] * 2;
  readout::save(other, file.path);
  EXPECT_THROW(begun(*model, {{"file", file.path.string()}}), Error);
  other = lever();
  other.method = "cad";
  readout::save(other, file.path);
  EXPECT_THROW(begun(*model, {{"file", file.path.string()}}), Error);
  EXPECT_THROW(control_from("context-knob:to=both"), UsageError);
}

}  // namespace
}  // namespace ken::generate::context_knob_test_file
