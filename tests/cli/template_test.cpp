// ken template as a user calls it: the exact bytes, where a template is found, and what each bad call says.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>

#include "ken/base/files.h"
#include "ken/base/json.h"
#include "ken/io/tensors.h"
#include "tests/fixtures.h"

namespace ken::cli::template_test_file {
namespace {

struct Result {
  int code;
  std::string out, err;
};

const fs::path& folder() {
  static const fs::path path = test::scratch("template");
  return path;
}

Result run(const std::string& arguments, const std::string& input, const std::string& environment = "") {
  const char* program = std::getenv("KEN_PROGRAM");
  write_text(folder() / "in", input);
  const std::string path = folder().string();
  const std::string command = environment + " " + (program ? program : "build/ken") + " template " + arguments + " <" +
                              path + "/in >" + path + "/out 2>" + path + "/err";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(folder() / "out"),
          read_text(folder() / "err")};
}

std::string file(const std::string& name, const std::string& text) {
  write_text(folder() / name, text);
  return (folder() / name).string();
}

// A GGUF file without tensors: what `ken template` needs of a model.
std::string gguf(const std::string& name, const std::map<std::string, std::string>& templates) {
  io::Metadata metadata;
  metadata.values["general.architecture"] = std::string("llama");
  metadata.values["tokenizer.ggml.tokens"] = std::vector<std::string>{"<unk>", "<s>", "</s>"};
  metadata.values["tokenizer.ggml.bos_token_id"] = int64_t{1};
  metadata.values["tokenizer.ggml.eos_token_id"] = int64_t{2};
  for (const auto& [key, text] : templates) metadata.values["tokenizer.chat_template" + key] = text;
  io::write_gguf(folder() / name, metadata, {});
  return (folder() / name).string();
}

const std::string hello = R"({"messages": [{"role": "user", "content": "Grüße\n"}], "add_generation_prompt": true})";

void expect(const Result& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_EQ(result.out, "");
}

TEST(TemplateCommandTest, PrintsTheExactBytes) {
  const std::string path = file("a.jinja", "{{ messages[0].content }}{{ add_generation_prompt }}{{ key }}\n");
  const Result result = run(path, hello);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "Grüße\nTrue");
  EXPECT_EQ(run(path, R"({"messages": [{"content": 1}], "key": [null]})").out, "1False[None]");
}

TEST(TemplateCommandTest, EveryFixtureIsByteEqual) {
  KEN_FIXTURE(cases, "chat_templates/meta-llama-Llama-3.2-3B-Instruct.json");
  const std::string path = fs::path(cases).replace_extension(".jinja").string();
  for (const Json& one : Json::parse(read_text(cases)))
    EXPECT_EQ(run(path, one.dump(), "SOURCE_DATE_EPOCH=1767312000").out, one["expected"].get<std::string>());
}

TEST(TemplateCommandTest, ATemplateThatRefusesExitsWith1AndItsText) {
  expect(run(file("b.jinja", "x{{ raise_exception('no system\nrole here') }}"), hello), 1, "no system\nrole here");
}

TEST(TemplateCommandTest, AModelBringsItsTemplateAndItsTokens) {
  const std::string model = gguf("m.gguf", {{"", "{{ bos_token }}|{{ eos_token }}"}, {".tool_use", "tools"}});
  EXPECT_EQ(run(model, hello).out, "<s>|</s>");
  EXPECT_EQ(run(model, R"({"messages": [], "bos_token": "B"})").out, "B|</s>");
  EXPECT_EQ(run(model + " --name tool_use", hello).out, "tools");
  expect(run(model + " --name tool_us", hello), 2, "did you mean tool_use");
  expect(run(gguf("n.gguf", {{".rag", "x"}}), hello), 2, "choose with --name: rag");
  expect(run(gguf("o.gguf", {}), hello), 1, "has no chat template");
}

TEST(TemplateCommandTest, AFolderBringsItsTemplateAndItsTokens) {
  fs::create_directories(folder() / "hf");
  const Json config{{"chat_template",
                     {{{"name", "default"}, {"template", "d{{ bos_token }}"}}, {{"name", "rag"}, {"template", "r"}}}},
                    {"bos_token", {{"content", "<s>"}}}};
  file("hf/tokenizer_config.json", config.dump());
  const std::string path = (folder() / "hf").string();
  EXPECT_EQ(run(path, hello).out, "d<s>");
  EXPECT_EQ(run(path + " --name rag", hello).out, "r");
  expect(run(path + " --name rog", hello), 2, "did you mean rag");
  file("hf/chat_template.jinja", "f{{ bos_token }}");
  EXPECT_EQ(run(path, hello).out, "f<s>");
}

TEST(TemplateCommandTest, BadCallsSayWhatIsWrong) {
  const std::string path = file("c.jinja", "{{ messages|frob }}");
  expect(run("/nowhere.jinja", hello), 2, "/nowhere.jinja is no file");
  expect(run(path, hello), 1, "line 1: no filter named 'frob'");
  expect(run(path, "[1"), 1, "stdin is no JSON object");
  expect(run(path, "[1]"), 1, "one JSON object with the list 'messages'");
  expect(run(path + " --name x", hello), 2, "--name chooses among those of a model");
  expect(run(file("d.jinja", std::string(100 << 20, 'a')), hello), 1, "longer than 1048576 bytes");
  expect(run(path, hello, "SOURCE_DATE_EPOCH=1x"), 1, "frob");
  expect(run(file("e.jinja", "{{ strftime_now('%Y') }}"), hello, "SOURCE_DATE_EPOCH=1x"), 2,
         "must be seconds since 1970");
  fs::remove(folder() / "d.jinja");
}

}  // namespace
}  // namespace ken::cli::template_test_file
