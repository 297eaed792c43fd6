// What every fuzzer of tokenizers asks of encode_with_offsets.
#pragma once
#include <cstdlib>

#include "ken/text/tokenizer.h"

// The spans lie in order, have no gaps and cover the line.
inline void check_spans(const ken::text::Tokenizer& tokenizer, std::string_view line) {
  size_t end = 0;
  const auto pieces = tokenizer.encode_with_offsets(line);
  for (const auto& piece : pieces) {
    if (piece.begin != end || piece.end < piece.begin) std::abort();
    end = piece.end;
  }
  if (!pieces.empty() && end != line.size()) std::abort();
}
