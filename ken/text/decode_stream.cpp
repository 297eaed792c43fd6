// One token at a time: what a token decodes to depends on whether another stands before it, and on nothing else.
#include "ken/text/decode_stream.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "ken/text/bytes.h"

namespace ken::text {
namespace {

// Whether bytes can be added that make the beginning of a character a whole one.
bool may_be_completed(std::string_view begun) {
  for (const char* rest :
       {"\x80", "\x90", "\xa0", "\x80\x80", "\x90\x80", "\xa0\x80", "\x80\x80\x80", "\x90\x80\x80"}) {
    const std::string whole = std::string(begun) + rest;
    if (utf8_length(whole, 0) == whole.size()) return true;
  }
  return false;
}

}  // namespace

size_t complete_utf8(std::string_view text) {
  for (size_t held = std::min<size_t>(3, text.size()); held > 0; --held)
    if (may_be_completed(text.substr(text.size() - held))) return text.size() - held;
  return text.size();
}

std::string decode_next(const Tokenizer& tokenizer, std::optional<int32_t> last, int32_t id) {
  if (!last) return tokenizer.decode(std::array{id});
  return tokenizer.decode(std::array{*last, id}).substr(tokenizer.decode(std::array{*last}).size());
}

std::string DecodeStream::next(int32_t id) {
  held_ += decode_next(tokenizer_, last_, id);
  last_ = id;
  const size_t end = complete_utf8(held_);
  const std::string text = held_.substr(0, end);
  held_.erase(0, end);
  return text;
}

std::string DecodeStream::flush() {
  last_.reset();
  return std::exchange(held_, {});
}

std::string valid_utf8(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t end = utf8_run_end(text, at);
    result += text.substr(at, end - at);
    if (end < text.size()) result += "\xef\xbf\xbd";
    at = end + (end < text.size());
  }
  return result;
}

}  // namespace ken::text
