// Hidden states of many prompts at named token positions, from packed passes: what probes, lenses and vectors are
// fitted on.
#pragma once
#include "ken/base/progress.h"
#include "ken/model/model.h"
#include "ken/text/chat_tokens.h"

namespace ken::readout {

using at::Tensor;

// A place in a prompt: the last (or first) token that overlaps the last (or first) occurrence of `words`, or one so
// many tokens from it; empty words = the prompt's last token. Or a token of the item's continuation.
struct Place {
  std::string name;  // "subject", "value", "answer", ...
  std::string words = {};
  bool first = false;                 // the first occurrence instead of the last
  bool begin = false;                 // the first of its tokens instead of the last
  int64_t offset = 0;                 // so many tokens further on, or back
  std::optional<int64_t> index = {};  // in the continuation, 0 = its first token; then `words` count no more
};

// One item: a prompt and its places; every item of a collection has the same place names in the same order.
struct Item {
  std::string prompt;
  std::vector<Place> places;
  std::shared_ptr<const text::ChatTokens> chat = {};  // set: the prompt is a rendered chat (guarded text)
  size_t from = 0;  // places are looked for from this byte on: worked examples may hold the same words
  std::vector<int32_t> continuation = {};  // tokens behind the prompt, as they were generated
};

struct States {
  std::vector<std::string> points;  // full names, in the order of dimension 1
  std::vector<std::string> places;  // in the order of dimension 2
  Tensor values;                    // [items, points, places, d] f32; d = d_model at the residual stream
  Tensor found;                     // [items, places] bool: false where there is no such token (values are 0)
};

// `points` are tap names ("hook_embed", "blocks.*.hook_resid_post"), expanded to layers. All must hold rows of one
// width; heads are flattened. With several points of one pass, collect them together.
States collect(const model::Model& model, const std::vector<Item>& items, const std::vector<std::string>& points,
               nn::Compute compute, const Progress& progress = {});

}  // namespace ken::readout
