// EREN: which notes are read, when the closed-book answer stands, and what is refused.
#include <gtest/gtest.h>
#include <unistd.h>

#include "ken/generate/generate.h"
#include "tests/tiny.h"

namespace ken::generate::eren_test_file {
namespace {

constexpr nn::Compute f32 = nn::Compute::f32;

struct ErenTest : testing::Test {
  std::shared_ptr<model::Model> model = test::tiny_model();
  data::FactSet facts = test::tiny_facts();
  fs::path file = fs::temp_directory_path() / fmt::format("ken-eren-{}.txt", ::getpid());
  void TearDown() override { fs::remove(file); }

  // Notes on the given facts: their statements.
  void write_notes(const std::vector<size_t>& which) {
    std::string text;
    for (const size_t i : which) text += facts.facts[i].statement + "\n";
    write_text(file, text);
  }
  Request ask(size_t fact, const std::string& more = "") {
    Request request = evidence::closed_book(facts.facts[fact], world::prompt_style());
    request.max_tokens = 3;
    if (!more.empty()) request.controls = {control_from("eren:notes=" + file.string() + more)};
    return request;
  }
  Generated run(const Request& request) { return generate(*model, {request}, {.compute = f32})[0][0]; }
  // A control that has put notes beside the question of fact 7.
  std::unique_ptr<Control> begun(const std::string& more) {
    auto control = control_from("eren:notes=" + file.string() + more).make();
    control->begin({*model, f32});
    Prompt prompt = ask(7).prompt;
    control->rewrite(prompt);
    return control;
  }
  std::string read_by(size_t fact, const std::string& more) {
    const auto control = control_from("eren:notes=" + file.string() + more).make();
    control->begin({*model, f32});
    Prompt prompt = ask(fact).prompt;
    const std::string asked = prompt.text;
    control->rewrite(prompt);
    EXPECT_EQ(control->twins(prompt).at(0).text, asked);
    return prompt.text;
  }
};

TEST_F(ErenTest, reads_the_nearest_notes_and_puts_them_beside_the_question) {
  write_notes({0, 7, 14, 21, 28, 35, 42, 49});  // the same relation of eight persons
  const auto beside = ask(21).prompt.beside;
  EXPECT_EQ(read_by(21, ",k=1"), beside(facts.facts[21].statement));
  EXPECT_EQ(read_by(21, ",k=1,instruction=use only the text"),
            beside(facts.facts[21].statement + " use only the text"));
  EXPECT_NE(read_by(21, ",k=2").find(facts.facts[21].statement), std::string::npos);
}

TEST_F(ErenTest, a_second_round_looks_for_what_the_notes_name) {
  const std::string person = facts.facts[7].subject, other = "Zora " + person.substr(person.find(' ') + 1);
  const std::string first = person + " was born in Turin .", second = "Turin lies in Spain .";
  write_text(file, second + "\n" + other + " was born in Rome .\n" + first + "\n");
  const auto beside = ask(7).prompt.beside;
  EXPECT_EQ(read_by(7, ",k=1,names=true"), beside(first));
  EXPECT_EQ(read_by(7, ",k=1,names=true,rounds=2"), beside(first + " " + second));
  EXPECT_EQ(read_by(7, ",k=2,names=true,apart=true,rounds=2"), beside(first + " " + second));
}

TEST_F(ErenTest, the_margin_decides_between_reading_and_closed_book) {
  write_notes({0, 7, 14});
  const std::string of_7 = ",k=1,names=true";
  const auto plain = run(ask(7)), closed = run(ask(7, ",margin=1e9")), reading = run(ask(7, ",margin=-1e9" + of_7));
  EXPECT_EQ(closed.tokens, plain.tokens);
  for (size_t t = 0; t < plain.logprobs.size(); ++t) EXPECT_NEAR(closed.logprobs[t], plain.logprobs[t], 1e-5);
  EXPECT_EQ(closed.notes.at("from-notes")[0], 0);
  Request read = ask(7);
  read.prompt.text = read.prompt.beside(facts.facts[7].statement);
  const auto expected = run(read);
  EXPECT_EQ(reading.tokens, expected.tokens);
  EXPECT_EQ(reading.notes.at("from-notes")[0], 1);
  EXPECT_NEAR(reading.notes.at("answerable")[0], expected.logprobs[0], 1e-4);  // option sure
}

TEST_F(ErenTest, read_apart_the_surest_reading_stands_for_all) {
  write_notes({0, 7, 14, 21});
  Generated surest;
  double most = -INFINITY;
  for (const size_t i : {0, 7, 14, 21}) {
    Request read = ask(7);
    read.prompt.text = read.prompt.beside(facts.facts[i].statement);
    const auto answer = run(read);
    if (answer.logprobs[0] > most) most = answer.logprobs[0], surest = answer;
  }
  const auto apart = run(ask(7, ",apart=true,k=4,margin=-1e9"));
  EXPECT_EQ(apart.tokens, surest.tokens);
  EXPECT_NEAR(apart.notes.at("answerable")[0], most, 1e-4);
  EXPECT_EQ(run(ask(7, ",apart=true,k=4,margin=0.1")).tokens, run(ask(7)).tokens);
}

TEST_F(ErenTest, without_a_note_on_the_questions_names_the_closed_book_answers) {
  write_text(file, "Zora Zorin was born in Rome .\n");
  const auto closed = run(ask(7, ",names=true,margin=-1e9"));
  EXPECT_EQ(closed.tokens, run(ask(7)).tokens);
  EXPECT_EQ(closed.notes.at("from-notes")[0], 0);
}

TEST_F(ErenTest, the_option_compares_reading_word_and_closed_book) {
  write_notes({7});
  const Tensor read = at::tensor({0.5f, 0.3f, 0.2f}).log(), closed = at::tensor({0.1f, 0.8f, 0.1f}).log();
  const auto combined = [&](const std::string& more, Step& step) {
    const auto control = begun(",margin=0.5,option=" + more);
    return control->combine(step);
  };
  Step gain{read, {closed}};
  EXPECT_TRUE(at::equal(combined("gain", gain), read));  // log 5
  EXPECT_NEAR(gain.notes.at("answerable"), std::log(5.0), 1e-5);
  Step sure{read, {closed}};
  EXPECT_TRUE(at::equal(combined("sure", sure), closed));  // log 0.5
  // Word: its tokens' log-probabilities are summed, the later ones behind the first.
  const auto word = model->tokenizer->encode(" unknown true");
  ASSERT_GE(word.size(), 2u);
  const auto control = begun(",option=word,word= unknown true");
  Step step{at::zeros({model->config.vocab}), {at::zeros({model->config.vocab})}};
  step.logits[5] = 2;
  const auto trials = control->trials(step);
  ASSERT_EQ(trials.size(), word.size() - 1);
  EXPECT_EQ(trials[0].tokens, std::vector<int32_t>(word.begin(), word.begin() + 1));
  step.tried.assign(trials.size(), at::zeros({model->config.vocab}));
  control->combine(step);
  EXPECT_NEAR(step.notes.at("answerable"), 2 + double(trials.size()) * std::log(double(model->config.vocab)), 1e-3);
}

TEST_F(ErenTest, read_apart_the_word_is_tried_behind_every_reading) {
  const std::string person = facts.facts[7].subject;
  write_text(file, person + " was born in Turin .\n" + person + " wrote .\n" + person + " lives .\n");
  const auto word = model->tokenizer->encode(" unknown true");
  const auto control = begun(",apart=true,k=3,option=word,word= unknown true,margin=-1e9");
  const Tensor flat = at::zeros({model->config.vocab});
  Step step{flat, {flat, flat, flat.clone()}};
  step.twins[2][5] = 2.0f;  // the third reading is the surest, and loses to the word
  const auto trials = control->trials(step);
  ASSERT_EQ(trials.size(), 3 * (word.size() - 1));
  EXPECT_EQ(trials.front().stream, 0u);
  EXPECT_EQ(trials.back().stream, 3u);
  step.tried.assign(trials.size(), flat);
  for (size_t n = 1; n < word.size(); ++n) {
    step.tried[2 * (word.size() - 1) + n - 1] = flat.clone();
    step.tried[2 * (word.size() - 1) + n - 1][word[n]] = 20.0f;
  }
  EXPECT_TRUE(at::equal(control->combine(step), flat));
}

TEST_F(ErenTest, without_notes_nothing_changes_and_a_batch_gives_what_a_row_gives_alone) {
  Request none = ask(3);
  none.controls = {control_from("eren:margin=-1e9")};
  EXPECT_EQ(run(none).tokens, run(ask(3)).tokens);
  write_notes({0, 7, 14});
  const auto together = generate(*model, {ask(0, ",margin=-1e9"), ask(7, ",margin=-1e9"), ask(1)}, {.compute = f32});
  const auto alone = run(ask(7, ",margin=-1e9"));
  EXPECT_EQ(together[1][0].tokens, alone.tokens);
  for (size_t t = 0; t < alone.logprobs.size(); ++t) EXPECT_NEAR(together[1][0].logprobs[t], alone.logprobs[t], 1e-4);
}

TEST_F(ErenTest, refuses_files_without_notes_and_prompts_that_ask_nothing) {
  write_text(file, "\n  \n");
  EXPECT_THROW(ask(0, ",k=1"), Error);
  write_text(file, "{\"note\": \"a\"}\n");
  EXPECT_THROW(ask(0, ",k=1"), Error);
  write_text(file, "{\"text\": \"Ada was born in Rome .\"}\n");
  Request text = ask(0, ",k=1");
  text.prompt = {"once upon a time", ""};
  EXPECT_THROW(run(text), UsageError);
}

}  // namespace
}  // namespace ken::generate::eren_test_file
