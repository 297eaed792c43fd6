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

class PreTokenizer {
 public:
  // Throws Error with the known names when `name` is none of them.
  explicit PreTokenizer(const std::string& name);
  ~PreTokenizer();
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;

  const PreTokenizerRow& row() const { return row_; }
  // Calls `word` for consecutive pieces that cover `text`, which must be well-formed UTF-8.
  void split(std::string_view text, const std::function<void(std::string_view)>& word) const;

 private:
  struct Stage;
  void split_from(size_t stage, std::string_view text, const std::function<void(std::string_view)>& word) const;
  const PreTokenizerRow& row_;
  std::vector<std::unique_ptr<Stage>> stages_;
};

}  // namespace ken::text
