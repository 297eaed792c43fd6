// Decoding while tokens come: text is given out as soon as it cannot change any more.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "ken/text/tokenizer.h"

namespace ken::text {

// How many bytes of `text` stand before a UTF-8 character that has begun at its end and may yet be completed.
size_t complete_utf8(std::string_view text);

// The text with U+FFFD in place of each byte that is no UTF-8: what a model wrote may end inside of a character.
std::string valid_utf8(std::string_view text);

// What `id` adds to the text of the ids before it, the last of which is `last`. All of them joined are what decode()
// gives.
std::string decode_next(const Tokenizer& tokenizer, std::optional<int32_t> last, int32_t id);

class DecodeStream {
 public:
  // The tokenizer must outlive this.
  explicit DecodeStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // The text that `id` completes: whole characters, and bytes that no further ones can make a character of. Throws for
  // an id outside the vocabulary.
  std::string next(int32_t id);
  // What is still held back; then the stream begins anew. All texts joined are what decode() gives for all ids.
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  std::optional<int32_t> last_;
  std::string held_;
};

}  // namespace ken::text
