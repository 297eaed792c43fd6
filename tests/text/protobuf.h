// Writes tokenizer.model files for tests: SentencePiece's ModelProto, field by field.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include "tests/text/vocabularies.h"

namespace ken::test {

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += char(0x80 | (value & 0x7f));
  return bytes + char(value);
}
inline std::string field(uint32_t number, uint64_t value) { return varint(number << 3) + varint(value); }
inline std::string field(uint32_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
inline std::string field(uint32_t number, float value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return varint(number << 3 | 5) + bytes;
}

struct ModelSettings {
  uint64_t type = 1;  // 1 unigram, 2 BPE
  bool prefix = true, removes_spaces = true, suffix = false;
  std::string rules = {};
};

inline std::string sentencepiece_model(const std::vector<Token>& pieces, const ModelSettings& settings) {
  std::string model;
  for (const Token& piece : pieces)
    model += field(1, field(1, piece.piece) + field(2, float(piece.score)) + field(3, uint64_t(piece.type)));
  model += field(2, field(3, settings.type) + field(24, uint64_t(settings.suffix)));
  std::string normalizer = settings.rules.empty() ? "" : field(2, settings.rules);
  normalizer += field(3, uint64_t(settings.prefix)) + field(4, uint64_t(settings.removes_spaces));
  return model + field(3, normalizer);
}

// The rules "A + U+030A -> Å", "ﬁ -> fi", "fullwidth A -> A", the same with U+030A -> Å, "tab -> space",
// "ideographic space -> space", "soft hyphen -> nothing" and "U+FEFF -> nothing" as SentencePiece compiles them.
inline std::string small_rules() {
  static const std::vector<std::pair<size_t, uint32_t>> units{
      {0, 8192},        {1, 3337},       {2, 2147483649}, {3, 144588},      {4, 1418},    {5, 2147483656},
      {6, 1453},        {7, 2147483648}, {8, 132224},     {9, 11648},       {10, 131244}, {11, 7553},
      {12, 2147483653}, {13, 10687},     {14, 1441},      {15, 2147483651}, {26, 185532}, {29, 179387},
      {73, 137281},     {195, 79052},    {202, 99522},    {231, 66799},     {235, 101603}};
  std::vector<uint32_t> array(256);
  for (size_t i = 0; i < array.size(); ++i) array[i] = uint32_t(i ^ 1);
  for (const auto& [at, value] : units) array[at] = value;
  std::string blob(4 + 4 * array.size(), '\0');
  const uint32_t size = uint32_t(4 * array.size());
  std::memcpy(blob.data(), &size, 4);
  std::memcpy(blob.data() + 4, array.data(), size);
  return blob + std::string("\0 \0A\0fi\0Å\0", 11);
}

inline std::vector<Token> with_bytes(std::vector<Token> tokens) {
  for (int byte = 0; byte < 256; ++byte) {
    static constexpr char digits[] = "0123456789ABCDEF";
    tokens.push_back({std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + ">", 6});
  }
  return tokens;
}

}  // namespace ken::test
