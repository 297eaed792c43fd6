// Chat templates: the public face of the interpreter, with its limits and the place of an error.
#include "ken/text/chat_template.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "ken/text/jinja_eval.h"

namespace ken::text {

struct ChatTemplate::Parsed {
  std::unique_ptr<const jinja::Template> tree;
};

namespace {

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm result{};
  ::localtime_r(&now, &result);
  return result;
}

using Variables = std::vector<std::pair<std::string, jinja::Value>>;

Variables read_variables(const TemplateInput& input) {
  Variables variables;
  const auto put = [&](const std::string& name, const Json& value) {
    try {
      variables.emplace_back(name, jinja::from_json(value));
    } catch (const jinja::Fault& fault) {
      fail("template", "the variable '{}': {}", name.substr(0, 80), fault.what());
    }
  };
  put("messages", input.messages);
  put("add_generation_prompt", input.add_generation_prompt);
  if (input.bos_token) put("bos_token", *input.bos_token);
  if (input.eos_token) put("eos_token", *input.eos_token);
  if (input.tools) put("tools", *input.tools);
  for (const auto& [name, value] : input.variables.items()) put(name, value);
  return variables;
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, TemplateLimits limits) : limits_(limits) {
  auto parsed = std::make_unique<Parsed>();
  parsed->tree = jinja::parse(source, limits);
  parsed_ = std::move(parsed);
}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const TemplateInput& input) const {
  // These outlive the render, so they are made before the meter counts.
  jinja::global_functions();
  const Variables variables = read_variables(input);
  jinja::Meter meter(limits_);
  const jinja::MeterScope scope(meter);
  jinja::Interpreter interpreter(*parsed_->tree, meter, input.clock ? input.clock : local_time);
  try {
    return interpreter.run(variables);
  } catch (const jinja::Fault& fault) {
    fail("template", "line {}: {}", interpreter.line(), fault.what());
  }
}

std::tm template_clock() {
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  if (!epoch || !*epoch) return local_time();
  std::time_t seconds = 0;
  std::tm result{};
  const char* end = epoch + std::strlen(epoch);
  const auto [stopped, error] = std::from_chars(epoch, end, seconds);
  if (error != std::errc() || stopped != end || !::gmtime_r(&seconds, &result))
    fail_usage("template", "SOURCE_DATE_EPOCH is '{}'; it must be seconds since 1970",
               std::string(epoch).substr(0, 40));
  return result;
}

}  // namespace ken::text
