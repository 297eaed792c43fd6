// Support vector machines: stationary points, both solvers alike, groups kept apart, and softmax regression.
#include "ken/readout/svm.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/stats/classes.h"

namespace ken::readout::svm_test_file {
namespace {

struct Data {
  Tensor x;  // [n, d]
  std::vector<int> labels;
  std::vector<std::string> groups;
};

// Noise of another scale and mean in each feature; the first two move with the label.
Data make_data(int64_t n, int64_t d, double by, uint64_t seed = 1) {
  Data data{at::empty({n, d}, at::kFloat), {}, {}};
  Rng rng(seed);
  for (int64_t i = 0; i < n; ++i) {
    data.labels.push_back(rng.chance(0.3));
    data.groups.push_back("g" + std::to_string(i / 2));
    for (int64_t j = 0; j < d; ++j)
      data.x[i][j] =
          float(3 * double(j % 5) + (1 + double(j % 7)) * (rng.normal() + (j < 2 ? by * data.labels.back() : 0)));
  }
  return data;
}

// w = 2 C sum s y (1 - y f)+ z over standardised z, and the same without z is 0.
void expect_stationary(const Data& data, double strength, double tolerance) {
  const Svm machine = fit_svm(data.x, data.labels, {strength}).front();
  const Tensor x = data.x.to(at::kDouble), mean = x.mean(0), sd = (x - mean).square().mean(0).sqrt();
  const Tensor y = 2 * at::tensor(at::ArrayRef<int>(data.labels), at::kInt).to(at::kDouble) - 1;
  const double ones = (y > 0).sum().item<double>(), zeros = double(data.labels.size()) - ones;
  const Tensor s = at::where(y > 0, at::full_like(y, 0.5 / ones), at::full_like(y, 0.5 / zeros));
  const Tensor pull = 2 * strength * s * y * (1 - y * machine.score(x)).clamp_min(0);
  EXPECT_LT((at::mv(((x - mean) / sd).t(), pull) - machine.weight * sd).abs().max().item<double>(), tolerance);
  EXPECT_LT(pull.sum().abs().item<double>(), tolerance);
  EXPECT_GT(machine.weight.abs().max().item<double>(), 0);
}

TEST(SvmTest, the_solution_is_stationary_for_few_and_many_features) {
  expect_stationary(make_data(300, 12, 0.5), 1, 1e-6);
  expect_stationary(make_data(300, 12, 0.5), 1000, 1e-4);
  expect_stationary(make_data(40, 60, 0.5), 10, 1e-6);    // more features than items
  expect_stationary(make_data(40, 1100, 0.5), 10, 1e-5);  // conjugate gradients
}

TEST(SvmTest, the_strength_means_the_same_for_twice_the_items) {
  const Data data = make_data(200, 8, 1);
  Data twice = data;
  twice.x = at::cat({data.x, data.x});
  twice.labels.insert(twice.labels.end(), data.labels.begin(), data.labels.end());
  const Svm a = fit_svm(data.x, data.labels, {2.0}).front(), b = fit_svm(twice.x, twice.labels, {2.0}).front();
  EXPECT_LT((a.weight - b.weight).abs().max().item<double>(), 1e-6);
  EXPECT_NEAR(a.bias, b.bias, 1e-6);
}

TEST(SvmTest, a_path_ends_where_a_single_fit_does) {
  const Data data = make_data(200, 8, 0.5);
  const auto path = fit_svm(data.x, data.labels, {0.1, 1, 10});
  const Svm alone = fit_svm(data.x, data.labels, {10.0}).front();
  EXPECT_LT((path.back().weight - alone.weight).abs().max().item<double>(), 1e-6);
  const Svm warm = fit_svm(data.x, data.labels, {10.0}, true, {path[0]}).front();
  EXPECT_LT((warm.weight - alone.weight).abs().max().item<double>(), 1e-6);
  EXPECT_LT(path[0].weight.norm().item<double>(), path[2].weight.norm().item<double>());
}

TEST(SvmTest, planted_directions_are_found_noise_is_not_and_runs_repeat) {
  const Data planted = make_data(300, 20, 2), noise = make_data(600, 20, 0);
  const SvmFit fit = fit_svm(planted.x, planted.labels, planted.groups, {});
  EXPECT_GT(stats::auroc(fit.scores, planted.labels), 0.95);
  EXPECT_EQ(fit.scores, fit_svm(planted.x, planted.labels, planted.groups, {}).scores);
  EXPECT_NEAR(stats::auroc(fit_svm(noise.x, noise.labels, noise.groups, {}).scores, noise.labels), 0.5, 0.08);
}

// A feature for each pair of items tells a group's label to whoever has seen one of its two items.
TEST(SvmTest, groups_are_never_split) {
  Data data = make_data(200, 100, 0);
  data.x.zero_();
  for (int64_t i = 0; i < 200; ++i) {
    data.labels[size_t(i)] = int(i / 2 % 2);
    data.x[i][i / 2] = 1.0;
  }
  const SvmFit fit = fit_svm(data.x, data.labels, data.groups, {});
  const auto fold = stats::grouped_folds(data.groups, 5, 0);
  std::map<int, double> of_fold;  // no training item shows a held-out item's feature: a fold's scores are all the same
  for (size_t i = 0; i < 200; ++i)
    EXPECT_NEAR(fit.scores[i], of_fold.emplace(fold[i], fit.scores[i]).first->second, 1e-9) << i;
  for (size_t i = 0; i < 200; ++i) data.groups[i] = std::to_string(i);
  EXPECT_GT(stats::auroc(fit_svm(data.x, data.labels, data.groups, {}).scores, data.labels), 0.7);
}

TEST(SvmTest, what_cannot_be_fitted_is_named) {
  Data data = make_data(40, 4, 1);
  EXPECT_THROW(fit_svm(data.x, data.labels, {0.0}), UsageError);
  EXPECT_THROW(fit_svm(data.x, std::vector<int>(40, 1), {1.0}), Error);
  EXPECT_THROW(fit_svm(data.x, std::vector<int>(39, 1), {1.0}), Error);
  data.x[3][1] = NAN;
  EXPECT_THROW(fit_svm(data.x, data.labels, {1.0}), Error);
}

TEST(SvmTest, means_of_bags_leave_empty_places_out) {
  const Tensor values = at::arange(12, at::kFloat).view({2, 3, 2});
  const Tensor valid = at::tensor({1, 1, 1, 0, 1, 1}, at::kInt).to(at::kBool).view({2, 3});
  const Tensor means = bag_means(values, valid);
  EXPECT_EQ(means[0][0].item<float>(), 2);
  EXPECT_EQ(means[1][0].item<float>(), 9);
  EXPECT_EQ(means[1][1].item<float>(), 10);
}

// Probabilities of a known softmax are found again from labels drawn with them.
TEST(SvmTest, softmax_regression_finds_the_probabilities) {
  Rng rng(2);
  const int64_t n = 6000;
  Tensor x = at::empty({n, 2}, at::kDouble);
  const Tensor weight = at::tensor({1.0, 0.0, -0.5, 1.5, 0.0, -1.0}, at::kDouble).view({3, 2}),
               bias = at::tensor({0.5, 0.0, -0.5}, at::kDouble);
  for (int64_t i = 0; i < 2 * n; ++i) x.data_ptr<double>()[i] = rng.normal();
  const Tensor truth = at::softmax(at::mm(x, weight.t()) + bias, 1);
  std::vector<int> labels;
  for (int64_t i = 0; i < n; ++i) {
    const double u = rng.uniform(), *p = truth.data_ptr<double>() + 3 * i;
    labels.push_back(u < p[0] ? 0 : u < p[0] + p[1] ? 1 : 2);
  }
  const Tensor found = fit_softmax(x, labels, 3, false).probabilities(x);
  EXPECT_LT((found - truth).abs().mean().item<double>(), 0.02);
  // balanced: on average, each class has the same probability mass
  const Tensor balanced = fit_softmax(x, labels, 3, true).probabilities(x);
  EXPECT_GT((balanced - found).abs().max().item<double>(), 0.02);
  std::vector<int> apart = {0, 0, 1, 1, 2, 2};
  const Tensor line = at::tensor({0.0, 0.1, 5.0, 5.1, 9.0, 9.1}, at::kDouble).view({6, 1});
  EXPECT_TRUE(at::isfinite(fit_softmax(line, apart, 3).probabilities(line)).all().item<bool>());
  EXPECT_GT(fit_softmax(line, apart, 3).probabilities(line)[2][1].item<double>(), 0.99);
}

}  // namespace
}  // namespace ken::readout::svm_test_file
