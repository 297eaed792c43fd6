// The walk over a Darts double array: a unit holds its label (bits 0-7), whether a value follows (8) and the offset of
// its children (9-30); a value has bit 31 unset only in its own meaning.
#include "ken/text/charsmap.h"

#include "ken/base/error.h"
#include "ken/text/bytes.h"

namespace ken::text {
namespace {

uint32_t read_u32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= uint32_t(uint8_t(bytes[at + i])) << 8 * i;
  return value;
}

uint32_t label_of(uint32_t unit) { return unit & (uint32_t{1} << 31 | 0xff); }
uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }
bool has_value(uint32_t unit) { return unit >> 8 & 1; }

}  // namespace

CharsMap::CharsMap(std::string_view blob) {
  if (blob.empty()) return;
  const size_t size = blob.size() < 4 ? 0 : read_u32(blob, 0);
  if (size < 4 || size % 4 || size > blob.size() - 4)
    fail("tokenizer", "the normalisation rules name an array of {} bytes, but have {} in all; the file is damaged",
         size, blob.size());
  units_.resize(size / 4);
  for (size_t i = 0; i < units_.size(); ++i) units_[i] = read_u32(blob, 4 + 4 * i);
  replacements_ = blob.substr(4 + size);
}

uint32_t CharsMap::unit(size_t i) const {
  if (i >= units_.size())
    fail("tokenizer", "the normalisation rules lead to unit {} of {}; the file is damaged", i, units_.size());
  return units_[i];
}

std::string_view CharsMap::replacement(size_t at) const {
  if (at >= replacements_.size())
    fail("tokenizer", "a normalisation rule lies at byte {} of {}; the file is damaged", at, replacements_.size());
  const std::string_view rest = std::string_view(replacements_).substr(at);
  const std::string_view text = rest.substr(0, rest.find('\0'));
  if (!is_utf8(text)) fail("tokenizer", "the normalisation rule at byte {} is not UTF-8; the file is damaged", at);
  return text;
}

std::optional<CharsMap::Rule> CharsMap::find(std::string_view text, bool first) const {
  if (empty()) return std::nullopt;
  size_t length = 0, value = 0;
  size_t node = offset_of(unit(0));
  for (size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    const uint8_t byte = uint8_t(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const uint32_t here = units_[node];
    node ^= offset_of(here);
    if (!has_value(here)) continue;
    length = i + 1;
    value = unit(node) & 0x7fffffff;
    if (first) break;
  }
  if (!length) return std::nullopt;
  return Rule{length, replacement(value)};
}

}  // namespace ken::text
