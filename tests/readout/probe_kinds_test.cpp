// Mean difference and nets: planted signals are found, noise is not, groups are never split, and problems that are
// solved together do not depend on one another.
#include "ken/readout/probe_kinds.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/readout/judge.h"
#include "tests/fixtures.h"

namespace ken::readout::probe_kinds_test_file {
namespace {

struct Data {
  Tensor x;  // [P, n, d] noise
  std::vector<int> labels;
  std::vector<std::string> groups;
};

// The first three features of class 1 are moved by `by`.
Data make_data(int64_t problems, int64_t n, int64_t d, double by, uint64_t seed = 1) {
  Data data{at::empty({problems, n, d}, at::kFloat), {}, {}};
  Rng rng(seed);
  for (int64_t i = 0; i < n; ++i) {
    data.labels.push_back(int(rng.below(2)));
    data.groups.push_back("g" + std::to_string(i / 2));
  }
  float* value = data.x.data_ptr<float>();
  for (int64_t p = 0; p < problems; ++p)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < d; ++j) *value++ = float(2 + rng.normal() + (j < 3 ? by * data.labels[size_t(i)] : 0));
  return data;
}

double area(const Tensor& scores, const std::vector<int>& labels) { return stats::auroc(doubles(scores), labels); }

NetOptions small_net() { return {.hidden = {16}, .dropout = 0, .learning_rate = 0.01, .batch = 16, .epochs = 60}; }

TEST(ProbeKindsTest, the_difference_of_means_finds_a_planted_direction_and_no_noise) {
  const Data data = make_data(1, 300, 24, 2);
  const Fit fit = fit_mean_difference(data.x, data.labels, data.groups, {});
  EXPECT_GT(area(fit.scores[0], data.labels), 0.97);
  EXPECT_EQ(fit.probes[0].kind, "mean-difference");
  // The middle between the means scores 0.
  Tensor one = at::zeros({24}), zero = at::zeros({24});
  double ones = 0;
  for (int64_t i = 0; i < 300; ++i) {
    (data.labels[size_t(i)] ? one : zero) += data.x[0][i];
    ones += data.labels[size_t(i)];
  }
  const Tensor middle = (one / ones + zero / (300 - ones)) / 2;
  EXPECT_NEAR(fit.probes[0].score(middle.unsqueeze(0))[0].item<double>(), 0, 1e-4);
  const Data noise = make_data(8, 300, 24, 0);
  const Fit of_noise = fit_mean_difference(noise.x, noise.labels, noise.groups, {});
  double mean = 0;
  for (int64_t p = 0; p < 8; ++p) mean += area(of_noise.scores[p], noise.labels) / 8;
  EXPECT_NEAR(mean, 0.5, 0.06);
}

// Exclusive or: no line separates it.
TEST(ProbeKindsTest, a_net_learns_what_no_line_can) {
  Data data = make_data(1, 600, 6, 0);
  for (int64_t i = 0; i < 600; ++i)
    data.labels[size_t(i)] = (data.x[0][i][0].item<float>() > 2) != (data.x[0][i][1].item<float>() > 2);
  const Fit net = fit_nets(data.x, {data.labels, data.groups}, small_net());
  EXPECT_GT(area(net.scores[0], data.labels), 0.9);
  NetOptions line = small_net();
  line.hidden = {};
  EXPECT_LT(area(fit_nets(data.x, {data.labels, data.groups}, line).scores[0], data.labels), 0.6);
}

TEST(ProbeKindsTest, l1_silences_features_that_tell_nothing) {
  const Data data = make_data(1, 400, 20, 2);
  NetOptions options{.hidden = {}, .dropout = 0, .learning_rate = 0.01, .weight_decay = 0, .l1 = 0.02, .epochs = 60};
  options.patience = 0;
  const Tensor weight = fit_nets(data.x, {data.labels, data.groups}, options).probes[0].weight.abs();
  EXPECT_GT(weight.narrow(0, 0, 3).min().item<float>(), 0.3);
  EXPECT_LT(weight.narrow(0, 3, 17).max().item<float>(), 0.1);
}

TEST(ProbeKindsTest, noise_is_not_found_and_early_stopping_keeps_scores_modest) {
  const Data noise = make_data(6, 300, 30, 0);
  const Fit fit = fit_nets(noise.x, {noise.labels, noise.groups}, small_net());
  double mean = 0;
  for (int64_t p = 0; p < 6; ++p) mean += area(fit.scores[p], noise.labels) / 6;
  EXPECT_NEAR(mean, 0.5, 0.06);
  EXPECT_LT(fit.scores.abs().mean().item<float>(), 1);
}

// Every group has a feature of its own: whoever saw a part of a group knows the rest of it.
TEST(ProbeKindsTest, groups_are_never_split) {
  Data data = make_data(1, 400, 40, 0);
  data.x.fill_(0);
  for (int64_t i = 0; i < 400; ++i) {
    data.labels[size_t(i)] = int(i / 10 % 2);
    data.groups[size_t(i)] = "g" + std::to_string(i / 10);
    data.x[0][i][i / 10] = 1;
  }
  NetOptions options = small_net();
  options.patience = 0;
  EXPECT_LT(area(fit_nets(data.x, {data.labels, data.groups}, options).scores[0], data.labels), 0.7);
  for (size_t i = 0; i < 400; ++i) data.groups[i] = "item" + std::to_string(i);
  EXPECT_GT(area(fit_nets(data.x, {data.labels, data.groups}, options).scores[0], data.labels), 0.95);
}

TEST(ProbeKindsTest, a_problem_does_not_depend_on_the_others_and_runs_repeat) {
  const Data data = make_data(3, 150, 10, 0.7);
  NetOptions options = small_net();
  options.dropout = 0.2;
  const Fit together = fit_nets(data.x, {data.labels, data.groups}, options),
            again = fit_nets(data.x, {data.labels, data.groups}, options);
  EXPECT_TRUE(together.scores.equal(again.scores));
  for (int64_t p = 0; p < 3; ++p) {
    const Fit alone = fit_nets(data.x.narrow(0, p, 1), {data.labels, data.groups}, options);
    EXPECT_TRUE(at::allclose(alone.scores[0], together.scores[p], 1e-3, 1e-3)) << p;
  }
}

TEST(ProbeKindsTest, items_that_do_not_train_are_judged_and_change_nothing) {
  Data data = make_data(1, 200, 8, 2);
  std::vector<char> trains(200, 1);
  for (size_t i = 150; i < 200; ++i) trains[i] = 0;
  const Fit before = fit_nets(data.x, {data.labels, data.groups, {}, trains}, small_net());
  for (size_t i = 150; i < 200; ++i) data.labels[i] = 1 - data.labels[i];
  const Fit after = fit_nets(data.x, {data.labels, data.groups, {}, trains}, small_net());
  EXPECT_TRUE(before.scores.equal(after.scores));
  EXPECT_GT(before.scores[0].narrow(0, 150, 50).abs().sum().item<float>(), 0);
}

// One class in ten: without cells a net that says 0 everywhere is hard to beat on accuracy.
TEST(ProbeKindsTest, cells_balance_the_classes) {
  Data data = make_data(1, 600, 8, 0);
  std::vector<std::string> cells;
  for (size_t i = 0; i < 600; ++i) {
    data.labels[i] = i % 10 == 0;
    if (data.labels[i]) data.x[0][int64_t(i)][0] += 1;
    cells.push_back(data.labels[i] ? "1" : "0");
  }
  const auto plain = doubles(fit_nets(data.x, {data.labels, data.groups}, small_net()).scores[0]);
  const auto balanced = doubles(fit_nets(data.x, {data.labels, data.groups, cells}, small_net()).scores[0]);
  EXPECT_GT(balanced_accuracy(balanced, data.labels, cells), balanced_accuracy(plain, data.labels, cells) + 0.05);
}

TEST(ProbeKindsTest, a_saved_net_scores_raw_features_as_the_fitted_one) {
  const Data data = make_data(2, 200, 8, 2);
  NetOptions options = small_net();
  options.folds = 0;
  auto probes = fit_nets(data.x, {data.labels, data.groups}, options).probes;
  EXPECT_GT(area(probes[1].score(data.x[1]), data.labels), 0.9);
  probes[0].name = "net";
  const auto path = test::scratch("probe-net") / "probes.safetensors";
  save(probes, path);
  const auto loaded = load_probes(path);
  ASSERT_EQ(loaded.size(), 2u);
  EXPECT_EQ(loaded[0].kind, "net");
  EXPECT_EQ(loaded[0].width(), 8);
  EXPECT_TRUE(loaded[1].score(data.x[1]).equal(probes[1].score(data.x[1])));
  EXPECT_THROW(loaded[1].score(data.x[1].narrow(1, 0, 7)), Error);
}

// Set 0 and set 1 hold opposite signals: each probe reads its own set and is wrong on the other.
TEST(ProbeKindsTest, a_cross_matrix_tells_what_carries_over) {
  Data data = make_data(1, 400, 6, 0);
  std::vector<int> set;
  for (size_t i = 0; i < 400; ++i) {
    set.push_back(int(i / 2 % 2));
    const bool high = set[i] ? !data.labels[i] : data.labels[i];
    data.x[0][int64_t(i)][0] += high ? 2 : -2;
  }
  const Tensor scores = cross_scores(data.x[0], data.labels, data.groups, set, 2, {.strengths = {0.1}});
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 2; ++b) {
      std::vector<double> some;
      std::vector<int> labels;
      for (size_t i = 0; i < 400; ++i)
        if (set[i] == b) some.push_back(scores[a][int64_t(i)].item<double>()), labels.push_back(data.labels[i]);
      const double found = stats::auroc(some, labels);
      EXPECT_TRUE(a == b ? found > 0.95 : found < 0.05) << a << b << ": " << found;
    }
  const Tensor few = cross_scores(data.x[0], data.labels, data.groups, set, 3, {.strengths = {0.1}});
  EXPECT_TRUE(few[2].isnan().all().item<bool>());  // the third set has no items
}

TEST(ProbeKindsTest, data_that_no_probe_can_be_fitted_on_is_named) {
  Data data = make_data(1, 40, 4, 1);
  std::vector<int> one_class(40, 1);
  EXPECT_THROW(fit_mean_difference(data.x, one_class, data.groups, {}), Error);
  EXPECT_THROW(fit_nets(data.x, {one_class, data.groups}, small_net()), Error);
  NetOptions bad = small_net();
  bad.learning_rate = 0;
  EXPECT_THROW(fit_nets(data.x, {data.labels, data.groups}, bad), UsageError);
  const std::vector<std::string> one_group(40, "same");
  EXPECT_THROW(fit_nets(data.x, {data.labels, one_group}, small_net()), Error);
  data.x[0][3][1] = NAN;
  EXPECT_THROW(fit_nets(data.x, {data.labels, data.groups}, small_net()), Error);
}

}  // namespace
}  // namespace ken::readout::probe_kinds_test_file
