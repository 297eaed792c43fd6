#include "ken/study/confidence.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::study::confidence_test_file {
namespace {

ConfidenceOptions options_in(const fs::path& out) {
  return {.out = out,
          .compute = nn::Compute::f32,
          .seed = 4,
          .estimators = {evidence::estimator_from("sequence-probability"),
                         evidence::estimator_from("deg-mat:samples=3"), evidence::estimator_from("p-true")}};
}

TEST(ConfidenceTest, a_run_that_was_cut_off_ends_with_the_same_bytes) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  const auto folder = test::scratch("confidence");
  run_confidence(*model, facts, world::prompt_style(), options_in(folder / "whole"));
  const std::string rows = read_text(folder / "whole/rows.jsonl"),
                    summary = read_text(folder / "whole/confidence.json");
  for (const size_t part : {rows.size() / 5, rows.size() / 2, rows.size() - 1}) {
    const fs::path cut = folder / fmt::format("cut{}", part);
    fs::create_directories(cut);
    write_text(cut / "rows.jsonl", rows.substr(0, part));
    run_confidence(*model, facts, world::prompt_style(), options_in(cut));
    EXPECT_EQ(read_text(cut / "rows.jsonl"), rows) << part;
    EXPECT_EQ(read_text(cut / "confidence.json"), summary) << part;
  }
}

TEST(ConfidenceTest, saved_rows_are_scored_again_without_the_model) {
  const auto model = test::tiny_model();
  const auto folder = test::scratch("confidence");
  const auto result = run_confidence(*model, test::tiny_facts(), world::prompt_style(), options_in(folder));
  auto rows = read_confidence_rows(folder / "rows.jsonl");
  ASSERT_EQ(rows.size(), result.rows.size());
  const std::vector<Json> first = rows;
  score_rows(rows, options_in(folder).estimators);
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].at("scores"), first[i].at("scores"));
  score_rows(rows, {evidence::estimator_from("perplexity"), evidence::estimator_from("num-sem-sets:samples=3")});
  EXPECT_EQ(rows[0].at("scores").size(), 2u);
  EXPECT_THROW(score_rows(rows, {evidence::estimator_from("pointwise-mi")}), Error);  // never gathered
  EXPECT_THROW(score_rows(rows, {evidence::estimator_from("num-sem-sets:samples=9")}), Error);
}

TEST(ConfidenceTest, beside_passages_the_context_gain_is_defined) {
  const auto model = test::tiny_model();
  auto facts = test::tiny_facts();
  facts.contexts.resize(20);
  auto options = options_in(test::scratch("confidence"));
  options.passages = true;
  options.estimators = {evidence::estimator_from("context-gain"), evidence::estimator_from("context-gain:of=entropy")};
  for (const Json& row : run_confidence(*model, facts, world::prompt_style(), options).rows)
    for (const auto& [name, score] : row.at("scores").items()) EXPECT_TRUE(score.is_number()) << name;
}

// Rows whose score is an honest or a boastful probability, in pairs of one group.
std::vector<Json> made_up(double boast) {
  std::vector<Json> rows;
  Rng rng(2);
  for (int i = 0; i < 2000; ++i) {
    const double p = rng.uniform();
    rows.push_back({{"id", std::to_string(i)},
                    {"group", std::to_string(i / 2)},
                    {"exposure", i % 5},
                    {"right", rng.chance(p)},
                    {"scores", {{"sequence-probability:normalize=false", std::pow(p, boast)}}}});
  }
  return rows;
}

TEST(ConfidenceTest, calibration_makes_a_boastful_score_honest_on_other_groups) {
  const auto estimator = evidence::estimator_from("sequence-probability");
  const auto c = calibrate_rows(made_up(0.3), estimator, "isotonic", 0.2, 0.05, 0);
  const auto value = [&](const char* which) { return c.about.at(which).at("ece_debiased").at("value").get<double>(); };
  EXPECT_GT(value("raw"), 0.15);
  EXPECT_LT(value("calibrated"), 0.03);
  EXPECT_EQ(c.about.at("fitted_on").get<int>() + c.about.at("judged_on").get<int>(), 2000);
  const Json& promise = c.about.at("promise");
  EXPECT_LT(promise.at("error").at("value").get<double>(), 0.2);
  EXPECT_GT(promise.at("coverage").at("value").get<double>(), 0.2);
}

TEST(ConfidenceTest, an_empty_set_and_a_file_that_is_none_are_errors) {
  const auto model = test::tiny_model();
  auto facts = test::tiny_facts();
  facts.contexts.clear();
  auto options = options_in(test::scratch("confidence"));
  options.passages = true;
  EXPECT_THROW(run_confidence(*model, facts, world::prompt_style(), options), UsageError);
  write_text(options.out / "other.jsonl", "{\"stage\": \"recall\"}\n");
  EXPECT_THROW(read_confidence_rows(options.out / "other.jsonl"), Error);
}

}  // namespace
}  // namespace ken::study::confidence_test_file
