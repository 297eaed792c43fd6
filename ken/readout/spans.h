// Where characters of a generated text stand among its tokens.
#pragma once
#include <string>
#include <vector>

#include "ken/text/tokenizer.h"

namespace ken::readout {

struct Span {
  int64_t first = -1, last = -1;  // token indices, both included; -1: there is none
  bool found() const { return first >= 0; }
};

// The smallest run of tokens whose text covers bytes [begin, end) of what `tokens` decode to.
Span token_span(const text::Tokenizer& tokenizer, const std::vector<int32_t>& tokens, size_t begin, size_t end);

// Byte spans of the sentences of a text, without outer blanks: each ends with . ! ? before a blank or the end, or at a
// line's end.
std::vector<std::pair<size_t, size_t>> sentences(const std::string& text);

}  // namespace ken::readout
