// Text that was made of the caller's text step by step, and where each of its bytes came from. Private to text/.
//
// What an offset means after normalising: a token's span begins where the first character begins that its first byte
// came from, and ends where the next token begins. Where several characters became one (an accent was composed) or
// changed together, all bytes of the result stand for the first of them; what a step removed belongs to the token
// before it, and what a step added to the token it became part of.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ken/base/error.h"

namespace ken::text {

struct MappedText {
  std::string text;
  std::vector<size_t> origins;  // of each byte and of the end, ascending; empty: byte i came from begin + i
  size_t begin = 0;
  size_t most = 0;  // bytes that steps may make of it: a few times the length of what the caller gave

  MappedText() = default;
  MappedText(std::string_view from, size_t at) : text(from), begin(at), most(1024 + 64 * from.size()) {}

  size_t origin(size_t i) const { return origins.empty() ? begin + i : origins[i]; }
  // `part` is a view into this text.
  size_t place_of(std::string_view part) const { return size_t(part.data() - text.data()); }

  // The part as a text of its own.
  MappedText cut(std::string_view part) const {
    MappedText result;
    const size_t at = place_of(part);
    result.text = part;
    result.begin = begin + at;
    result.most = most;
    if (!origins.empty()) result.origins.assign(origins.begin() + at, origins.begin() + at + part.size() + 1);
    return result;
  }
};

// Writes the text that a step makes of another, from left to right.
class Rewriter {
 public:
  explicit Rewriter(const MappedText& from) : from_(from) { to_.most = from.most; }

  // The bytes [begin, end) as they are.
  void keep(size_t begin, size_t end) {
    append(std::string_view(from_.text).substr(begin, end - begin));
    for (size_t i = begin; i < end; ++i) to_.origins.push_back(from_.origin(i));
  }
  // New bytes that stand for what begins at byte `at`.
  void put(std::string_view bytes, size_t at) {
    append(bytes);
    to_.origins.insert(to_.origins.end(), bytes.size(), from_.origin(at));
  }
  const std::string& text() const { return to_.text; }
  // Takes back what was written beyond `size` bytes.
  void shorten(size_t size) {
    to_.text.resize(size);
    to_.origins.resize(size);
  }
  MappedText finish() {
    to_.origins.push_back(from_.origin(from_.text.size()));
    return std::move(to_);
  }

 private:
  void append(std::string_view bytes) {
    if (to_.text.size() + bytes.size() > to_.most)
      fail("tokenizer", "normalising would make more than {} bytes of a text; the tokenizer's steps are damaged",
           to_.most);
    to_.text += bytes;
  }
  const MappedText& from_;
  MappedText to_;
};

}  // namespace ken::text
