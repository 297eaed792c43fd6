// What a tokenizer does to text before it looks for words: the normalisers of tokenizer.json. Private to text/.
#pragma once
#include <functional>
#include <vector>

#include "ken/base/json.h"
#include "ken/text/mapped_text.h"

namespace ken::text {

class Normalizer {
 public:
  Normalizer() = default;  // changes nothing
  // A normalizer as tokenizer.json writes it; null changes nothing. Throws Error with a step that is not supported.
  explicit Normalizer(const Json& step);

  bool empty() const { return steps_.empty(); }
  // `text` must be well-formed UTF-8.
  void apply(MappedText& text) const;

 private:
  std::vector<std::function<void(MappedText&)>> steps_;
};

}  // namespace ken::text
