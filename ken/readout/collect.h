// Hidden states of many prompts at named token positions, from packed passes: what probes, lenses and vectors are
// fitted on.
#pragma once
#include "ken/base/progress.h"
#include "ken/model/model.h"
#include "ken/text/chat_tokens.h"

namespace ken::readout {

using at::Tensor;

// A place in a prompt: the last token that overlaps the last (or first) occurrence of `words`; empty words = the last
// token.
struct Place {
  std::string name;  // "subject", "value", "answer", ...
  std::string words;
  bool first = false;                 // the first occurrence instead of the last
  size_t before = std::string::npos;  // set: in place of words, the last token that begins before this byte
};

// One item: a prompt and its places; every item of a collection has the same place names in the same order.
struct Item {
  std::string prompt;
  std::vector<Place> places;
  std::shared_ptr<const text::ChatTokens> chat = {};  // set: the prompt is a rendered chat (guarded text)
  size_t from = 0;  // places are looked for from this byte on: worked examples may hold the same words
};

struct States {
  std::vector<std::string> points;  // full names, in the order of dimension 1
  std::vector<std::string> places;  // in the order of dimension 2
  Tensor values;                    // [items, points, places, d_model] f32
  Tensor found;                     // [items, places] bool: false where the words do not occur (values are 0)
};

// A prompt as the model reads it, and the row of each of its places: -1 = not found. `index` stands in errors.
struct Read {
  std::vector<int32_t> tokens;
  std::vector<int64_t> rows;
};
Read read_item(const model::Model& model, const Item& item, size_t index);

// "blocks.*.hook_resid_post" -> one name a layer.
std::vector<std::string> expand_points(const std::vector<std::string>& points, const model::Config& config);

inline constexpr int64_t max_pass_tokens = 4096;  // of a packed pass over several prompts

// `points` are tap names ("hook_embed", "blocks.*.hook_resid_post"), expanded to layers.
States collect(const model::Model& model, const std::vector<Item>& items, const std::vector<std::string>& points,
               nn::Compute compute, const Progress& progress = {});

}  // namespace ken::readout
