// Chat templates that models ship, against the text that Jinja2 with Hugging Face's settings gave; and a table of small
// templates for every tag, filter, test and method, against the same.
#include <gtest/gtest.h>

#include "ken/base/files.h"
#include "ken/text/chat_template.h"
#include "tests/fixtures.h"

namespace ken::text::chat_template_fixtures_test_file {
namespace {

using namespace ken;

std::tm second_of_january() {
  std::tm time{};
  time.tm_year = 126;
  time.tm_mday = 2;
  time.tm_wday = 5;
  time.tm_yday = 1;
  return time;
}

// What a template gives: {"ok": text}, {"raised": message} or {"error": true}.
Json outcome(const std::string& source, const text::TemplateInput& input, std::string* why = nullptr) {
  try {
    return {{"ok", text::ChatTemplate(source).render(input)}};
  } catch (const text::TemplateRaised& error) {
    return {{"raised", error.what()}};
  } catch (const Error& error) {
    if (why) *why = error.what();
    return {{"error", true}};
  }
}

void expect_fixture(const fs::path& cases, size_t& count) {
  const std::string source = read_text(fs::path(cases).replace_extension(".jinja"));
  for (const Json& one : Json::parse(read_text(cases))) {
    SCOPED_TRACE(cases.stem().string() + ", " + one["name"].get<std::string>());
    text::TemplateInput input{.messages = one["messages"],
                              .add_generation_prompt = one["add_generation_prompt"].get<bool>(),
                              .bos_token = one["bos_token"].get<std::string>(),
                              .eos_token = one["eos_token"].get<std::string>(),
                              .clock = second_of_january};
    if (one.contains("tools")) input.tools = one["tools"];
    const Json expected = one.contains("error") ? Json{{"raised", one["error"]}} : Json{{"ok", one["expected"]}};
    EXPECT_EQ(outcome(source, input), expected);
    ++count;
  }
}

TEST(ChatTemplateFixturesTest, EveryCaseIsByteEqual) {
  KEN_FIXTURE(folder, "chat_templates");
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".json") expect_fixture(entry.path(), count);
  EXPECT_GE(count, 80u);
}

TEST(ChatTemplateFixturesTest, SmallTemplatesGiveWhatJinja2Gives) {
  const char* source = std::getenv("KEN_SOURCE");
  const Json table = Json::parse(read_text(fs::path(source ? source : ".") / "tests/text/jinja_cases.json"));
  ASSERT_GE(table["cases"].size(), 400u);
  for (const Json& one : table["cases"]) {
    std::string why;
    const text::TemplateInput input{.variables = table["variables"], .clock = second_of_january};
    EXPECT_EQ(outcome(one[0].get<std::string>(), input, &why), one[1]) << one[0] << "\n" << why;
    // An error names its line.
    if (one[1].contains("error")) {
      EXPECT_EQ(why.rfind("[template] line ", 0), 0u) << why;
    }
  }
}

}  // namespace
}  // namespace ken::text::chat_template_fixtures_test_file
