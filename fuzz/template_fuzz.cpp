// Chat templates under libFuzzer: any text gives a rendered prompt within its limits, or a ken::Error.
//   template_fuzz -max_len=4096 fuzz/corpus/template
#include <cstdint>
#include <cstdlib>

#include "ken/text/chat_template.h"

namespace {

using namespace ken;

text::TemplateInput input() {
  const Json user{{"role", "user"}, {"content", "Grüße <b>\n"}};
  const Json answer{{"role", "assistant"},
                    {"content", nullptr},
                    {"tool_calls", {{{"function", {{"name", "f"}, {"arguments", {{"x", 1.5}}}}}}}}};
  text::TemplateInput result{.messages = {{{"role", "system"}, {"content", " S "}}, user, answer},
                             .add_generation_prompt = true,
                             .bos_token = "<s>",
                             .eos_token = "</s>"};
  result.tools = Json{{{"type", "function"}, {"function", {{"name", "f"}, {"n", -3}}}}};
  result.variables = {
      {"n", 3}, {"f", 2.5}, {"s", "Hello World"}, {"l", {3, 1, 2}}, {"d", {{"b", true}, {"a", nullptr}}}};
  result.clock = [] { return std::tm{}; };
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const text::TemplateInput chat = input();
  text::TemplateLimits limits;
  limits.steps = 20'000;
  limits.text = limits.output = size_t{1} << 18;
  limits.memory = size_t{1} << 20;
  try {
    const text::ChatTemplate parsed({reinterpret_cast<const char*>(data), size}, limits);
    const std::string once = parsed.render(chat);
    if (once.size() > limits.output || parsed.render(chat) != once) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
