#include "ken/data/numbers.h"

#include <charconv>

namespace ken::data {

std::optional<double> first_probability(std::string_view text) {
  const auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (!digit(i) && !(text[i] == '.' && digit(i + 1))) continue;
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data() + i, text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc() || (i > 0 && text[i - 1] == '-') || value > 100) return std::nullopt;
    std::string_view rest(end, size_t(text.data() + text.size() - end));
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    const bool percent = rest.starts_with('%') || rest.starts_with("percent");
    return percent || value > 1 ? value / 100 : value;
  }
  return std::nullopt;
}

}  // namespace ken::data
