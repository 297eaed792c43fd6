#include "ken/evidence/calibration.h"

#include <gtest/gtest.h>

#include "ken/base/rng.h"
#include "tests/fixtures.h"

namespace ken::evidence::calibration_test_file {
namespace {

Calibration fitted() {
  Rng rng(5);
  std::vector<double> scores;
  std::vector<int> right;
  for (int i = 0; i < 500; ++i) scores.push_back(rng.uniform()), right.push_back(rng.chance(scores.back()));
  auto c = fit_calibration(estimator_from("sequence-probability"), "isotonic", scores, right, 0.2, 0.05);
  c.model_sha256 = "abc";
  return c;
}

TEST(CalibrationTest, a_saved_file_gives_the_same_confidence) {
  const auto file = test::scratch("calibration") / "cal.json";
  const Calibration c = fitted();
  ASSERT_FALSE(std::isnan(c.promised));
  save(c, file);
  const Calibration again = load_calibration(file, "abc");
  EXPECT_EQ(again.promised, c.promised);
  EXPECT_EQ(again.estimator.definition(), c.estimator.definition());
  Evidence e;
  e.greedy.logprobs = {-0.4};
  e.greedy.answer_tokens = 1;
  EXPECT_EQ(again.confidence(e), c.confidence(e));
  EXPECT_EQ(abstain_under("promised", again), c.promised);
  EXPECT_EQ(abstain_under("0.25", again), 0.25);
}

TEST(CalibrationTest, a_file_of_another_model_and_a_damaged_one_are_refused) {
  const auto folder = test::scratch("calibration");
  save(fitted(), folder / "cal.json");
  EXPECT_THROW(load_calibration(folder / "cal.json", "def"), UsageError);
  write_text(folder / "bad.json", "{\"schema\": \"ken.calibration/1\", \"estimator\": 3}");
  EXPECT_THROW(load_calibration(folder / "bad.json", "abc"), Error);
  write_text(folder / "other.json", "{}");
  EXPECT_THROW(load_calibration(folder / "other.json", "abc"), Error);
  Calibration nothing = fitted();
  nothing.promised = NAN;
  EXPECT_THROW(abstain_under("promised", nothing), UsageError);
  for (const char* text : {"", "1.5", "-1", "0.5x", "nan"})
    EXPECT_THROW(abstain_under(text, nothing), UsageError) << text;
}

}  // namespace
}  // namespace ken::evidence::calibration_test_file
