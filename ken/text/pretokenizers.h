// How byte-level vocabularies cut text into words before any merge. Private to text/.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ken::text {

// One row of the table of tokenizer.ggml.pre names.
struct PreTokenizerRow {
  std::vector<std::string> names;
  std::vector<std::string> patterns;  // applied one after another, each to the pieces of the one before
  bool whole_words = false;           // a word that is a token skips the merges (Hugging Face's ignore_merges)
  bool add_bos = false;               // unless the file says otherwise
};

// A file with patterns of its own (tokenizer.ken.patterns) has this name for them.
inline constexpr const char* own_patterns = "ken";
const char* gpt2_pattern();
// The first name in the table with these patterns, else own_patterns.
std::string pre_tokenizer_name(const std::vector<std::string>& patterns, bool whole_words);

class PreTokenizer {
 public:
  // Throws Error with the known names when `name` is none of them.
  explicit PreTokenizer(const std::string& name) : PreTokenizer(find(name)) {}
  explicit PreTokenizer(PreTokenizerRow row);  // throws where a pattern does not compile
  static PreTokenizerRow find(const std::string& name);
  ~PreTokenizer();
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;

  const PreTokenizerRow& row() const { return row_; }
  // Calls `word` for consecutive pieces that cover `text`, which must be well-formed UTF-8.
  void split(std::string_view text, const std::function<void(std::string_view)>& word) const;

 private:
  struct Stage;
  void split_from(size_t stage, std::string_view text, const std::function<void(std::string_view)>& word) const;
  PreTokenizerRow row_;
  std::vector<std::unique_ptr<Stage>> stages_;
};

}  // namespace ken::text
