// Running text, by index: what dictionaries and lenses are fitted on, which read every token and no chosen one.
#pragma once
#include <functional>

#include "ken/data/facts.h"
#include "ken/data/prompts.h"

namespace ken::data {

struct Texts {
  std::string name;  // a file, or what they are about
  int64_t count = 0;
  std::function<std::string(int64_t)> at = {};  // the same for the same index, whichever thread asks
  bool empty() const { return count == 0; }
};

// Records with "text" (JSONL, CSV, TSV), or plain text, where a blank line ends a text. An Error where there is none.
Texts read_texts(const fs::path& path);

// What can be said of facts without other documents: each fact's statement and its question with the answer, each
// passage with its question and what it says. In an order drawn by `seed`.
Texts texts_about(const FactSet& facts, const PromptStyle& style, uint64_t seed);

}  // namespace ken::data
