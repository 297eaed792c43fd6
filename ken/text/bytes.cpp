// UTF-8 and GPT-2's printable byte alphabet: each byte is one visible character, so that a vocabulary is plain text.
#include "ken/text/bytes.h"

#include <algorithm>

namespace ken::text {
namespace {

bool is_printable(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

// Characters of the alphabet lie below U+0144: one or two bytes.
std::string short_utf8(int code) {
  if (code < 0x80) return std::string(1, char(code));
  return {char(0xc0 | code >> 6), char(0x80 | (code & 0x3f))};
}

struct Alphabet {
  std::array<std::string, 256> character;
  std::array<uint8_t, 256> order;
  std::array<int16_t, 0x144> byte;  // code point -> byte, -1 = not of the alphabet
};

const Alphabet& alphabet() {
  static const Alphabet made = [] {
    Alphabet result;
    result.byte.fill(-1);
    size_t place = 0;
    const auto add = [&](int byte, int code) {
      result.character[byte] = short_utf8(code);
      result.order[place++] = uint8_t(byte);
      result.byte[code] = int16_t(byte);
    };
    for (int byte = 0; byte < 256; ++byte)
      if (is_printable(byte)) add(byte, byte);
    int code = 0x100;
    for (int byte = 0; byte < 256; ++byte)
      if (!is_printable(byte)) add(byte, code++);
    return result;
  }();
  return made;
}

struct Lead {
  size_t length;
  uint8_t low, high;  // bounds of the second byte
};

// Table 3-7 of the Unicode standard.
Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

}  // namespace

size_t utf8_length(std::string_view text, size_t at) {
  if (at >= text.size()) return 0;
  const Lead lead = lead_of(uint8_t(text[at]));
  if (lead.length <= 1) return lead.length;
  if (text.size() - at < lead.length) return 0;
  const uint8_t second = uint8_t(text[at + 1]);
  if (second < lead.low || second > lead.high) return 0;
  for (size_t i = 2; i < lead.length; ++i)
    if ((uint8_t(text[at + i]) & 0xc0) != 0x80) return 0;
  return lead.length;
}

size_t utf8_run_end(std::string_view text, size_t at) {
  while (const size_t length = utf8_length(text, at)) at += length;
  return at;
}

char32_t code_point(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return char32_t(uint8_t(text[at + i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return lead;
  if (lead < 0xe0) return (lead & 0x1f) << 6 | (byte(1) & 0x3f);
  if (lead < 0xf0) return (lead & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
  return (lead & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
}

void append_utf8(std::string& out, char32_t code) {
  const auto tail = [&](int shift) { out += char(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    out += char(code);
  } else if (code < 0x800) {
    out += char(0xc0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += char(0xe0 | code >> 12);
    tail(6), tail(0);
  } else {
    out += char(0xf0 | code >> 18);
    tail(12), tail(6), tail(0);
  }
}

std::optional<uint8_t> byte_of_piece(std::string_view piece) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return std::nullopt;
  const size_t high = digits.find(piece[3]), low = digits.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
  return uint8_t(high << 4 | low);
}

namespace {

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t found = std::min(text.find(from, at), text.size());
    result += text.substr(at, found - at);
    if (found < text.size()) result += to;
    at = found + from.size();
  }
  return result;
}

}  // namespace

std::string mark_spaces(std::string_view text) { return replace_all(text, " ", space_mark); }
std::string unmark_spaces(std::string_view piece) { return replace_all(piece, space_mark, " "); }

bool is_utf8(std::string_view text) { return utf8_run_end(text, 0) == text.size(); }

const std::array<std::string, 256>& byte_alphabet() { return alphabet().character; }
const std::array<uint8_t, 256>& byte_alphabet_order() { return alphabet().order; }

std::string to_byte_alphabet(std::string_view bytes) {
  std::string result;
  for (const char byte : bytes) result += byte_alphabet()[uint8_t(byte)];
  return result;
}

std::optional<std::string> from_byte_alphabet(std::string_view piece) {
  std::string result;
  for (size_t at = 0; at < piece.size();) {
    const size_t length = utf8_length(piece, at);
    if (length != 1 && length != 2) return std::nullopt;
    const int lead = uint8_t(piece[at]);
    const int code = length == 1 ? lead : (lead & 0x1f) << 6 | (uint8_t(piece[at + 1]) & 0x3f);
    if (code >= int(alphabet().byte.size()) || alphabet().byte[code] < 0) return std::nullopt;
    result += char(alphabet().byte[code]);
    at += length;
  }
  return result;
}

}  // namespace ken::text
