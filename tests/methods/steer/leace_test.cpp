#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/readout/erasure.h"
#include "tests/steered_rows.h"

namespace ken::generate::leace_test_file {
namespace {

using readout::Erasure;
using readout::ErasureKind;

// Correlated noise of unequal size, shifted by class along (1, 1, 0, ...).
std::pair<at::Tensor, std::vector<int>> states(int64_t n, int64_t d, int classes) {
  Rng rng(9);
  at::Tensor x = at::empty({n, d}, at::kFloat);
  std::vector<int> of;
  for (int64_t i = 0; i < n; ++i) {
    of.push_back(int(i) % classes);
    double carried = 0;
    for (int64_t j = 0; j < d; ++j) {
      carried = 0.7 * carried + rng.normal() * (1 + double(j));
      x[i][j] = float(carried + (j < 2 ? 3.0 * of.back() * of.back() : 0) + double(j == 3 && of.back() == 1));
    }
  }
  return {x, of};
}

// The largest distance of a class's mean from the mean of all.
double apart(const at::Tensor& x, const std::vector<int>& classes, int count) {
  double most = 0;
  const at::Tensor of = at::tensor(at::ArrayRef<int>(classes));
  for (int c = 0; c < count; ++c) {
    const at::Tensor own = x.index_select(0, (of == c).nonzero().squeeze(1)).mean(0);
    most = std::max(most, (own - x.mean(0)).norm().item<double>());
  }
  return most;
}

TEST(LeaceTest, class_means_become_equal_with_the_least_change) {
  for (const int classes : {2, 3}) {
    const auto [x, of] = states(300, 6, classes);
    const Erasure leace = readout::fit_erasure(x, of),
                  plain = readout::fit_erasure(x, of, {.kind = ErasureKind::orthogonal});
    EXPECT_EQ(leace.right.size(0), classes - 1);
    EXPECT_GT(apart(x, of, classes), 1);
    // equal class means: no linear probe has a gradient
    EXPECT_LT(apart(leace.erased(x), of, classes), 1e-4);
    EXPECT_LT(apart(plain.erased(x), of, classes), 1e-4);
    // the mean of all stays, what is erased stays erased, and the plain projection moves states further
    EXPECT_TRUE(at::allclose(leace.erased(x).mean(0), x.mean(0), 1e-3, 1e-3));
    EXPECT_TRUE(at::allclose(leace.erased(leace.erased(x)), leace.erased(x), 1e-3, 1e-3));
    const auto moved = [&](const Erasure& e) { return (e.erased(x) - x).square().sum().item<double>(); };
    EXPECT_LT(moved(leace), moved(plain));
  }
}

TEST(LeaceTest, white_states_lose_the_difference_of_their_means) {
  // x = (+-1, +-1) in all four combinations, the class is the sign of the first: W is the identity.
  const at::Tensor x = at::tensor({1.0f, 1.0f, 1.0f, -1.0f, -1.0f, 1.0f, -1.0f, -1.0f}).view({4, 2});
  const Erasure e = readout::fit_erasure(x, {1, 1, 0, 0});
  const at::Tensor expected = at::tensor({0.0f, 1.0f, 0.0f, -1.0f, 0.0f, 1.0f, 0.0f, -1.0f}).view({4, 2});
  EXPECT_TRUE(at::allclose(e.erased(x), expected, 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(e.erased(x, 0.5), (x + expected) / 2, 1e-5, 1e-6));
  // a direction without variance is left alone, and so are states as they are at strength 0
  const at::Tensor flat = at::cat({x, at::full({4, 1}, 5.0)}, 1);
  const Erasure kept = readout::fit_erasure(flat, {1, 1, 0, 0});
  EXPECT_TRUE(at::allclose(kept.erased(flat).select(1, 2), flat.select(1, 2)));
  EXPECT_TRUE(at::equal(e.erased(x, 0), x));
}

TEST(LeaceTest, a_sample_covariance_is_shrunk_towards_an_even_one) {
  // S = diag(1, 0) of 8 rows (+-1, 0): 1 - alpha = 1 / (8 (1 - 1/2)) = 1/4, so diag(7/8, 1/8)
  readout::Moments moments;
  for (int half = 0; half < 2; ++half)
    moments.add(at::tensor({1.0f, 0.0f, -1.0f, 0.0f, 1.0f, 0.0f, -1.0f, 0.0f}).view({4, 2}));
  EXPECT_TRUE(at::allclose(moments.covariance(), at::diag(at::tensor({0.875, 0.125}, at::kDouble))));
  EXPECT_TRUE(at::allclose(moments.mean(), at::zeros({2}, at::kDouble)));
}

TEST(LeaceTest, other_rows_that_are_erased_move_little_and_the_classes_still_meet) {
  const auto [x, of] = states(300, 6, 3);
  Rng rng(4);
  at::Tensor others = at::empty({3000, 6}, at::kFloat);  // wide where the classes are told apart
  for (int64_t i = 0; i < others.size(0); ++i)
    for (int64_t j = 0; j < 6; ++j) others[i][j] = float(rng.normal() * (j == 0 ? 40 : 1));
  readout::Moments erased;
  erased.add(x), erased.add(others);
  const Erasure heeding = readout::fit_erasure(x, of, {}, erased), heedless = readout::fit_erasure(x, of);
  EXPECT_LT(apart(heeding.erased(x), of, 3), 1e-3);
  const auto moved = [&](const Erasure& e) { return (e.erased(others) - others).square().mean().item<double>(); };
  EXPECT_LT(moved(heeding), 0.7 * moved(heedless));
  // what is below the tolerance stays
  EXPECT_EQ(readout::fit_erasure(x, of, {.tolerance = 10}).right.size(0), 0);
}

TEST(LeaceTest, the_control_erases_as_its_file_says) {
  const auto model = test::tiny_model();
  const auto [x, of] = states(200, 32, 2);
  Erasure erasure = readout::fit_erasure(x, of);
  erasure.point = "blocks.0.hook_resid_post";
  const test::OneFile file("ken-leace-test.safetensors");
  readout::save(readout::lever_of({erasure}, true, "leace"), file.path);
  const auto erased = [&](Json params) {
    params["file"] = file.path.string();
    const auto control = control_from("leace", params).make();
    control->begin({*model, nn::Compute::f32});
    return test::tapped(control->taps().at(0), x);
  };
  const at::Tensor all = erasure.erased(x);
  at::Tensor but_first = all.clone();  // attention rests on the first row
  but_first[0] = x[0];
  EXPECT_TRUE(at::allclose(erased({{"where", "all"}}), but_first, 1e-4, 1e-4));
  at::Tensor last = x.clone();
  last[199] = all[199];
  EXPECT_TRUE(at::allclose(erased({}), last, 1e-4, 1e-4));
  EXPECT_TRUE(at::equal(erased({{"strength", 0.0}}), x));
  const at::Tensor random = erased({{"seed", 2}, {"where", "all"}});
  EXPECT_EQ(at::linalg_matrix_rank((random - x).to(at::kDouble), 1e-3).item<int64_t>(), 1);
  EXPECT_FALSE(at::allclose(random, all, 1e-2, 1e-2));
}

TEST(LeaceTest, states_are_read_after_the_taps_before_them) {
  const auto model = test::tiny_model();
  const std::vector<std::vector<int32_t>> prompts = {{5, 40, 90}, {5, 41}};
  const model::Tap zero{"blocks.0.hook_resid_post",
                        [](const at::Tensor& x, const model::Site&) { return std::optional(at::zeros_like(x)); }};
  const auto read = [&](std::vector<model::Tap> taps) {
    return readout::last_states(*model, prompts, "blocks.0.hook_resid_post", taps, nn::Compute::f32);
  };
  EXPECT_GT(read({}).norm().item<double>(), 0);
  EXPECT_EQ(read({zero}).norm().item<double>(), 0);
}

TEST(LeaceTest, rows_do_not_lean_on_each_other) {
  test::expect_rows_do_not_lean_on_each_other(*test::tiny_model(), control_from("leace:seed=4,where=all"));
  test::expect_rows_do_not_lean_on_each_other(*test::tiny_model(), control_from("leace:where=last"));
}

TEST(LeaceTest, what_cannot_be_erased_is_refused) {
  EXPECT_THROW(readout::fit_erasure(at::rand({4, 2}), {0, 0, 0, 0}), Error);
  EXPECT_THROW(readout::fit_erasure(at::rand({4, 2}), {0, 1}), Error);
  const auto [x, of] = states(50, 4, 2);
  Erasure erasure = readout::fit_erasure(x, of);
  erasure.point = "blocks.0.hook_resid_post";
  readout::Lever lever = readout::lever_of({erasure}, true, "leace");
  EXPECT_NO_THROW(readout::erasures(lever));
  lever.tensors["0.left"] = at::zeros({3, 1});
  EXPECT_THROW(readout::erasures(lever), Error);
  lever.about.erase("last");
  EXPECT_THROW(readout::erasures(lever), Error);
  auto request = test::passage_requests(1)[0];
  const test::OneFile file("ken-leace-test-2.safetensors");
  readout::save(readout::lever_of({erasure}, true, "leace"), file.path);  // 4 wide; the model is 32
  request.controls = {control_from("leace", {{"file", file.path.string()}})};
  EXPECT_THROW(evidence::greedy_answers(*test::tiny_model(), {request}, nn::Compute::f32), UsageError);
}

}  // namespace
}  // namespace ken::generate::leace_test_file
