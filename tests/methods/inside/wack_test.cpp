// WACK as an analysis: the kinds of answers follow from what the model knows and says, planted ignorance is found, and
// a shift acts from the last prompt token on.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/known_errors.h"
#include "ken/readout/analysis.h"
#include "ken/readout/shift.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::readout::wack_test_file {
namespace {

const AnalysisEntry& wack() { return Registry<AnalysisEntry>::get().at("analysis", "wack"); }

// What the model answers closed-book is right for girls before M and nothing is right for the others; passages change
// its answers, and what it says beside every second one is right as well.
class WackTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = test::fixture("models/stories260K/model.gguf");
    if (!path) {
      if (test::fixtures_required()) FAIL() << "fixture models/stories260K is missing; set KEN_FIXTURES";
      GTEST_SKIP() << "fixture models/stories260K not found; set KEN_FIXTURES to the fixtures folder";
    }
    model = model::load(*path);
    style.question = "{question} She";
    style.context = "{context} {instruction} {question} She";
    style.stop = {"."};
    add_facts();
  }
  void add_facts() {
    const std::vector<std::string> girls = {"Lily", "Mia", "Anna", "Sue", "Lucy", "Amy"},
                                   things = {"ball", "dog",  "cat",  "bird",  "car",  "tree", "hat",
                                             "book", "cake", "fish", "horse", "boat", "bear", "star"};
    std::vector<generate::Request> requests;
    for (const auto& girl : girls)
      for (const auto& thing : things) {
        data::Fact fact;
        fact.id = girl + "." + thing;
        fact.subject = girl;
        fact.relation = "saw";
        fact.question = girl + " saw a big " + thing + ".";
        fact.group = girl + thing;
        set.facts.push_back(fact);
        requests.push_back(evidence::closed_book(fact, style));
      }
    const auto answers = evidence::greedy_answers(*model, requests, nn::Compute::f32);
    for (size_t i = 0; i < set.facts.size(); ++i) {
      data::Fact& fact = set.facts[i];
      const bool known = fact.subject < "M";
      fact.answers = {known ? answers[i].text : "nothing of this kind"};
      data::ContextCase item;
      item.id = fact.id + ".conflict";
      item.fact = fact.id;
      item.kind = "conflict";
      item.intent = "none";
      item.context = i % 2 ? "It was a sunny day." : fact.subject + " was very sad and cried.";
      item.context_answers = {"sad"};
      item.question = fact.question;
      item.group = fact.group;
      set.contexts.push_back(item);
    }
    requests.clear();
    for (const auto& item : set.contexts) requests.push_back(evidence::with_passage(item, style));
    const auto derailed = evidence::greedy_answers(*model, requests, nn::Compute::f32);
    for (size_t i = 0; i < set.facts.size(); i += 2)
      if (set.facts[i].subject < "M") set.facts[i].answers.push_back(derailed[i].text);
  }
  AnalysisInput input() const { return {*model, set, style, 1}; }
  std::shared_ptr<model::Model> model;
  data::PromptStyle style;
  data::FactSet set;
};

TEST_F(WackTest, kinds_follow_from_knowledge_and_the_derailed_answer) {
  const auto cases = evidence::known_errors(input(), {.derail = "passage", .samples = 0});
  EXPECT_EQ(cases.size(), set.facts.size());
  for (const auto& item : cases) {
    const bool known = item.fact->subject < "M", right = data::contains_answer(item.answer, item.fact->answers);
    EXPECT_EQ(item.count, int(known)) << item.fact->id;
    EXPECT_EQ(item.kind, !known  ? evidence::ErrorKind::unknown
                         : right ? evidence::ErrorKind::none
                                 : evidence::ErrorKind::known);
    EXPECT_NE(item.request.prompt.text, item.request.prompt.without_context);
  }
}

TEST_F(WackTest, bad_shots_show_other_answers_of_the_relation_and_never_the_asked_item) {
  for (const auto& item : evidence::known_errors(input(), {.derail = "bad-shots", .samples = 0, .max_items = 20})) {
    const std::string& text = item.request.prompt.text;
    EXPECT_EQ(text.find(item.fact->question), text.rfind(item.fact->question));
    size_t shown = 0;
    for (const auto& fact : set.facts) {
      const size_t at = text.find(fact.question + " She");
      if (at == std::string::npos || fact.id == item.fact->id) continue;
      ++shown;
      const std::string after = text.substr(at + fact.question.size() + 5, fact.answers[0].size());
      EXPECT_NE(after, fact.answers[0]);
    }
    EXPECT_EQ(shown, 3u);
  }
}

TEST_F(WackTest, planted_ignorance_is_found_and_the_table_is_whole) {
  // whoever is known by name: the subject's letter decides, so that a probe of HK- against HK+ can only read the name
  const auto result =
      wack().run(input(), resolve_params(wack().card, {{"derail", "passage"}, {"samples", 0}, {"alpha", 1.0}}));
  EXPECT_GT(result.table["last"]["cause"]["auroc"]["value"].get<double>(), 0.8);
  EXPECT_EQ(result.table["items"]["HK-"], 28);
  for (const char* key : {"error", "error_generic", "cause", "cause_generic"})
    EXPECT_EQ(result.table["answered"][key]["points"].size(), size_t(3 * model->config.n_layers)) << key;
  EXPECT_EQ(result.tensors.at("correct_minus_error").size(0), 3 * model->config.n_layers);
}

TEST_F(WackTest, too_few_of_a_kind_is_an_error_that_counts_them) {
  for (auto& fact : set.facts) fact.answers = {"nothing of this kind"};
  try {
    wack().run(input(), resolve_params(wack().card, {{"derail", "passage"}, {"samples", 0}}));
    FAIL() << "facts that nobody knows were accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("84 facts are unknown"), std::string::npos) << error.what();
  }
}

TEST(ShiftTest, a_shift_moves_the_answer_where_its_flag_allows) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  generate::Request plain = evidence::closed_book(facts.facts[0], world::prompt_style()), shifted = plain,
                    never = plain, nothing = plain;
  for (auto* request : {&plain, &shifted, &never, &nothing}) request->max_tokens = 2;
  const at::Tensor row = nn::dense(model->output())[300].to(at::kFloat);
  const Shift shift{"blocks.1.hook_resid_post", 1000 * row / row.norm()};
  Shift off = shift, none = shift;
  off.flag = Svm{at::zeros({32}, at::kDouble), -1, 1, 0};
  none.offset = at::zeros({32});
  shifted.controls = {shift_control({shift})};
  never.controls = {shift_control({off})};
  nothing.controls = {shift_control({none})};
  const auto answers = evidence::greedy_answers(*model, {plain, shifted, never, nothing}, nn::Compute::f32);
  EXPECT_EQ(answers[0].logprobs, answers[2].logprobs);
  EXPECT_EQ(answers[0].logprobs, answers[3].logprobs);
  EXPECT_NE(answers[0].tokens, answers[1].tokens);
  const auto random = in_random_directions({shift}, 1);
  EXPECT_NEAR(random[0].offset.norm().item<double>(), 1000, 0.1);
  EXPECT_LT((random[0].offset.dot(shift.offset) / 1e6).abs().item<double>(), 0.6);
}

}  // namespace
}  // namespace ken::readout::wack_test_file
