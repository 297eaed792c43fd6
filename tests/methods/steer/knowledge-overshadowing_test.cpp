// The overshadowing indicator and the contrast against numbers worked out by hand; the words that are masked; the
// analysis on a tiny world.
#include <gtest/gtest.h>

#include "ken/generate/generate.h"
#include "ken/readout/analysis.h"
#include "tests/tiny.h"

namespace ken::generate::knowledge_overshadowing_test_file {
namespace {

Tensor logs(const std::vector<float>& p) { return at::tensor(at::ArrayRef<float>(p)).log(); }

std::vector<std::string> masked(const std::string& spec, const Prompt& prompt) {
  std::vector<std::string> texts;
  for (const auto& twin : control_from(spec).make()->twins(prompt)) texts.push_back(twin.text);
  return texts;
}
const Prompt asked{.text = "Ada is old . Q: where was Ada Lovelace born ? A:",
                   .question = "where was Ada Lovelace born ?"};

TEST(KnowledgeOvershadowingTest, each_content_word_of_the_question_is_left_out_once) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(masked("knowledge-overshadowing", asked),
            (Texts{"Ada is old . Q: where was Lovelace born ? A:", "Ada is old . Q: where was Ada born ? A:",
                   "Ada is old . Q: where was Ada Lovelace ? A:"}));
  EXPECT_EQ(masked("knowledge-overshadowing:words=1,mask=it", asked),
            (Texts{"Ada is old . Q: where was Ada Lovelace it ? A:"}));
  EXPECT_EQ(masked("knowledge-overshadowing", {.text = "Ada Lovelace"}), (Texts{" Lovelace", "Ada"}));
  EXPECT_THROW(masked("knowledge-overshadowing", {.text = "who is it ?"}), UsageError);
}

struct Overshadowed : testing::Test {
  // V = {0, 1, 2}, V' = {0, 2} of the first twin; the second twin is the prompt itself: nothing is lost with that word.
  Step step{logs({0.60f, 0.30f, 0.08f, 0.02f}),
            {logs({0.70f, 0.02f, 0.26f, 0.02f}), logs({0.60f, 0.30f, 0.08f, 0.02f})}};
  Tensor combined(const std::string& spec) {
    return control_from("knowledge-overshadowing" + spec).make()->combine(step);
  }
};

TEST_F(Overshadowed, the_indicator_sums_negative_gains_and_what_escapes) {
  combined("");
  EXPECT_NEAR(step.notes.at("overshadowing"),
              std::log(0.6 / 0.7) + std::log(0.08 / 0.26) + std::log(0.3) - std::log(0.26), 1e-5);
  EXPECT_EQ(step.notes.at("overshadowed-word"), 0);
  std::swap(step.twins[0], step.twins[1]);
  combined("");
  EXPECT_EQ(step.notes.at("overshadowed-word"), 1);
}

TEST_F(Overshadowed, decodes_against_the_most_overshadowed_word_over_the_plausible_tokens) {
  const Tensor mixed = combined(":alpha=1");
  EXPECT_NEAR((mixed[1] - mixed[0]).item<double>(), std::log(0.09 / 0.02) - std::log(0.36 / 0.7), 1e-5);
  EXPECT_EQ(mixed.argmax().item<int64_t>(), 1);
  EXPECT_TRUE(std::isinf(mixed[3].item<double>()));
}

TEST_F(Overshadowed, nothing_changes_above_the_threshold_or_at_strength_0) {
  EXPECT_TRUE(at::equal(combined(":alpha=0"), step.logits));
  EXPECT_TRUE(at::equal(combined(":alpha=1,threshold=-2"), step.logits));
}

TEST(KnowledgeOvershadowingTest, a_row_does_not_depend_on_the_others_of_its_batch) {
  const auto model = test::tiny_model();
  std::vector<Request> requests;
  for (const auto& fact : test::tiny_facts().facts) {
    if (requests.size() == 5) break;
    requests.push_back(evidence::closed_book(fact, world::prompt_style()));
    requests.back().max_tokens = 3;
    requests.back().controls = {control_from("knowledge-overshadowing:threshold=9")};
  }
  const auto together = generate(*model, requests, {.compute = nn::Compute::f32});
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto alone = generate(*model, {requests[i]}, {.compute = nn::Compute::f32})[0][0];
    EXPECT_EQ(alone.tokens, together[i][0].tokens);
    EXPECT_NEAR(alone.notes.at("overshadowing")[0], together[i][0].notes.at("overshadowing")[0], 1e-4);
  }
}

TEST(KnowledgeOvershadowingTest, the_analysis_measures_law_detection_and_decoding) {
  const auto model = test::tiny_model();
  // Two facts of a relation at a time share a word of their subjects, and one of them is better known.
  data::FactSet facts = test::tiny_facts();
  std::map<std::string, size_t> numbers;
  for (auto& fact : facts.facts) {
    const size_t number = numbers[fact.relation]++;
    fact.subject = fmt::format("pair{} person{}", number / 2, number);
    fact.exposure = number % 2 == 0 ? int64_t(10 + number) : 2000;
  }
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "knowledge-overshadowing");
  const readout::AnalysisInput input{.model = *model, .facts = facts, .style = world::prompt_style()};
  const Json table = entry.run(input, resolve_params(entry.card, {{"max_items", 40}})).table;
  EXPECT_EQ(table.at("law").at("bins").size(), 4u);
  EXPECT_LT(table.at("law").at("bins")[0].at("log_ratio").get<double>(),
            table.at("law").at("bins")[3].at("log_ratio").get<double>());
  EXPECT_EQ(table.at("facts").at("choice").get<int>() + table.at("facts").at("judged").get<int>(), 40);
  EXPECT_GE(table.at("detection").at("f1_flagging_all").get<double>(), 0.5);  // an untrained model is always wrong
  EXPECT_EQ(table.at("decoding").at("wrong").at("n"), table.at("facts").at("judged"));
  data::FactSet few = facts;
  few.facts.resize(10);
  EXPECT_THROW(entry.run({.model = *model, .facts = few, .style = world::prompt_style()},
                         resolve_params(entry.card, Json::object())),
               Error);
}

}  // namespace
}  // namespace ken::generate::knowledge_overshadowing_test_file
