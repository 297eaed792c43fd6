// UTF-8 and GPT-2's printable byte alphabet. Private to text/.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ken::text {

// Length of the well-formed UTF-8 character at `at` (no overlong forms, no surrogates), or 0 if there is none.
size_t utf8_length(std::string_view text, size_t at);
bool is_utf8(std::string_view text);

// The end of the longest well-formed run that begins at `at`; `at` itself when the byte there is bad.
size_t utf8_run_end(std::string_view text, size_t at);

// The code point of the well-formed character at `at`, and its way back.
char32_t code_point(std::string_view text, size_t at);
void append_utf8(std::string& out, char32_t code);

// "<0x0A>" -> 10; no value for other pieces.
std::optional<uint8_t> byte_of_piece(std::string_view piece);

// SentencePiece's sign for a space, U+2581, and text with and without it.
inline constexpr std::string_view space_mark = "\xe2\x96\x81";
std::string mark_spaces(std::string_view text);
std::string unmark_spaces(std::string_view piece);

// Byte -> the printable character that stands for it, in UTF-8 (GPT-2's encoder.py, bytes_to_unicode).
const std::array<std::string, 256>& byte_alphabet();
// All 256 bytes in the alphabet's own order: the printable ones first.
const std::array<uint8_t, 256>& byte_alphabet_order();
std::string to_byte_alphabet(std::string_view bytes);
// No value when a character is not of the alphabet.
std::optional<std::string> from_byte_alphabet(std::string_view piece);

}  // namespace ken::text
