// HalluRAG on a small model: which sentences are grounded is planted in the words that they end with; both kinds of
// prompt get their detectors; shuffled labels are read by none.
#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "tests/methods/inside/story_facts.h"

namespace ken::hallurag_test_file {
namespace {

class HalluragTest : public test::StoryFacts {
 protected:
  // A passage says what the model answers beside it, if the answer's last letters are of one kind.
  void plant() {
    add_facts(20);
    for (size_t i = 0; i < set.facts.size(); ++i) set.facts[i].answers = {"nothing of this kind"};
    add_passages(true);
    std::vector<generate::Request> requests;
    for (const auto& item : set.contexts) requests.push_back(evidence::with_passage(item, style));
    const auto answers = evidence::greedy_answers(*model, requests, nn::Compute::f32);
    std::vector<std::string> texts;
    for (const auto& answer : answers) texts.push_back(answer.text);
    const std::vector<int> grounded = labels_by_ending(texts);
    for (size_t i = 0; i < set.contexts.size(); ++i) {
      auto& item = set.contexts[i];
      item.context_subject.clear();
      if (grounded[i]) item.context_answers = item.answers = {answers[i].text};
    }
  }
  Json quick(const Json& more = Json::object()) {
    Json params{{"runs", 1}, {"epochs", 200}, {"patience", 40}, {"rate", 0.003}, {"features", "CEV50+IAV100"},
                {"folds", 3}};
    params.update(more);
    return params;
  }
  static double accuracy(const Json& table, const char* detector) {
    return table["detectors"][detector]["accuracy"]["value"];
  }
};

TEST_F(HalluragTest, planted_sentences_are_flagged_and_shuffled_labels_are_not) {
  plant();
  const Json table = run("hallurag", quick()).table;
  EXPECT_GT(table["labels"]["answerable conflict"]["grounded"].get<int>(), 30);
  EXPECT_GT(table["labels"]["answerable conflict"]["hallucinated"].get<int>(), 30);
  EXPECT_GT(accuracy(table, "answerable separate"), 0.75);
  EXPECT_GT(accuracy(table, "answerable joint"), 0.7);
  EXPECT_NEAR(accuracy(table, "answerable shuffled"), 0.5, 0.15);
}

TEST_F(HalluragTest, a_passage_without_an_answer_makes_every_statement_ungrounded_by_the_papers_rule) {
  plant();
  const Json lenient = run("hallurag", quick()).table["labels"],
             strict = run("hallurag", quick({{"unanswerable", "ungrounded"}})).table["labels"];
  EXPECT_GT(lenient["unanswerable exchanged"]["grounded"].get<int>(), 0);
  EXPECT_EQ(strict["unanswerable exchanged"]["grounded"], 0);
}

TEST_F(HalluragTest, unknown_features_and_missing_passages_are_named) {
  add_facts(2);
  EXPECT_THROW(run("hallurag", quick()), Error);
  plant();
  EXPECT_THROW(run("hallurag", quick({{"features", "CEV50+IAV75"}})), UsageError);
}

}  // namespace
}  // namespace ken::hallurag_test_file
