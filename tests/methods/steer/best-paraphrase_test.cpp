#include "ken/base/error.h"
#include "tests/methods/inside/story_facts.h"

namespace ken::best_paraphrase_test_file {
namespace {

class BestParaphraseTest : public test::StoryFacts {
 protected:
  // Every fact has a second wording; the first is right for one half, the second for the other.
  void plant() {
    style.max_tokens = 3;
    add_facts(5);
    for (size_t i = 0; i < set.facts.size(); ++i) {
      auto& fact = set.facts[i];
      const std::string other = "Then " + fact.question;
      const auto said = evidence::greedy_answers(
          *model, {evidence::closed_book(fact, style), evidence::request_of(style, {data::ask(style, other), ""})},
          nn::Compute::f32);
      const bool first = i % 2 == 0;
      fact.answers = {first ? said[0].text : "nothing of this kind"};
      fact.variants = {{"paraphrase", other, {first ? "nothing of this kind" : said[1].text}}};
    }
  }
  static double value(const Json& table, const char* how) {
    return table.at("accuracy").at(how).at("value").get<double>();
  }
};

TEST_F(BestParaphraseTest, choices_are_judged_on_the_same_facts) {
  plant();
  const auto result = run("best-paraphrase", {{"steps", 4}});
  const Json& table = result.table;
  EXPECT_EQ(table.at("facts"), 30);
  EXPECT_EQ(table.at("wordings"), 60);
  EXPECT_DOUBLE_EQ(value(table, "as it stands"), 0.5);
  EXPECT_DOUBLE_EQ(value(table, "any is right"), 1);
  EXPECT_GE(result.tensors.at("reading").min().item<double>(), 0);
  EXPECT_LE(result.tensors.at("reading").max().item<double>(), 1 + 1e-9);
  EXPECT_GT(result.tensors.at("reading").max().item<double>(), 0.3);  // several words count
  EXPECT_EQ(run("best-paraphrase", {{"steps", 4}}).table, table);
}

TEST_F(BestParaphraseTest, facts_without_other_wordings_are_refused) {
  plant();
  EXPECT_THROW(run("best-paraphrase", {{"kind", "reversed"}}), Error);
}

}  // namespace
}  // namespace ken::best_paraphrase_test_file
