// MlingConf on a small model: which answers are right in which language is planted.
#include "ken/base/error.h"
#include "ken/evidence/languages.h"
#include "tests/methods/inside/story_facts.h"

namespace ken::mlingconf_test_file {
namespace {

class MlingconfTest : public test::StoryFacts {
 protected:
  std::string said(const std::string& prompt) {
    std::vector<generate::Request> one{evidence::request_of(style, {prompt, ""})};
    return evidence::greedy_answers(*model, one, nn::Compute::f32)[0].text;
  }
  // "other" asks with other words. Dominant answers: every second one right. Other answers: all right of bound facts,
  // none of the others.
  void plant() {
    style.max_tokens = 5;
    add_facts(6);
    for (size_t i = 0; i < set.facts.size(); ++i) {
      auto& fact = set.facts[i];
      fact.statement = fact.question + " She liked it.";
      const std::string question = "Then " + fact.question;
      const bool bound = i % 3 == 0;
      const std::string own = said(data::ask(style, fact.question)), other = said(data::ask(style, question));
      fact.answers = {i % 2 ? own : "nothing of this kind"};
      fact.variants = {{"other", question, {bound ? other : "nothing of this kind"}},
                       {"paraphrase", question, {other}}};
      if (bound) fact.extra["language"] = "other";
    }
  }
  Json table(const Json& more = Json::object()) {
    Json params{{"languages", "other"}};
    params.update(more);
    return run("mlingconf", params).table;
  }
};

TEST_F(MlingconfTest, each_task_is_asked_in_each_language) {
  plant();
  const Json found = table();
  EXPECT_EQ(found["languages"], Json::array({"dominant", "other"}));
  const Json &free = found["tasks"]["language-agnostic"], &bound = found["tasks"]["other"];
  EXPECT_EQ(free["dominant"]["n"], 24);
  EXPECT_EQ(bound["other"]["n"], 12);
  EXPECT_EQ(bound["other"]["accuracy"]["value"], 1.0);
  EXPECT_EQ(free["other"]["accuracy"]["value"], 0.0);
  EXPECT_EQ(bound["dominant"]["accuracy"]["value"], 0.5);
  for (const char* method : {"probability", "P(True)", "verbalised"}) {
    const Json& of = free["dominant"]["methods"][method];
    EXPECT_GE(of["mean"].get<double>(), 0);
    EXPECT_LE(of["mean"].get<double>(), 1);
    EXPECT_TRUE(free["other"]["methods"][method]["auroc"]["value"].is_null());  // no right answer: no area
    // Nothing is right, so all confidence is error, whatever the bins.
    EXPECT_NEAR(free["other"]["methods"][method]["ece"]["value"].get<double>(),
                free["other"]["methods"][method]["mean"].get<double>(), 1e-9);
  }
}

TEST_F(MlingconfTest, native_grading_changes_only_the_verdicts_in_other_languages) {
  plant();
  const Json a = table(), b = table({{"grading", "native"}});
  const auto mean = [](const Json& t, const char* language, const char* method) {
    return t["tasks"]["other"][language]["methods"][method]["mean"].get<double>();
  };
  EXPECT_EQ(mean(a, "dominant", "P(True)"), mean(b, "dominant", "P(True)"));
  EXPECT_EQ(mean(a, "other", "probability"), mean(b, "other", "probability"));
  EXPECT_NE(mean(a, "other", "P(True)"), mean(b, "other", "P(True)"));
}

TEST_F(MlingconfTest, a_language_that_no_fact_has_is_an_error_that_names_it) {
  plant();
  EXPECT_THROW(run("mlingconf", {{"languages", "third"}}), UsageError);
  set.facts[1].extra["language"] = "third";
  EXPECT_THROW(table(), UsageError);
}

}  // namespace
}  // namespace ken::mlingconf_test_file
