// Python's string functions over UTF-8. Private to text/.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ken::text::jinja {

bool is_space(char32_t c);
char32_t character(std::string_view text, size_t at, size_t& length);  // of well-formed UTF-8
std::string utf8(char32_t c);
size_t characters(std::string_view text);
// The byte at which character `n` begins; text.size() when there are fewer.
size_t byte_of(std::string_view text, size_t n);
std::vector<std::string_view> split_characters(std::string_view text);

enum class Side { left, right, both };
// Without characters: white space.
std::string_view strip(std::string_view text, const std::optional<std::string>& characters, Side side);
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);  // str.title()
std::string swap_case(std::string_view text);
std::string replace(std::string_view text, std::string_view from, std::string_view to, int64_t count = -1);
std::vector<std::string> split(std::string_view text, const std::optional<std::string>& separator, int64_t most);
std::vector<std::string> split_right(std::string_view text, const std::optional<std::string>& separator, int64_t most);
std::vector<std::string> split_lines(std::string_view text, bool keep_ends);
std::string html_escape(std::string_view text);
std::string quote(std::string_view text);  // repr()
// isalpha, isdigit...: every character has the property, and there is one.
bool all_are(std::string_view text, std::string_view method);
std::optional<int64_t> parse_integer(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);

}  // namespace ken::text::jinja
