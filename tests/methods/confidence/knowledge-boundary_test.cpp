// The knowledge boundary on a small model: its own answers say which are right, so the metrics can be counted by hand.
#include "tests/methods/inside/story_facts.h"

namespace ken::knowledge_boundary_test_file {
namespace {

class KnowledgeBoundaryTest : public test::StoryFacts {
 protected:
  // Every second fact is answered rightly closed book.
  void plant() {
    style.max_tokens = 6;
    add_facts(8);
    for (size_t i = 0; i < set.facts.size(); ++i) {
      std::vector<generate::Request> one{evidence::closed_book(set.facts[i], style)};
      const std::string said = evidence::greedy_answers(*model, one, nn::Compute::f32)[0].text;
      set.facts[i].answers = {i % 2 ? said : "nothing of this kind"};
    }
    add_passages(true);
    add_passages(false);
  }
  static double value(const Json& number) { return number.at("value").get<double>(); }
};

TEST_F(KnowledgeBoundaryTest, counts_right_answers_and_right_judgements) {
  plant();
  for (const char* prior : {"reply", "verdict"}) {
    const Json closed = run("knowledge-boundary", {{"prior", prior}}).table["closed"];
    EXPECT_EQ(closed["n"], 48);
    EXPECT_DOUBLE_EQ(value(closed["EM"]), 0.5);
    // Right answers are those given up and those not: EM = G Right/G + (1 - G) Right/notG.
    const double g = value(closed["give_up"]);
    const double given_up = closed["right_given_up"].is_null() ? 0 : g * value(closed["right_given_up"]);
    const double kept = closed["right_not_given_up"].is_null() ? 0 : (1 - g) * value(closed["right_not_given_up"]);
    EXPECT_NEAR(given_up + kept, 0.5, 1e-12);
    EXPECT_LE(std::abs(value(closed["eval_right"]) - 0.5), 1 - value(closed["eval_acc"]) + 1e-12);
  }
}

TEST_F(KnowledgeBoundaryTest, a_model_that_calls_everything_right_is_as_right_as_its_answers) {
  plant();
  style.yes = style.no;  // equal verdicts: P = 1/2, which is no yes
  const Json closed = run("knowledge-boundary", {{"prior", "verdict"}}).table["closed"];
  EXPECT_EQ(value(closed["eval_right"]), 0);
  EXPECT_EQ(value(closed["give_up"]), 0);
  EXPECT_DOUBLE_EQ(value(closed["eval_acc"]), 0.5);
  EXPECT_EQ(closed["auroc_prior"], 0.5);
  EXPECT_TRUE(closed["right_given_up"].is_null());
}

TEST_F(KnowledgeBoundaryTest, the_answer_is_asked_for_without_leave_to_give_up) {
  plant();
  const Json closed = run("knowledge-boundary", {{"may_give_up", "One day"}}).table["closed"];
  const Json plain = run("knowledge-boundary", {{"may_give_up", ""}}).table["closed"];
  EXPECT_EQ(value(closed["EM"]), value(plain["EM"]));  // the answer itself is asked for without leave to give up
  EXPECT_EQ(value(plain["give_up"]), 0);               // the same replies as the answers, and none is a give-up word
}

TEST_F(KnowledgeBoundaryTest, passages_change_the_same_questions) {
  plant();
  const Json kinds = run("knowledge-boundary", {{"prior", "verdict"}}).table["kinds"];
  for (const char* kind : {"agree", "conflict"}) {
    const Json& of = kinds.at(kind);
    EXPECT_EQ(of["closed"]["n"], of["beside"]["n"]);
    EXPECT_DOUBLE_EQ(value(of["closed"]["EM"]), 0.5);
    EXPECT_NEAR(value(of["beside"]["EM"]),
                value(of["closed"]["EM"]) - value(of["changes"]["pulled"]) + value(of["changes"]["repaired"]), 1e-12);
  }
}

}  // namespace
}  // namespace ken::knowledge_boundary_test_file
