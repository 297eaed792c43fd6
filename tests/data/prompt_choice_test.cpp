// Which way a model is asked, and which examples a question is shown.
#include "ken/data/prompt_choice.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/text/vocabularies.h"

namespace ken::data::prompt_choice_test_file {
namespace {

const std::string minimal = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}";

FactSet facts(size_t count) {
  FactSet set;
  for (size_t i = 0; i < count; ++i) {
    const std::string n = std::to_string(i), subject = "S" + std::to_string(i / 2);  // two facts a subject
    set.facts.push_back({"f" + n, subject, "r", "q" + n + " ?", {"a" + n}, -1, subject, "", {}});
  }
  return set;
}

io::Metadata metadata() { return test::trained({{"hello", 5}}); }

PromptStyle choose(const io::Metadata& m, const PromptChoice& choice, const FactSet* set) {
  return choose_style(m, text::tokenizer_from_gguf(m), choice, set);
}

Asked asked(const Fact& fact) { return {fact.question, fact.beginning, fact.id, fact.subject, fact.group}; }

TEST(PromptChoiceTest, auto_goes_by_what_the_file_states) {
  const FactSet set = facts(20);
  io::Metadata base = metadata(), own = metadata(), chat = metadata();
  put_prompt_style(own, {"mine", "<{question}>", "{context} {question}", {"a"}});
  own.values["tokenizer.chat_template"] = chat.values["tokenizer.chat_template"] = minimal;
  EXPECT_EQ(choose(base, {}, &set).label(), "asked with 5 examples");
  EXPECT_EQ(choose(base, {}, nullptr).label(), "asked without examples");
  EXPECT_EQ(choose(own, {}, &set).label(), "asked in its own form (mine)");
  EXPECT_EQ(choose(chat, {}, &set).label(), "asked through the model's chat template");
  EXPECT_EQ(choose(chat, {.prompt = "few-shot", .shots = 1}, &set).label(), "asked with 1 example");
  EXPECT_EQ(choose(chat, {.shots = 2}, &set).label(), "asked through the model's chat template, with 2 examples");
  EXPECT_EQ(choose(base, {.prompt = "plain"}, &set).form(), "plain");
  EXPECT_EQ(choose(base, {.chat_template = minimal}, &set).form(), "chat");
}

TEST(PromptChoiceTest, calls_that_contradict_themselves_are_refused) {
  const FactSet set = facts(20);
  EXPECT_THROW(choose(metadata(), {.prompt = "chat"}, &set), UsageError);
  EXPECT_THROW(choose(metadata(), {.prompt = "few-shot"}, nullptr), UsageError);
  EXPECT_THROW(choose(metadata(), {.prompt = "few-shot", .shots = 0}, &set), UsageError);
  EXPECT_THROW(choose(metadata(), {.prompt = "plain", .shots = 3}, &set), UsageError);
  EXPECT_THROW(choose(metadata(), {.prompt = "plain", .chat_template = minimal}, &set), UsageError);
  EXPECT_THROW(choose(metadata(), {.system = "x"}, &set), UsageError);
  EXPECT_THROW(choose(metadata(), {.prompt = "chta"}, &set), UsageError);
}

TEST(PromptChoiceTest, no_question_sees_its_own_fact_or_subject) {
  const FactSet set = facts(20);
  const PromptStyle style = choose(metadata(), {.seed = 4}, &set);
  std::set<std::string> beginnings;
  for (const Fact& fact : set.facts) {
    const std::string prompt = ask(style, asked(fact));
    const std::string shown = prompt.substr(0, prompt.size() - ask(PromptStyle(), fact.question).size());
    for (const Fact& other : set.facts) {
      if (other.subject != fact.subject) continue;
      EXPECT_EQ(shown.find(other.question), std::string::npos) << prompt;
    }
    size_t examples = 0;
    for (size_t at = shown.find("Q: "); at != std::string::npos; at = shown.find("Q: ", at + 1)) ++examples;
    EXPECT_EQ(examples, 5u) << prompt;
    beginnings.insert(shown);
  }
  // Those of the examples' subjects give way; all others begin alike.
  EXPECT_LE(beginnings.size(), 6u);
}

TEST(PromptChoiceTest, the_seed_draws_the_examples) {
  const FactSet set = facts(200);
  const auto prompt = [&](uint64_t seed) { return ask(choose(metadata(), {.seed = seed}, &set), "new ?"); };
  EXPECT_EQ(prompt(1), prompt(1));
  EXPECT_NE(prompt(1), prompt(2));
}

TEST(PromptChoiceTest, a_small_set_gives_fewer_examples) {
  const FactSet two = facts(4), one = facts(1);
  EXPECT_EQ(choose(metadata(), {}, &two).shots, 1u);
  EXPECT_EQ(choose(metadata(), {}, &one).form(), "plain");
}

TEST(PromptChoiceTest, a_beginning_is_completed_and_examples_may_be_beginnings) {
  FactSet set = facts(4);
  set.facts[2].beginning = "Mercury is the planet nearest to";
  set.facts[2].answers = {"the sun"};
  PromptStyle style = choose(metadata(), {}, &set);
  style.shots = 1;
  style.examples = {{"f2", "S1", "S1", "", set.facts[2].beginning, "the sun"}};
  EXPECT_EQ(ask(style, Asked{.beginning = "The capital of France is"}),
            "Mercury is the planet nearest to the sun\n\nThe capital of France is");
  EXPECT_EQ(ask_with_context(PromptStyle(), "Text.", "", Asked{.beginning = "It is"}), "Text.\n\nIt is");
}

TEST(PromptChoiceTest, examples_of_a_chat_are_turns) {
  io::Metadata chat = metadata();
  chat.values["tokenizer.chat_template"] = minimal;
  const FactSet set = facts(20);
  const PromptStyle style = choose(chat, {.shots = 1, .system = "brief"}, &set);
  const Example& shown = style.examples[0];
  EXPECT_EQ(ask(style, "who ?"), "[system]brief[user]" + shown.question + "[assistant]" + shown.answer + "[user]who ?");
}

}  // namespace
}  // namespace ken::data::prompt_choice_test_file
