// The tokens of a template, cut as Jinja2 cuts them with trim_blocks and lstrip_blocks. Private to text/.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ken/text/chat_template.h"

namespace ken::text::jinja {

enum class TokenType : uint8_t {
  data,
  output_begin,
  output_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  op,
  end
};

struct Token {
  TokenType type;
  uint32_t line;
  std::string_view text;  // of a string: between its quotes, escapes not yet read
};

// "\r\n" and "\r" become "\n", and one newline at the end is dropped; throws where the text is not UTF-8.
std::string normalise(std::string_view source);
std::vector<Token> tokenize(std::string_view normalised, const TemplateLimits& limits);

}  // namespace ken::text::jinja
