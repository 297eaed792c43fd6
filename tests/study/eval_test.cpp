// A benchmark's run on a tiny model: the form of the results, resuming, few-shot, what is refused.
#include "ken/study/eval.h"

#include <gtest/gtest.h>

#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::study::eval_test_file {
namespace {

const tasks::TaskEntry& jsonl() { return Registry<tasks::TaskEntry>::get().at("task", "jsonl"); }

fs::path choices_file(const fs::path& folder, size_t items) {
  std::string text;
  for (size_t i = 0; i < items; ++i)
    text += io::jsonl_line({{"question", fmt::format("where was person {} born ?", i)},
                            {"choices", {"London", "Paris and Rome", "the city"}},
                            {"answer", i % 3}});
  write_text(folder / "choices.jsonl", text);
  return folder / "choices.jsonl";
}

fs::path open_file(const fs::path& folder) {
  std::string text;
  for (int i = 0; i < 5; ++i)
    text +=
        io::jsonl_line({{"question", fmt::format("where was person {} born ?", i)}, {"answers", {"London", "Paris"}}});
  write_text(folder / "open.jsonl", text);
  return folder / "open.jsonl";
}

EvalOptions options(const fs::path& out) { return {.out = out, .compute = nn::Compute::f32}; }

std::vector<Json> samples(const fs::path& out) {
  std::vector<Json> rows;
  for (auto& record : io::read_records(out / "samples_jsonl.jsonl")) rows.push_back(std::move(record.fields));
  return rows;
}

TEST(EvalTest, results_have_the_form_of_the_harness) {
  const auto model = test::tiny_model();
  const auto out = test::scratch("eval-form");
  const auto result = evaluate(*model, jsonl(), {}, choices_file(out, 10), options(out));
  const Json written = Json::parse(read_text(out / "results.json"));
  EXPECT_EQ(written, result.results);
  const Json& own = written.at("results").at("jsonl");
  EXPECT_EQ(own.at("alias"), "jsonl");
  for (const char* key : {"acc,none", "acc_stderr,none", "acc_norm,none", "acc_norm_stderr,none"})
    EXPECT_TRUE(own.at(key).is_number()) << key;
  for (const char* key : {"configs", "versions", "n-shot", "higher_is_better", "n-samples", "group_subtasks"})
    EXPECT_TRUE(written.at(key).contains("jsonl")) << key;
  EXPECT_EQ(written.at("n-samples").at("jsonl"), (Json{{"original", 10}, {"effective", 10}}));
  const auto rows = samples(out);
  ASSERT_EQ(rows.size(), 10u);
  double sum = 0;
  for (const Json& row : rows) sum += row.at("acc").get<double>();
  EXPECT_DOUBLE_EQ(own.at("acc,none").get<double>(), sum / 10);
  const double p = sum / 10;  // the sample deviation of zeros and ones over the root of n
  EXPECT_NEAR(own.at("acc_stderr,none").get<double>(), std::sqrt(p * (1 - p) / 9), 1e-12);
  EXPECT_EQ(rows[1].at("arguments").at("gen_args_1").at("arg_1"), " Paris and Rome");
  EXPECT_EQ(rows[1].at("resps").size(), 3u);
  EXPECT_EQ(rows[1].at("resps")[0][0], rows[1].at("filtered_resps")[0]);
  EXPECT_EQ(rows[1].at("target"), "1");
}

TEST(EvalTest, a_run_cut_anywhere_resumes_to_the_same_bytes) {
  const auto model = test::tiny_model();
  const auto data = test::scratch("eval-data"), whole = test::scratch("eval-whole"), cut = test::scratch("eval-cut");
  const auto file = choices_file(data, 300);  // three blocks
  evaluate(*model, jsonl(), {}, file, options(whole));
  const std::string rows = read_text(whole / "samples_jsonl.jsonl"), results = read_text(whole / "results.json");
  for (double share : {0.0, 0.3, 0.5, 0.99, 1.0}) {
    fs::remove_all(cut);
    fs::create_directories(cut);
    fs::copy(whole / "settings_jsonl.json", cut / "settings_jsonl.json");
    write_text(cut / "samples_jsonl.jsonl", std::string_view(rows).substr(0, size_t(share * double(rows.size()))));
    const auto result = evaluate(*model, jsonl(), {}, file, options(cut));
    EXPECT_EQ(result.resumed, share >= 1 ? 300u : share >= 0.9 ? 256u : share >= 0.5 ? 128u : 0u) << share;
    EXPECT_EQ(read_text(cut / "samples_jsonl.jsonl"), rows) << share;
    EXPECT_EQ(read_text(cut / "results.json"), results) << share;
  }
}

TEST(EvalTest, another_run_in_the_same_folder_is_refused) {
  const auto model = test::tiny_model();
  const auto out = test::scratch("eval-other");
  const auto file = choices_file(out, 5);
  evaluate(*model, jsonl(), {}, file, options(out));
  auto other = options(out);
  other.limit = 3;
  EXPECT_THROW(evaluate(*model, jsonl(), {}, file, other), UsageError);
}

TEST(EvalTest, worked_examples_stand_before_the_question_and_are_not_scored) {
  const auto model = test::tiny_model();
  const auto out = test::scratch("eval-fewshot");
  auto few = options(out);
  few.fewshot = 2;
  few.limit = 2;
  const auto result = evaluate(*model, jsonl(), {}, open_file(out), few);
  EXPECT_EQ(result.items, 2u);
  const auto rows = samples(out);
  EXPECT_EQ(rows[0].at("id"), "line3");
  const std::string style = data::ask(data::prompt_style(model->metadata), "where was person 0 born ?");
  const std::string prompt = rows[0].at("arguments").at("gen_args_0").at("arg_0").get<std::string>();
  EXPECT_EQ(prompt.rfind(style + " London\n\n", 0), 0u) << prompt;
  EXPECT_TRUE(rows[0].at("exact_match").is_number());
  few.fewshot = 5;
  EXPECT_THROW(evaluate(*model, jsonl(), {}, open_file(out), few), UsageError);
}

TEST(EvalTest, a_seed_draws_the_items_and_is_named) {
  const auto model = test::tiny_model();
  const auto out = test::scratch("eval-seed");
  auto drawn = options(out);
  drawn.seed = 3;
  drawn.limit = 4;
  const auto result = evaluate(*model, jsonl(), {}, choices_file(out, 100), drawn);
  EXPECT_EQ(result.results.at("config").at("random_seed"), 3);
  std::vector<std::string> ids;
  for (const Json& row : samples(out)) ids.push_back(row.at("id").get<std::string>());
  EXPECT_NE(ids, (std::vector<std::string>{"line1", "line2", "line3", "line4"}));
}

TEST(EvalTest, a_control_acts_on_open_answers_and_is_refused_for_options) {
  const auto model = test::tiny_model();
  const auto out = test::scratch("eval-control");
  write_text(out / "context.jsonl",
             "{\"question\":\"where was Ada born ?\",\"answer\":\"London\",\"context\":\"Ada was born in Paris .\"}\n");
  auto steered = options(out);
  steered.controls = {generate::control_from("cad:alpha=1")};
  const auto result = evaluate(*model, jsonl(), {}, out / "context.jsonl", steered);
  EXPECT_EQ(result.results.at("config").at("controls")[0].at("id"), "cad");
  EXPECT_EQ(result.results.at("results").at("jsonl").at("contains_stderr,none"), "N/A");  // of one item
  EXPECT_THROW(evaluate(*model, jsonl(), {}, choices_file(out, 3), steered), UsageError);
}

TEST(EvalTest, a_prompt_that_does_not_fit_ends_the_run_before_it_begins) {
  const auto model = test::tiny_model();
  const auto out = test::scratch("eval-long");
  std::string words;
  for (int i = 0; i < 200; ++i) words += " the";
  for (const char* rest : {"\"answer\":\"a\"", "\"choices\":[\"a\",\"b\"],\"answer\":0"}) {
    write_text(out / "long.jsonl", "{\"question\":\"" + words + "\"," + rest + "}\n");
    try {
      evaluate(*model, jsonl(), {}, out / "long.jsonl", options(out / "out"));
      FAIL();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("long.jsonl:1"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("context holds 128"), std::string::npos) << error.what();
    }
    EXPECT_FALSE(fs::exists(out / "out"));
  }
}

TEST(EvalTest, a_chat_model_is_asked_through_its_template_and_a_base_model_with_examples) {
  const auto out = test::scratch("eval-form-chat");
  const auto chat = test::tiny_chat_model(), base = test::tiny_base_model();
  const auto asked = evaluate(*chat, jsonl(), {}, open_file(out), options(out / "chat"));
  EXPECT_EQ(asked.results.at("config").at("prompt").at("form"), "chat");
  EXPECT_EQ(asked.items, 5u);
  const std::string prompt = samples(out / "chat")[0].at("arguments").at("gen_args_0").at("arg_0").get<std::string>();
  EXPECT_NE(prompt.find("<bos>user : where was person 0 born ?<pad><bos>assistant :"), std::string::npos) << prompt;
  base->config.context = 512;
  const auto shown = evaluate(*base, jsonl(), {}, open_file(out), options(out / "base"));
  EXPECT_EQ(shown.results.at("config").at("prompt").at("label"), "asked with 4 examples");
  EXPECT_EQ(shown.results.at("n-shot").at("jsonl"), 4);  // of five items one is left to ask
  EXPECT_EQ(shown.items, 1u);
  auto none = options(out / "none");
  none.fewshot = 0;
  EXPECT_EQ(evaluate(*base, jsonl(), {}, open_file(out), none).results.at("n-shot").at("jsonl"), 0);
}

TEST(EvalTest, worked_examples_of_a_chat_are_turns_and_options_follow_the_head_of_the_answer) {
  const auto out = test::scratch("eval-turns");
  const auto model = test::tiny_chat_model();
  auto few = options(out / "out");
  few.fewshot = 1;
  few.prompt.system = "";
  evaluate(*model, jsonl(), {}, choices_file(out, 3), few);
  const Json row = samples(out / "out")[0];
  EXPECT_EQ(row.at("arguments").at("gen_args_0").at("arg_0"),
            "<bos>user : where was person 0 born ?<pad><bos>assistant : London<pad>"
            "<bos>user : where was person 1 born ?<pad><bos>assistant :");
  EXPECT_EQ(row.at("arguments").at("gen_args_1").at("arg_1"), "Paris and Rome");
}

TEST(EvalTest, a_benchmark_with_words_of_its_own_is_put_as_it_is_published) {
  const auto out = test::scratch("eval-published");
  write_text(out / "creak.jsonl", "{\"sentence\":\"Ada lives .\",\"label\":\"true\"}\n");
  const auto model = test::tiny_chat_model();
  const auto& creak = Registry<tasks::TaskEntry>::get().at("task", "creak");
  const auto plain = evaluate(*model, creak, {}, out / "creak.jsonl", options(out / "plain"));
  EXPECT_EQ(plain.results.at("config").at("prompt").at("label"), "asked in the benchmark's own words");
  auto chat = options(out / "chat");
  chat.prompt.prompt = "chat";
  EXPECT_EQ(evaluate(*model, creak, {}, out / "creak.jsonl", chat).results.at("config").at("prompt").at("form"),
            "chat");
}

}  // namespace
}  // namespace ken::study::eval_test_file
