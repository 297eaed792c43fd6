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
  bool first = false;  // the first occurrence instead of the last
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

// The first and the last token that overlap a place's words, counted as the model reads the prompt (BOS included);
// nothing where the words do not occur.
std::optional<std::pair<int64_t, int64_t>> tokens_of(const model::Model& model, const Item& item, const Place& place);

// `points` are tap names ("hook_embed", "blocks.*.hook_resid_post"), expanded to layers.
States collect(const model::Model& model, const std::vector<Item>& items, const std::vector<std::string>& points,
               nn::Compute compute, const Progress& progress = {});

// States of a point while answers are written: of item i [n, d_model], one row for each token of answers[i] (at least
// one), the state that chooses it. One packed pass a block of items.
std::vector<Tensor> answer_states(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                                  const std::vector<std::vector<int32_t>>& answers, const std::string& point,
                                  nn::Compute compute);

}  // namespace ken::readout
