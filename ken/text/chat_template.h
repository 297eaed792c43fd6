// Chat templates: the Jinja2 source that a model ships, parsed once and rendered as transformers renders it
// (trim_blocks, lstrip_blocks, loop controls, the generation tag, raise_exception, strftime_now, its tojson). A
// template is untrusted: everything it may cost has a limit, and an error says which one was met.
#pragma once
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ken/base/error.h"
#include "ken/base/json.h"

namespace ken::text {

struct TemplateLimits {
  size_t source = size_t{1} << 20;  // bytes of a template
  size_t nodes = 200'000;           // tokens of a template
  size_t nesting = 250;             // expressions and blocks inside one another; values, too
  size_t steps = 2'000'000;         // evaluations, and work on long values in units of about that cost
  size_t calls = 1200;              // evaluations inside one another, over macro calls
  size_t range = 100'000;           // length of a range
  size_t text = size_t{1} << 24;    // bytes of one string
  size_t memory = size_t{1} << 25;  // bytes of all values alive at once
  size_t output = size_t{1} << 24;  // bytes of the result
};

// The template itself refused its input (raise_exception): what() is its text, as it stands.
class TemplateRaised : public Error {
 public:
  using Error::Error;
};

struct TemplateInput {
  Json messages = Json::array();
  bool add_generation_prompt = false;
  std::optional<std::string> bos_token, eos_token;  // without a value the variable is not defined
  std::optional<Json> tools;
  Json variables = Json::object();  // any further ones; they win over those above
  std::function<std::tm()> clock;   // the time that strftime_now shows; empty: local time now
};

class ChatTemplate {
 public:
  // Throws Error with the line and what was found there.
  explicit ChatTemplate(std::string_view source, TemplateLimits limits = {});
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  // May be called from several threads at once. Throws TemplateRaised, or Error with the line.
  std::string render(const TemplateInput& input) const;

 private:
  struct Parsed;
  std::unique_ptr<const Parsed> parsed_;
  TemplateLimits limits_;
};

// For a command line: the time that SOURCE_DATE_EPOCH names, in UTC, if it is set; else local time. Throws when it is
// no number.
std::tm template_clock();

}  // namespace ken::text
