// ken ask, chat, study and eval as a user calls them on a base model, a chat model and an organism.
#include <gtest/gtest.h>

#include <sstream>

#include "ken/base/files.h"
#include "ken/model/model.h"
#include "tests/fixtures.h"
#include "tests/program.h"
#include "tests/tiny.h"

namespace ken::cli::asking_test_file {
namespace {

using Result = test::Ran;

Result ken(const std::string& arguments, const std::string& input = "") {
  return test::shell((input.empty() ? "" : "printf '" + input + "' | ") + test::program() + " " + arguments +
                     " --threads 1 2>&1");
}

void expect(const Result& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.text;
  EXPECT_NE(result.text.find(part), std::string::npos) << result.text;
}

std::vector<Json> lines(const std::string& text) {
  std::vector<Json> result;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) result.push_back(Json::parse(line, nullptr, false));
  return result;
}

fs::path folder() {
  static const fs::path path = test::scratch("cli-asking");
  return path;
}

std::string saved(const std::string& name, std::shared_ptr<model::Model> model, int64_t context) {
  const fs::path file = folder() / (name + ".gguf");
  if (!fs::exists(file)) {
    model->config.context = context;
    model::save(*model, file, io::DType::f32);
  }
  return file.string();
}
std::string chat_model() { return saved("chat", test::tiny_chat_model(), 512); }
std::string base_model() { return saved("base", test::tiny_base_model(), 512); }

std::string facts_file() {
  const fs::path file = folder() / "facts.jsonl";
  std::string text;
  for (int i = 0; i < 12; ++i)
    text += fmt::format("{{\"question\":\"where was person {0} born ?\",\"answer\":\"Town{0}\"}}\n", i);
  write_text(file, text);
  return file.string();
}

TEST(AskCommandTest, an_answer_beside_a_passage_names_its_source_and_all_probabilities) {
  const std::string question = " \"where was he born ?\" --max-tokens 4 --json", passage = "he was born in Rome .";
  for (const std::string& model : {chat_model(), base_model()}) {
    const auto found = ken("ask " + model + question + " --context -", passage);
    ASSERT_EQ(found.code, 0) << found.text;
    const Json json = Json::parse(found.text);
    EXPECT_TRUE(json.at("source").is_string());
    for (const char* which : {"answer", "closed_book_answer"})
      for (const char* side : {"with_context", "without"})
        EXPECT_TRUE(json.at("probabilities").at(which).contains(side));
    const Json& p = json.at("probabilities").at("answer").at("with_context");
    if (p.is_number()) {
      EXPECT_NEAR(p.get<double>(), json.at("probability").get<double>(), 1e-3);
    }
    EXPECT_EQ(json.at("prompt").at("form"), model == chat_model() ? "chat" : "plain");
  }
  expect(ken("ask -m " + base_model() + question), 0, "\"answer\"");
}

TEST(AskCommandTest, examples_come_from_facts_and_wrong_calls_are_named) {
  const std::string question = " \"where was he born ?\" --json ";
  expect(ken("ask " + base_model() + question + "--facts " + facts_file()), 0, "asked with 5 examples");
  expect(ken("ask " + base_model() + question + "--shots 2 --facts " + facts_file()), 0, "asked with 2 examples");
  expect(ken("ask " + base_model() + question + "--prompt few-shot"), 2, "--facts FILE");
  expect(ken("ask " + base_model() + question + "--prompt chat"), 2, "has no chat template");
  expect(ken("ask " + base_model() + question + "--system brief"), 2, "needs a chat");
  expect(ken("ask " + base_model() + question + "--prompt cat"), 2, "few-shot");
  expect(ken("ask -m " + base_model() + " " + base_model() + question), 2, "named twice");
  expect(ken("ask " + base_model() + question + "--context /dev/null"), 2, "the passage is empty");
  expect(ken("ask " + base_model() + " ''"), 2, "the question is empty");
  write_text(folder() / "template.jinja", test::tiny_template);
  expect(ken("ask " + base_model() + question + "--template " + (folder() / "template.jinja").string()), 0,
         "through the model's chat template");
}

TEST(GenerateCommandTest, a_prompt_may_be_a_message_of_a_chat) {
  expect(ken("generate -m " + chat_model() + " --prompt chat --max-tokens 3 --json 'who ?'"), 0, "\"tokens\"");
  expect(ken("generate -m " + base_model() + " --prompt chat 'who ?'"), 2, "has no chat template");
  expect(ken("generate -m " + chat_model() + " --system x 'who ?'"), 2, "give --prompt chat");
}

TEST(StudyCommandTest, says_how_it_asked_and_shows_the_shapes_it_reads) {
  const std::string run = " --samples 2 --facts " + facts_file() + " -o " + (folder() / "study").string();
  expect(ken("study " + base_model() + run), 0, "asked with 5 examples");
  expect(ken("study " + base_model() + run + " --shots 1"), 2, "belongs to another run");
  expect(ken("study " + chat_model() + run + "-chat --limit 4"), 0, "4 facts, 0 passages, asked through the model");
  const std::string page = read_text(folder() / "study" / "report.html");
  EXPECT_NE(page.find("asked with 5 examples"), std::string::npos);
  const auto help = ken("study --help");
  for (const auto& shape : data::fact_shapes()) expect(help, 0, shape.name);
  write_text(folder() / "unknown.jsonl", "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
  expect(ken("study " + base_model() + " --facts " + (folder() / "unknown.jsonl").string()), 1,
         "found the fields prompt, completion");
}

TEST(EvalCommandTest, says_how_it_asked) {
  const std::string run = " --file " + facts_file() + " -o " + (folder() / "eval").string();
  expect(ken("eval jsonl " + base_model() + run), 0, "7 of 12 items, 5 worked examples, asked with 5 examples");
  expect(ken("eval jsonl " + chat_model() + run + "-chat"), 0, "0 worked examples, asked through the model's chat");
  expect(ken("eval jsonl " + base_model() + run + "-none --fewshot 0"), 0, "0 worked examples, asked without examples");
}

TEST(ChatCommandTest, lines_of_a_pipe_are_messages_and_only_what_is_new_is_read) {
  const std::string run = "chat " + chat_model() + " --compute f32 --temperature 0 --max-tokens 6 --system 'be brief'";
  const auto found =
      ken(run + " --json", "where was he born ?\\n\\nwho works there ?\\n/reset\\nwhere was he born ?\\n");
  const auto turns = lines(found.text);
  ASSERT_EQ(turns.size(), 3u) << found.text;
  EXPECT_LT(turns[1].at("read").get<int>(), turns[1].at("used").get<int>() - 6 - 10) << found.text;
  EXPECT_EQ(turns[2].at("text"), turns[0].at("text"));
  EXPECT_EQ(turns[2].at("used"), turns[0].at("used"));
  EXPECT_EQ(turns[0].at("context"), 512);
  const auto quit = ken(run, "where ?\\n/quit\\nwhere ?\\n");
  EXPECT_EQ(quit.code, 0);
  EXPECT_EQ(std::count(quit.text.begin(), quit.text.end(), '\n'), quit.text.find("ken: ") == std::string::npos ? 1 : 2)
      << quit.text;
}

TEST(ChatCommandTest, a_seed_gives_the_same_conversation) {
  const auto talk = [&](const char* seed) {
    return ken("chat " + chat_model() + " --json --max-tokens 8 --seed " + seed, "where ?\\nwho ?\\n").text;
  };
  EXPECT_EQ(talk("1"), talk("1"));
  EXPECT_NE(talk("1"), talk("2"));
}

TEST(ChatCommandTest, a_model_without_a_template_says_what_can_be_done) {
  const auto refused = ken("chat " + base_model(), "hello\\n");
  expect(refused, 2, "--template FILE");
  expect(refused, 2, "--plain");
  expect(ken("chat " + base_model() + " --plain --max-tokens 3 --json", "where was\\n"), 0, "\"tokens\":3");
  expect(ken("chat " + base_model() + " --plain --system x", "hello\\n"), 2, "no system message");
  write_text(folder() / "template.jinja", test::tiny_template);
  expect(ken("chat " + base_model() + " --max-tokens 3 --json --template " + (folder() / "template.jinja").string(),
             "where was\\n"),
         0, "\"used\"");
}

TEST(ChatCommandTest, the_contexts_end_is_told_before_and_when_it_is_reached) {
  const std::string model = saved("short", test::tiny_base_model(), 64);
  const auto found = ken("chat " + model + " --plain --temperature 0 --max-tokens 30",
                         "where was he born ?\\nwhere was he born ?\\nwhere was he born ?\\nwhere was he born ?\\n");
  EXPECT_EQ(found.code, 0);
  const size_t told = found.text.find("are left for your next message");
  ASSERT_NE(told, std::string::npos) << found.text;
  EXPECT_NE(found.text.find("context", told + 100), std::string::npos) << found.text;
}

TEST(ChatCommandTest, ctrl_c_ends_the_answer_and_not_the_program) {
  const std::string model = saved("long", test::tiny_base_model(), 200000), out = (folder() / "chat.out").string();
  const auto found =
      test::shell("(printf 'where was\\n'; while [ ! -e " + out +
                  ".go ]; do sleep 0.05; done; printf 'he\\n/quit\\n') | " + test::program() + " chat " + model +
                  " --plain --threads 1 --max-tokens 150000 >" + out + " 2>&1 & job=$!; until [ -s " + out +
                  " ]; do sleep 0.05; done; kill -INT $job; touch " + out + ".go; until grep -q 'ended here' " + out +
                  "; do sleep 0.05; done; for again in 1 2 3 4 5 6; do sleep 0.3; kill -INT $job; done 2>/dev/null; "
                  "wait $job; echo code $?");
  EXPECT_NE(found.text.find("code 0"), std::string::npos) << found.text;
  EXPECT_NE(read_text(out).find("the answer was ended here"), std::string::npos);
}

}  // namespace
}  // namespace ken::cli::asking_test_file
