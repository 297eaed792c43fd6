// Chat templates: the interface, each limit, and templates that mean harm.
#include "ken/text/chat_template.h"

#include <gtest/gtest.h>

#include <thread>

namespace ken::text::chat_template_test_file {
namespace {

using namespace ken;

std::string render(const std::string& source, const Json& variables = Json::object(),
                   text::TemplateLimits limits = {}) {
  return text::ChatTemplate(source, limits).render({.variables = variables});
}

std::string error(const std::string& source, text::TemplateLimits limits = {}) {
  try {
    render(source, Json::object(), limits);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_limit(const std::string& source, const std::string& limit, text::TemplateLimits limits = {}) {
  EXPECT_NE(error(source, limits).find("(limit: " + limit + ")"), std::string::npos)
      << source.substr(0, 200) << "\n"
      << error(source, limits).substr(0, 200);
}

std::string times(const std::string& text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(ChatTemplateTest, InputIsVariables) {
  const text::ChatTemplate parsed(
      "{{ bos_token }}{% for m in messages %}{{ m.role }}{% endfor %}{{ add_generation_prompt }}{{ eos_token is "
      "defined }}"
      "{{ tools is defined }}{{ extra }}");
  text::TemplateInput input{.messages = {{{"role", "user"}}}, .bos_token = "<s>", .variables = {{"extra", 1.5}}};
  EXPECT_EQ(parsed.render(input), "<s>userFalseFalseFalse1.5");
  input.tools = nullptr;
  input.add_generation_prompt = true;
  EXPECT_EQ(parsed.render(input), "<s>userTrueFalseTrue1.5");
  input.variables["bos_token"] = "own";
  EXPECT_EQ(parsed.render(input), "ownuserTrueFalseTrue1.5");
}

TEST(ChatTemplateTest, OneTemplateIsRenderedByManyThreads) {
  const text::ChatTemplate parsed(
      "{% set ns = namespace(x='') %}{% for i in range(50) %}{% set ns.x = ns.x ~ i %}{% endfor %}"
      "{{ ns.x|length }}{{ name }}");
  std::vector<std::string> results(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < results.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) results[t] = parsed.render({.variables = {{"name", t}}});
    });
  for (auto& thread : threads) thread.join();
  for (size_t t = 0; t < results.size(); ++t) EXPECT_EQ(results[t], "90" + std::to_string(t));
}

TEST(ChatTemplateTest, RaiseExceptionGivesItsTextAlone) {
  EXPECT_THROW(render("{{ raise_exception('no\nway') }}"), text::TemplateRaised);
  EXPECT_EQ(error("a\n{{ raise_exception('no\nway') }}"), "no\nway");
}

TEST(ChatTemplateTest, TheClockIsInjected) {
  std::tm time{};
  time.tm_year = 100;
  time.tm_mon = 1;
  time.tm_mday = 29;
  EXPECT_EQ(text::ChatTemplate("{{ strftime_now('%d %b %Y %Z%f%-d') }}").render({.clock = [&] { return time; }}),
            "29 Feb 2000 00000029");
}

TEST(ChatTemplateTest, ErrorsNameTheLineAndWhatWasFound) {
  EXPECT_EQ(error("a\n\n{{ x.y }}"), "[template] line 3: 'x' is undefined");
  EXPECT_EQ(error("{% if 1 %}\n"), "[template] line 1: the template ends without {% endif %}");
  EXPECT_EQ(error("\n{{ 1 + }}"), "[template] line 2: unexpected '}}'");
  EXPECT_EQ(error("\n{{ 'abc'[0, 1:2] }}"), "[template] line 2: a slice stands alone within its brackets");
  EXPECT_EQ(error("{% frob %}"), "[template] line 1: unknown tag 'frob'");
  EXPECT_EQ(error("\n{{ 'a' + 1 }}"), "[template] line 2: can only concatenate str (not \"int\") to str");
  EXPECT_EQ(error("{{ [].append(1) }}"), "[template] line 1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(error("{{ 1|frob }}"), "[template] line 1: no filter named 'frob'");
  EXPECT_EQ(error("\xff"), "[template] the template is not UTF-8; the file is damaged");
  EXPECT_EQ(error("{% include 'x' %}"), "[template] line 1: a chat template cannot use other templates");
}

TEST(ChatTemplateTest, EachLimitIsNamed) {
  expect_limit("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "steps");
  expect_limit("{{ range(100001) }}", "range");
  expect_limit("{{ range(-9223372036854775807, 9223372036854775807) }}", "range");
  expect_limit("{{ 'a' * 99999999999 }}", "text");
  expect_limit("{{ [1] * 99999999999 }}", "memory");
  expect_limit(
      "{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = n.x + [range(100000)|list] %}{% endfor %}",
      "memory");
  expect_limit("{{ 'a' * 9000000 }}{{ 'a' * 9000000 }}", "output");
  expect_limit("{% macro f() %}{{ 'a' * 9000000 }}{{ f() }}{% endmacro %}{{ f() }}", "output");
  expect_limit("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls");
  expect_limit("{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}", "calls");
  expect_limit("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "calls");
  expect_limit("{% set n = namespace(x=[]) %}{% for i in range(999) %}{% set n.x = [n.x] %}{% endfor %}", "nesting");
  expect_limit(std::string(1 << 20, 'a') + "b", "source");
  expect_limit(times("{{a}}", 150000), "nodes");
  expect_limit("{{ 9223372036854775807 + 1 }}", "integers");
  expect_limit("{% for i in range(99) %}{% endfor %}", "steps", {.steps = 50});
}

TEST(ChatTemplateTest, DeepNestingIsRefusedWhereverItStands) {
  constexpr size_t n = 40000;
  for (const std::string& source :
       {"{{ " + times("(", n), "{{ " + times("[", n), "{{ " + times("{1:", n), "{{ " + times("not ", n) + "1 }}",
        "{{ " + times("-", n) + "1 }}", times("{% if 1 %}", n), "{{ 1" + times("+1", n) + " }}",
        "{{ a" + times(".a", n) + " }}", "{{ a" + times("()", n) + " }}", "{{ a" + times("|e", n) + " }}",
        "{{ a" + times("[0]", n) + " }}", "{{ " + times("1 if 1 else ", n) + "1 }}",
        "{{ 1" + times(" is eq 1", n) + " }}", times("{% set x %}", n)})
    expect_limit(source, "nesting");
  // Long is not deep.
  EXPECT_EQ(render("{{ 'a'" + times("~'a'", n) + " }}").size(), n + 1);
  EXPECT_EQ(render("{{ 1" + times(" and 1", n) + " }}"), "1");
  EXPECT_EQ(render("{% if 0 %}" + times("{% elif 0 %}", n) + "{% else %}x{% endif %}"), "x");
}

TEST(ChatTemplateTest, ValuesThatShareTheirPartsCostWhatTheyWouldCopied) {
  const std::string twice =
      "{% set n = namespace(x=('a',), y=('a',)) %}"
      "{% for i in range(100) %}{% set n.x = (n.x, n.x) %}{% set n.y = (n.y, n.y) %}{% endfor %}";
  EXPECT_NE(error(twice + "{{ n.x }}").find("limit"), std::string::npos);
  EXPECT_NE(error(twice + "{{ n.x|tojson }}").find("limit"), std::string::npos);
  expect_limit(twice + "{{ n.x == n.y }}", "steps");
  expect_limit(twice + "{{ [n.x, n.y]|sort }}", "steps");
  expect_limit(twice + "{{ {n.x: 1} }}", "steps");
}

// Chains of objects that a destructor could follow until the stack ends.
TEST(ChatTemplateTest, WhatHoldsItselfIsFreed) {
  EXPECT_EQ(render("{% set n = namespace() %}{% set n.a = n %}{% set n.b = [n] %}{{ n.a.a.b }}"), "[<Namespace>]");
  const std::string all = "{% set n = namespace(x=0) %}{% for i in range(20000) %}";
  error(all + "{% set m = namespace(x=n.x) %}{% set n.x = m %}{% endfor %}");
  error(all + "{% set p = n.x %}{% macro g() %}{{ p }}{% endmacro %}{% set n.x = g %}{% endfor %}");
  error(all + "{% for x in [1] %}{{ loop.changed(n.x, loop) }}{% set n.x = loop %}{% endfor %}{% endfor %}");
  expect_limit(all + "{% for x in [n.x] %}{% set n.x = loop %}{% endfor %}{% endfor %}", "nesting");
  expect_limit(all + "{% set n.x = cycler(n.x).next %}{% endfor %}", "nesting");
}

TEST(ChatTemplateTest, NumbersAtTheirEnds) {
  const std::string least = "(-9223372036854775807 - 1)";
  for (const std::string& source : {"{{ " + least + " // -1 }}", "{{ -" + least + " }}", "{{ " + least + "|abs }}",
                                    std::string("{{ 2 ** 99999 }}"), std::string("{{ 9223372036854775808 }}")})
    EXPECT_NE(error(source).find("64 bits"), std::string::npos) << source;
  EXPECT_EQ(render("{{ " + least + " % -1 }}{{ 1 ** 999999999999 }}"), "01");
  EXPECT_EQ(render("{{ 'abc'[::9223372036854775807] }}{{ 'abc'[::" + least + "] }}{{ 'abc'[" + least + ":] }}"),
            "acabc");
  EXPECT_EQ(render("{{ 1.5|round(9223372036854775807) }} {{ 5|round(-30) }}"), "1.5 0");
  EXPECT_EQ(render("{{ x }}", Json::parse(R"({"x": 9223372036854775807})")), "9223372036854775807");
  EXPECT_THROW(render("{{ x }}", Json::parse(R"({"x": 18446744073709551615})")), Error);
}

TEST(ChatTemplateTest, DeepInputIsRefused) {
  EXPECT_THROW(render("{{ x }}", Json::parse("{\"x\": " + times("[", 2000) + times("]", 2000) + "}")), Error);
}

TEST(ChatTemplateTest, TheClockOfACommandLineIsTheEpochOfTheEnvironment) {
  const text::ChatTemplate parsed("{{ strftime_now('%Y-%m-%d %H:%M') }}");
  ::setenv("SOURCE_DATE_EPOCH", "1767312000", 1);
  EXPECT_EQ(parsed.render({.clock = text::template_clock}), "2026-01-02 00:00");
  ::setenv("SOURCE_DATE_EPOCH", "soon", 1);
  EXPECT_THROW(parsed.render({.clock = text::template_clock}), UsageError);
  ::unsetenv("SOURCE_DATE_EPOCH");
  EXPECT_EQ(parsed.render({.clock = text::template_clock}).size(), 16u);
  EXPECT_EQ(parsed.render({}).size(), 16u);
}

}  // namespace
}  // namespace ken::text::chat_template_test_file
