// Self-ensembling: labels and their shares by hand, and on a small model what single prompts and combinations must have
// in common.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/label_sets.h"
#include "tests/fixtures.h"
#include "tests/passages.h"
#include "tests/tiny.h"

namespace ken::readout::self_ensemble_calibration_test_file {
namespace {

AnalysisResult run(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
                   const Json& params) {
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "self-ensemble-calibration");
  return entry.run({model, facts, style, 1}, resolve_params(entry.card, params));
}

// Two relations: colours, and sizes with another wording.
data::FactSet things() {
  data::FactSet set = test::story_facts();
  for (size_t i = 0; i < set.facts.size(); ++i) {
    data::Fact& fact = set.facts[i];
    fact.variants = {{"paraphrase", "There was a " + fact.subject + ". It was", fact.answers}};
    if (i % 3 == 0) fact.relation = "size", fact.answers = {i % 2 ? "big" : "little"};
  }
  return set;
}

TEST(LabelSetsTest, a_relation_of_few_answers_gives_labels_and_one_of_many_none) {
  const auto model = test::tiny_model();
  data::FactSet set = things();
  set.facts[1].relation = "other", set.facts[2].relation = "other";
  set.facts[1].answers = set.facts[2].answers = {"same"};  // one answer: nothing to choose
  const AnalysisInput input{*model, set, test::story_style()};
  const auto questions = evidence::label_questions(input, 3);  // colours have five or six
  EXPECT_EQ(questions.size(), 30u);
  for (const auto& q : questions) {
    EXPECT_EQ(*q.labels, (std::vector<std::string>{"big", "little"}));
    EXPECT_EQ((*q.labels)[q.right], q.fact->answers[0]);
  }
  EXPECT_EQ(evidence::with_labels(questions[0], test::story_style(), "It was").options,
            (std::vector<std::string>{" big", " little"}));
}

TEST(LabelSetsTest, likelihoods_become_shares_of_the_labels_alone) {
  const auto p = evidence::label_probabilities({{.logprob = -1000}, {.logprob = -1000 + std::log(3.0)}});
  EXPECT_NEAR(p[0], 0.25, 1e-12);
  EXPECT_NEAR(p[1], 0.75, 1e-12);
  EXPECT_EQ(evidence::likeliest({0.4, 0.4, 0.2}), 0u);
}

TEST(LabelSetsTest, quality_is_worked_out_by_hand) {
  const data::Fact fact{.relation = "size"};
  const auto labels = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{"big", "little"});
  const std::vector<evidence::LabelQuestion> questions = {
      {&fact, labels, 0}, {&fact, labels, 0}, {&fact, labels, 1}, {&fact, labels, 1}};
  const auto q = evidence::quality(questions, {{0.85, 0.15}, {0.85, 0.15}, {0.85, 0.15}, {0.35, 0.65}});
  EXPECT_DOUBLE_EQ(q.accuracy, 0.75);
  EXPECT_NEAR(q.confidence, 0.8, 1e-12);
  // Three at 0.85, two of them right; one at 0.65, right.
  EXPECT_NEAR(q.ece, 0.75 * (0.85 - 2.0 / 3) + 0.25 * 0.35, 1e-12);
  EXPECT_NEAR(q.f1, (2 * 2.0 / (3 + 2) + 2 * 1.0 / (1 + 2)) / 2, 1e-12);
}

TEST(SelfEnsembleCalibrationTest, ensembles_keep_to_what_their_members_say) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  const Json params{{"max_items", 30},    {"ensemble", 3}, {"shots", 2},  {"separator", " "},
                    {"tuning_items", 20}, {"epochs", 4},   {"rate", 0.01}};
  const Json table = run(*model, things(), test::story_style(), params).table;
  EXPECT_EQ(table["judged"], 30);
  EXPECT_EQ(table["tuned_on"], 20);
  EXPECT_NEAR(table["wordings"].get<double>(), 2, 1e-9);
  for (const char* which : {"few-shot", "tuned"})
    for (const char* variation : {"examples", "order", "template", "all"}) {
      const Json& runs = table[which][variation];
      for (const char* how : {"single", "mean", "max", "vote"}) {
        EXPECT_GE(runs[how]["ece"].get<double>(), 0) << which << variation << how;
        EXPECT_LE(runs[how]["accuracy"].get<double>(), 1) << which << variation << how;
      }
      // The mean's largest share is at most the mean of the members' largest ones, the maximum's at least.
      const double single = runs["single"]["confidence"];
      EXPECT_LE(runs["mean"]["confidence"].get<double>(), single + 1e-9) << which << variation;
      EXPECT_GE(runs["max"]["confidence"].get<double>(), single - 1e-9) << which << variation;
      const double votes = runs["vote"]["confidence"];
      EXPECT_GE(votes, 1.0 / 3 - 1e-9) << which << variation;
    }
  // Tuning on such prompts teaches the labels' frequencies at least.
  EXPECT_GT(table["tuned"]["all"]["single"]["confidence"].get<double>(), 0);
  EXPECT_NE(table["tuned"]["all"]["single"], table["few-shot"]["all"]["single"]);
}

TEST(SelfEnsembleCalibrationTest, a_single_wording_makes_the_template_variation_one_prompt) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  data::FactSet set = things();
  for (auto& fact : set.facts) fact.variants.clear();
  const Json params{{"max_items", 24}, {"ensemble", 2}, {"shots", 1}, {"tuning_items", 4}, {"epochs", 1}};
  const Json runs = run(*model, set, test::story_style(), params).table["few-shot"];
  for (const char* what : {"accuracy", "ece", "confidence"})
    EXPECT_NEAR(runs["template"]["mean"][what].get<double>(), runs["template"]["single"][what].get<double>(), 1e-6);
  // One worked example has one order.
  EXPECT_NEAR(runs["order"]["mean"]["ece"].get<double>(), runs["order"]["single"]["ece"].get<double>(), 1e-6);
}

TEST(SelfEnsembleCalibrationTest, too_few_questions_with_labels_are_an_error_that_says_so) {
  const auto model = test::tiny_model();
  data::FactSet set = test::story_facts();
  set.facts.resize(12);
  EXPECT_THROW(run(*model, set, test::story_style(), Json::object()), Error);
}

}  // namespace
}  // namespace ken::readout::self_ensemble_calibration_test_file
