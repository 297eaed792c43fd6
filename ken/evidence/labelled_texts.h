// Prompts with a label of the user's own: what a concept is, or a manner to steer to and away from.
#pragma once
#include <string>
#include <vector>

#include "ken/base/files.h"

namespace ken::evidence {

struct LabelledText {
  std::string text, label;
  std::string group;  // texts of one group never stand on both sides of a split; the text itself where none is given
};

// A records file: {"text", "label", "group"?}; a label that is no text is taken as its JSON. Errors name file and line.
std::vector<LabelledText> read_labelled_texts(const fs::path& path);

}  // namespace ken::evidence
