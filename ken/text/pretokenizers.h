// How text is cut into words before a model sees them: the pre-tokenisers of tokenizer.json, and the table of those
// that GGUF has names for. Private to text/.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ken/base/json.h"
#include "ken/text/mapped_text.h"

namespace ken::text {

// One row of the table of tokenizer.ggml.pre names.
struct PreTokenizerRow {
  std::vector<std::string> names;
  std::vector<std::string> patterns;  // applied one after another, each to the pieces of the one before
  bool whole_words = false;           // a word that is a token skips the merges (Hugging Face's ignore_merges)
  bool add_bos = false;               // unless the file says otherwise
};

// A file with steps of its own (tokenizer.ken.pre_tokenizer) has this name for them.
inline constexpr const char* own_steps = "ken";
// Throws Error with the known names when `name` is none of them.
PreTokenizerRow find_pre_tokenizer(const std::string& name);
// The first name in the table with these patterns, else own_steps.
std::string pre_tokenizer_name(const std::vector<std::string>& patterns, bool whole_words);
const char* gpt2_pattern();

class PreTokenizer {
 public:
  // A word is a view into the text that it is given with, which lives as long as the call.
  using Words = std::function<void(const MappedText&, std::string_view)>;

  PreTokenizer() = default;  // the text is one word
  explicit PreTokenizer(const std::vector<std::string>& patterns);
  // A pre-tokenizer as tokenizer.json writes it. Throws Error with a step that is not supported.
  explicit PreTokenizer(const Json& step);

  // Calls `word` for the words of well-formed UTF-8 in order; none is empty.
  void split(const MappedText& text, const Words& word) const;

 private:
  // Calls the function with the parts of `part`, a view into the text; it may give them a text of their own.
  using Step = std::function<void(const MappedText&, std::string_view part, const Words&)>;
  void split_from(size_t step, const MappedText& text, std::string_view part, const Words& word) const;
  void add_step(const Json& step, bool last);
  std::vector<Step> steps_;
};

}  // namespace ken::text
