#include "ken/base/error.h"
#include "ken/readout/affine_maps.h"
#include "tests/steered_rows.h"

namespace ken::generate::lineas_test_file {
namespace {

using readout::AffineMaps;
using readout::MapKind;

AffineMaps maps(int64_t d = 32) {
  at::Tensor slope = at::ones({d}), offset = at::zeros({d});
  slope[0] = 3.0f, offset[1] = 4.0f;
  return {{{"blocks.1.hook_resid_post", slope, offset}}, true};
}

void save_maps(const AffineMaps& maps, const fs::path& path) {
  readout::Lever lever = readout::lever_of(maps, "lineas");
  lever.about["strength"] = 0.5;
  readout::save(lever, path);
}

TEST(LineasTest, maps_the_last_row_or_all_by_a_share) {
  const auto model = test::tiny_model();
  const test::OneFile file("ken-lineas-test.safetensors");
  save_maps(maps(), file.path);
  const at::Tensor x = at::zeros({2, 32}, at::kFloat);
  x[0][0] = 1.0f, x[1][0] = 2.0f;
  const auto map = [&](Json params) {
    params["file"] = file.path.string();
    const auto control = control_from("lineas", params).make();
    control->begin({*model, nn::Compute::f32});
    return test::tapped(control->taps().at(0), x);
  };
  at::Tensor half = x.clone(), whole = x.clone();
  half[1][0] = 4.0f, half[1][1] = 2.0f;  // (1 + 0.5 (3 - 1)) 2, and 0.5 * 4
  whole[0][0] = 3.0f, whole[1][0] = 6.0f, whole.select(1, 1).fill_(4.0f);
  EXPECT_TRUE(at::equal(map({}), half));  // the strength of the file
  EXPECT_TRUE(at::equal(map({{"strength", 1.0}, {"where", "all"}}), whole));
  EXPECT_TRUE(at::equal(map({{"strength", 0.0}}), x));
  EXPECT_FALSE(at::allclose(map({{"seed", 1}}), half));
}

std::vector<std::vector<int32_t>> prompts(int n, int seed) {
  std::vector<std::vector<int32_t>> result;
  for (int i = 0; i < n; ++i) result.push_back({5, 40 + (7 * i + seed) % 50, 90 + (3 * i * seed) % 40});
  return result;
}

// sqrt of the mean over coordinates of the variance's distance, and of the mean's.
std::pair<double, double> moments(const at::Tensor& a, const at::Tensor& b) {
  return {(a.mean(0) - b.mean(0)).abs().max().item<double>(),
          (a.var(0, false).sqrt() - b.var(0, false).sqrt()).abs().max().item<double>()};
}

TEST(LineasTest, closed_forms_match_what_they_say_and_the_joint_fit_comes_closer) {
  const auto model = test::tiny_model();
  const auto source = prompts(12, 3), target = prompts(10, 11);
  for (const bool last : {true, false}) {
    readout::MapOptions options{.points = {"blocks.0.hook_mlp_out", "blocks.1.hook_attn_out"}, .last = last};
    std::map<MapKind, double> after;
    for (const MapKind kind : {MapKind::mean, MapKind::gaussian, MapKind::linear, MapKind::joint}) {
      options.kind = kind, options.steps = 200;
      const auto fit = readout::fit_maps(*model, source, target, options);
      EXPECT_LT(fit.after, fit.before);
      EXPECT_EQ(fit.maps.last, last);
      after[kind] = fit.after;
    }
    EXPECT_LT(after[MapKind::linear], after[MapKind::mean]);
    EXPECT_LT(after[MapKind::joint], after[MapKind::mean]);
  }
}

TEST(LineasTest, a_mean_map_is_the_difference_of_means_and_a_gaussian_one_matches_both_moments) {
  const auto model = test::tiny_model();
  const auto source = prompts(12, 3), target = prompts(12, 11);
  const std::string point = "blocks.0.hook_resid_post";
  const auto last_states = [&](const auto& texts) {
    std::vector<at::Tensor> found;
    for (const auto& tokens : texts) {
      model::ActivationCache cache;
      const model::TapPlan plan(model->config, cache.taps({point}));
      model::forward(*model, model::pack({{tokens}}, model->config.vocab), {.taps = &plan});
      found.push_back(cache.at(point)[int64_t(tokens.size()) - 1]);
    }
    return at::stack(found);
  };
  const at::Tensor xs = last_states(source), xt = last_states(target);
  readout::MapOptions options{.kind = MapKind::mean, .points = {point}, .last = true};
  const auto mean = readout::fit_maps(*model, source, target, options).maps.maps[0];
  EXPECT_TRUE(at::allclose(mean.offset, xt.mean(0) - xs.mean(0), 1e-4, 1e-5));
  EXPECT_TRUE(at::equal(mean.slope, at::ones({32})));
  options.kind = MapKind::gaussian;
  const auto gaussian = readout::fit_maps(*model, source, target, options).maps.maps[0];
  const auto [means, deviations] = moments(xs * gaussian.slope + gaussian.offset, xt);
  EXPECT_LT(means, 1e-4);
  EXPECT_LT(deviations, 1e-4);
}

TEST(LineasTest, the_penalty_leaves_coordinates_alone) {
  const auto model = test::tiny_model();
  readout::MapOptions options{.points = {"blocks.0.hook_resid_post"}, .last = true, .steps = 60};
  options.gamma = 1e3;
  const auto fit = readout::fit_maps(*model, prompts(8, 3), prompts(8, 11), options);
  EXPECT_TRUE(at::equal(fit.maps.maps[0].slope, at::ones({32})));
  EXPECT_TRUE(at::equal(fit.maps.maps[0].offset, at::zeros({32})));
  EXPECT_EQ(fit.after, fit.before);
}

TEST(LineasTest, quantiles_are_read_between_sorted_values) {
  const at::Tensor sorted = at::tensor({0.0f, 2.0f, 4.0f, 6.0f}).unsqueeze(1);
  EXPECT_TRUE(at::allclose(readout::resampled(sorted, 2).squeeze(1), at::tensor({1.0f, 5.0f})));
  EXPECT_TRUE(at::equal(readout::resampled(sorted, 4), sorted));
  EXPECT_TRUE(at::allclose(readout::resampled(sorted, 8).squeeze(1),
                           at::tensor({0.0f, 0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.0f})));
}

TEST(LineasTest, rows_do_not_lean_on_each_other) {
  test::expect_rows_do_not_lean_on_each_other(*test::tiny_model(), control_from("lineas:strength=2,seed=4"));
  test::expect_rows_do_not_lean_on_each_other(*test::tiny_model(), control_from("lineas:strength=2,where=all"));
}

TEST(LineasTest, a_lever_of_another_model_or_without_its_parts_is_refused) {
  const auto model = test::tiny_model();
  const test::OneFile file("ken-lineas-test-2.safetensors");
  save_maps(maps(16), file.path);
  auto request = test::passage_requests(1)[0];
  request.controls = {control_from("lineas", {{"file", file.path.string()}})};
  EXPECT_THROW(evidence::greedy_answers(*model, {request}, nn::Compute::f32), UsageError);
  readout::Lever lever = readout::lever_of(maps(), "lineas");
  lever.about.erase("points");
  EXPECT_THROW(readout::affine_maps(lever), Error);
  lever = readout::lever_of(maps(), "lineas");
  lever.tensors.erase("0.offset");
  EXPECT_THROW(readout::affine_maps(lever), Error);
  EXPECT_THROW(readout::map_kind("jointly"), UsageError);
}

}  // namespace
}  // namespace ken::generate::lineas_test_file
