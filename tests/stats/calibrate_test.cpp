#include "ken/stats/calibrate.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/base/rng.h"
#include "ken/stats/stats.h"

namespace ken::stats::calibrate_test_file {
namespace {

// By numpy, scipy and scikit-learn: tests/methods/confidence/reference.py.
const Json& reference() {
  static const Json json = [] {
    const char* source = std::getenv("KEN_SOURCE");
    return read_json(fs::path(source ? source : ".") / "tests/methods/confidence/reference.json", size_t{1} << 24,
                     "test")
        .at("calibration");
  }();
  return json;
}
std::vector<double> numbers(const char* name) { return reference().at(name).get<std::vector<double>>(); }
std::vector<int> labels() { return reference().at("right").get<std::vector<int>>(); }
double number(const char* name) { return reference().at(name).get<double>(); }

TEST(CalibrateTest, platt_and_isotonic_agree_with_the_reference) {
  for (const char* kind : {"platt", "isotonic"}) {
    const auto calibrator = Calibrator::fit(kind, numbers("scores"), labels());
    const auto expected = numbers(kind), at = numbers("at");
    for (size_t i = 0; i < at.size(); ++i) EXPECT_NEAR(calibrator(at[i]), expected[i], 1e-6) << kind << " at " << at[i];
  }
}

TEST(CalibrateTest, the_temperature_agrees_with_the_reference) {
  const auto calibrator = Calibrator::fit("temperature", numbers("probabilities"), labels());
  EXPECT_NEAR(calibrator.to_json().at("temperature").get<double>(), number("temperature"), 1e-5);
}

TEST(CalibrateTest, figures_agree_with_the_reference) {
  const auto p = numbers("probabilities");
  EXPECT_NEAR(ece_equal_mass(p, labels()), number("ece_equal_mass"), 1e-9);
  EXPECT_NEAR(brier(p, labels()), number("brier"), 1e-9);
  EXPECT_NEAR(nll(p, labels()), number("nll"), 1e-9);
  const BrierParts parts = brier_parts(p, labels());
  EXPECT_NEAR(parts.reliability, number("reliability"), 1e-9);
  EXPECT_NEAR(parts.resolution, number("resolution"), 1e-9);
  EXPECT_NEAR(parts.uncertainty, number("uncertainty"), 1e-9);
  EXPECT_NEAR(certified_threshold(p, labels(), 0.25, 0.1, 1), number("promised_risk_0.25_delta_0.1_one_start"), 1e-12);
}

TEST(CalibrateTest, a_histogram_gives_the_share_of_the_scores_bin) {
  std::vector<double> scores;
  std::vector<int> right;
  for (int i = 0; i < 100; ++i) scores.push_back(i), right.push_back(i % 10 < i / 10);
  const auto calibrator = Calibrator::fit("histogram", scores, right);
  EXPECT_NEAR(calibrator(5), 0.0, 1e-12);
  EXPECT_NEAR(calibrator(55), 0.5, 1e-12);
  EXPECT_NEAR(calibrator(1e9), 0.9, 1e-12);
  EXPECT_NEAR(calibrator(-1e9), 0.0, 1e-12);
}

TEST(CalibrateTest, a_saved_calibrator_says_the_same) {
  for (const auto& kind : calibrator_kinds) {
    const auto scores = kind == "temperature" ? numbers("probabilities") : numbers("scores");
    const auto one = Calibrator::fit(kind, scores, labels());
    const auto again = Calibrator::from_json(Json::parse(one.to_json().dump()));
    for (const double s : scores) EXPECT_NEAR(one(s), again(s), 1e-12) << kind;
  }
}

TEST(CalibrateTest, bad_input_is_refused_with_a_reason) {
  const std::vector<double> scores = {0.2, 2.0};
  EXPECT_THROW(Calibrator::fit("temperature", scores, std::vector<int>{0, 1}), UsageError);
  EXPECT_THROW(Calibrator::fit("sorcery", scores, std::vector<int>{0, 1}), UsageError);
  EXPECT_THROW(Calibrator::fit("platt", scores, std::vector<int>{1, 1}), Error);
  EXPECT_THROW(Calibrator::from_json({{"kind", "isotonic"}, {"x", {2, 1}}, {"y", {0, 1}}}), Error);
  EXPECT_THROW(Calibrator::from_json({{"kind", "isotonic"}, {"x", {1, 2}}, {"y", {0, 7}}}), Error);
  EXPECT_THROW(Calibrator::from_json(Json::object()), Error);
}

TEST(CalibrateTest, the_debiased_error_of_an_honest_confidence_is_near_nothing) {
  Rng rng(3);
  std::vector<double> p, over;
  std::vector<int> right;
  for (int i = 0; i < 400; ++i) {
    p.push_back(rng.uniform()), right.push_back(rng.chance(p.back()));
    over.push_back(std::min(1.0, p.back() + 0.2));
  }
  EXPECT_GT(ece_equal_mass(p, right), 0.03);  // 400 items in 15 bins: chance alone
  EXPECT_LT(ece_debiased(p, right), 0.02);
  EXPECT_GT(ece_debiased(over, right), 0.1);
}

// The promise must fail for at most a share delta of calibration sets; errors are drawn from a known risk.
TEST(CalibrateTest, the_promise_holds_as_often_as_it_says) {
  constexpr double risk = 0.25, delta = 0.1;
  constexpr int sets = 400;
  int broken = 0, answered = 0;
  Rng rng(11);
  for (int set = 0; set < sets; ++set) {
    std::vector<double> p;
    std::vector<int> right;
    for (int i = 0; i < 300; ++i) p.push_back(rng.uniform()), right.push_back(rng.chance(p.back()));
    const double threshold = certified_threshold(p, right, risk, delta);
    if (std::isnan(threshold)) continue;
    ++answered;
    broken += (1 - threshold) / 2 > risk;  // the error of answers above it, of uniform scores that are honest
  }
  EXPECT_GT(answered, sets / 2);
  EXPECT_LE(broken, int(sets * delta) + 12);  // two standard deviations of 40
}

}  // namespace
}  // namespace ken::stats::calibrate_test_file
