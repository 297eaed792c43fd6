// Linear probes: planted directions are found, noise is not, groups are never split, and results do not depend on what
// else is solved.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/io/tensors.h"
#include "ken/readout/probe.h"
#include "tests/fixtures.h"

namespace ken::readout::probe_test_file {
namespace {

// [P, n, d] noise; the first `shift` features of class 1 are moved by `by`.
struct Data {
  Tensor x;
  std::vector<int> labels;
  std::vector<std::string> groups;
};

Data make_data(int64_t problems, int64_t n, int64_t d, double by, int per_group = 2, uint64_t seed = 1) {
  Data data{at::empty({problems, n, d}, at::kFloat), {}, {}};
  Rng rng(seed);
  for (int64_t i = 0; i < n; ++i) {
    data.labels.push_back(int(rng.below(2)));
    data.groups.push_back("g" + std::to_string(i / per_group));
  }
  float* value = data.x.data_ptr<float>();
  for (int64_t p = 0; p < problems; ++p)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < d; ++j)
        *value++ = float(3 * double(j) + (1 + double(j)) * (rng.normal() + (j < 3 ? by * data.labels[size_t(i)] : 0)));
  return data;
}

double area(const Tensor& scores, const std::vector<int>& labels) {
  const Tensor wide = scores.to(at::kDouble).contiguous();
  return stats::auroc({wide.data_ptr<double>(), size_t(wide.numel())}, labels);
}

Fit fit(const Data& data, FitOptions options = {}) { return fit_logistic(data.x, data.labels, data.groups, options); }

TEST(ProbeTest, a_planted_direction_is_found_and_noise_is_not) {
  EXPECT_GT(area(fit(make_data(1, 300, 24, 2)).scores[0], make_data(1, 300, 24, 2).labels), 0.97);
  const Data noise = make_data(8, 300, 24, 0);
  const Tensor scores = fit(noise).scores;
  double mean = 0;
  for (int64_t p = 0; p < 8; ++p) mean += area(scores[p], noise.labels) / 8;
  EXPECT_NEAR(mean, 0.5, 0.04);
}

TEST(ProbeTest, separable_data_converges_and_scores_stay_finite) {
  const Data data = make_data(2, 120, 6, 40);
  const Fit result = fit(data, {.strengths = {1e4}});
  EXPECT_TRUE(at::isfinite(result.scores).all().item<bool>());
  EXPECT_GT(area(result.scores[0], data.labels), 0.999);
}

TEST(ProbeTest, a_constant_feature_scores_every_item_the_same) {
  Data data = make_data(1, 200, 5, 0);
  data.x.fill_(0.1234567f);
  const Fit result = fit(data);
  EXPECT_EQ(area(result.scores[0], data.labels), 0.5);
  EXPECT_EQ(result.probes[0].weight.abs().sum().item<float>(), 0);
}

// The stationary point of scikit-learn's objective, on standardised features: C sum (p - y) z + w = 0.
void expect_stationary(const Data& data, double strength) {
  const Fit result = fit(data, {.strengths = {strength}});
  const Tensor x = data.x[0].to(at::kDouble), sd = x.std(at::IntArrayRef{0}, false);
  const Tensor z = (x - x.mean(at::IntArrayRef{0})) / sd;
  const Tensor logits = at::mv(x, result.probes[0].weight.to(at::kDouble)) + result.probes[0].bias;
  const Tensor y = at::tensor(at::ArrayRef<int>(data.labels), at::kInt).to(at::kDouble);
  const Tensor error = at::sigmoid(logits) - y;
  const Tensor w = result.probes[0].weight.to(at::kDouble) * sd;
  EXPECT_LT((strength * at::mv(z.t(), error) + w).abs().max().item<double>(), 1e-3);
  EXPECT_LT(error.sum().abs().item<double>(), 1e-3);
}

TEST(ProbeTest, the_solution_is_stationary_with_few_and_with_many_features) {
  expect_stationary(make_data(1, 200, 12, 0.5), 0.3);
  expect_stationary(make_data(1, 60, 150, 0.5), 0.3);  // more features than items
}

// The lines that score a fold are those of a fit on the other items alone, with those items' own standardisation.
void expect_held_out(const Data& data, double strength) {
  const FitOptions options{.strengths = {strength}};
  const Fit whole = fit(data, options);
  const Tensor x = data.x[0].to(at::kDouble), w = whole.probes[0].weight.to(at::kDouble);
  const double bias = whole.probes[0].bias + at::mv(x, w).mean().item<double>();
  const auto fold = stats::grouped_folds(data.groups, options.folds, options.seed);
  for (int k = 0; k < options.folds; ++k) {
    std::vector<int64_t> inside, outside;
    for (size_t i = 0; i < fold.size(); ++i) (fold[i] == k ? outside : inside).push_back(int64_t(i));
    Data part{data.x.index_select(1, at::tensor(inside)), {}, {}};
    for (const int64_t i : inside)
      part.labels.push_back(data.labels[size_t(i)]), part.groups.push_back(data.groups[size_t(i)]);
    const Tensor line = fit(part, options).probes[0].weight.to(at::kDouble);
    const Tensor mean = part.x[0].to(at::kDouble).mean(0);
    for (const int64_t i : outside)
      EXPECT_NEAR(whole.scores[0][i].item<double>(), (x[i] - mean).dot(line).item<double>() + bias, 1e-3) << k;
  }
}

TEST(ProbeTest, held_out_items_are_scored_by_fits_on_the_others) {
  for (const double strength : {0.01, 0.3, 10.0}) {
    expect_held_out(make_data(1, 200, 12, 0.5), strength);
    expect_held_out(make_data(1, 60, 150, 0.5), strength);
  }
}

// Every group has its own feature: whoever saw a part of a group knows the rest of it, and whoever did not sees the
// same in all held-out items but for the noise in that feature, which training items did not show.
TEST(ProbeTest, groups_are_never_split) {
  Data data = make_data(1, 400, 40, 0, 10);
  Rng rng(3);
  data.x.fill_(0);
  for (int64_t i = 0; i < 400; ++i) {
    data.labels[size_t(i)] = int(i / 10 % 2);
    data.x[0][i][i / 10] = 1 + 0.1 * rng.normal();
  }
  const FitOptions options{.strengths = {1}};
  const Tensor scores = fit(data, options).scores[0];
  const auto fold = stats::grouped_folds(data.groups, options.folds, options.seed);
  std::map<int, float> score_of_fold;
  for (size_t i = 0; i < 400; ++i) {
    const float score = scores[int64_t(i)].item<float>();
    EXPECT_EQ(score, score_of_fold.emplace(fold[i], score).first->second) << i;
  }
  for (size_t i = 0; i < 400; ++i) data.groups[i] = "item" + std::to_string(i);
  EXPECT_GT(area(fit(data, options).scores[0], data.labels), 0.95);
}

TEST(ProbeTest, a_problem_does_not_depend_on_the_others_and_runs_repeat) {
  const Data data = make_data(5, 150, 10, 0.7);
  const Fit together = fit(data), again = fit(data);
  EXPECT_TRUE(together.scores.equal(again.scores));
  for (int64_t p = 0; p < 5; ++p) {
    Data one = data;
    one.x = data.x.narrow(0, p, 1);
    const Fit alone = fit(one);
    EXPECT_TRUE(at::allclose(alone.scores[0], together.scores[p], 1e-6, 1e-6));
    EXPECT_EQ(alone.strength[0], together.strength[size_t(p)]);
  }
}

TEST(ProbeTest, noise_takes_the_strongest_penalty) {
  for (const double strength : fit(make_data(4, 200, 40, 0)).strength) EXPECT_EQ(strength, 0.01);
}

TEST(ProbeTest, a_probe_scores_what_it_was_fitted_on) {
  const Data data = make_data(1, 200, 8, 2);
  const Fit result = fit(data);
  EXPECT_GT(area(result.probes[0].score(data.x[0]), data.labels), 0.9);
  EXPECT_THROW(result.probes[0].score(data.x[0].narrow(1, 0, 7)), Error);
}

TEST(ProbeTest, saving_and_loading_is_exact) {
  const Data data = make_data(2, 100, 7, 1);
  std::vector<Probe> probes = fit(data).probes;
  probes[0].name = "correct";
  probes[0].point = "blocks.2.hook_resid_post";
  probes[1].target = "conflict";
  probes[1].model_sha256 = std::string(64, 'a');
  const auto path = test::scratch("probe") / "probes.safetensors";
  save(probes, path);
  const auto loaded = load_probes(path);
  ASSERT_EQ(loaded.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(loaded[i].weight.equal(probes[i].weight));
    EXPECT_EQ(loaded[i].bias, probes[i].bias);
    EXPECT_EQ(loaded[i].name, probes[i].name);
    EXPECT_EQ(loaded[i].point, probes[i].point);
    EXPECT_EQ(loaded[i].target, probes[i].target);
    EXPECT_EQ(loaded[i].model_sha256, probes[i].model_sha256);
  }
}

TEST(ProbeTest, files_that_are_not_probes_are_refused) {
  const auto folder = test::scratch("probe-bad");
  write_text(folder / "junk", "not a tensor file");
  EXPECT_THROW(load_probes(folder / "junk"), Error);
  io::write_safetensors(folder / "other", {{"format", "pt"}}, {});
  EXPECT_THROW(load_probes(folder / "other"), Error);
  io::write_safetensors(folder / "missing",
                        {{"format", "ken.probes/1"},
                         {"probes", R"([{"name":"","point":"","place":"","target":"","model_sha256":"","bias":0}])"}},
                        {});
  EXPECT_THROW(load_probes(folder / "missing"), Error);
  io::write_safetensors(folder / "json", {{"format", "ken.probes/1"}, {"probes", "[{"}}, {});
  EXPECT_THROW(load_probes(folder / "json"), Error);
}

TEST(ProbeTest, data_that_no_probe_can_be_fitted_on_is_named) {
  Data data = make_data(1, 40, 4, 1);
  Data one_class = data;
  one_class.labels.assign(40, 1);
  EXPECT_THROW(fit(one_class), Error);
  Data one_group = data;
  one_group.groups.assign(40, "same");
  EXPECT_THROW(fit(one_group), Error);
  Data broken = data;
  broken.x[0][3][1] = NAN;
  EXPECT_THROW(fit(broken), Error);
  EXPECT_THROW(fit(data, {.strengths = {0}}), UsageError);
}

}  // namespace
}  // namespace ken::readout::probe_test_file
