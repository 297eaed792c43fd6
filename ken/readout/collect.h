// Hidden states of many prompts at named token positions, from packed passes: what probes, lenses and vectors are
// fitted on.
#pragma once
#include <optional>

#include "ken/base/progress.h"
#include "ken/model/model.h"
#include "ken/readout/passes.h"
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
  int64_t offset = 0;                 // so many tokens further on, or back; never onto the BOS
  std::optional<int64_t> index = {};  // in the continuation, 0 = its first token; then `words` count no more
  std::optional<size_t> before = {};  // the last token that begins before this byte; then `words` count no more
};

// One item: a prompt and its places; every item of a collection has the same place names in the same order.
struct Item {
  std::string prompt;
  std::vector<Place> places;
  std::shared_ptr<const text::ChatTokens> chat = {};  // set: the prompt is a rendered chat (guarded text)
  size_t from = 0;  // places are looked for from this byte on: worked examples may hold the same words
  std::vector<int32_t> continuation = {};  // tokens behind the prompt, as they were generated
};

// The item as the model reads it, and the row of each of its places: -1 = not found. `index` stands in errors.
struct Located {
  std::vector<int32_t> tokens;
  std::vector<int64_t> rows;
};
Located locate(const model::Model& model, const Item& item, size_t index = 0);

// The first and the last token that overlap a place's words, counted as the model reads the prompt (BOS included);
// nothing where the words do not occur.
std::optional<std::pair<int64_t, int64_t>> tokens_of(const model::Model& model, const Item& item, const Place& place);

struct States {
  std::vector<std::string> points;  // full names, in the order of dimension 1
  std::vector<std::string> places;  // in the order of dimension 2
  Tensor values;                    // [items, points, places, d] f32; d = d_model at the residual stream
  Tensor found;                     // [items, places] bool: false where there is no such token (values are 0)
};

// "blocks.*.hook_resid_post" -> one name a layer.
std::vector<std::string> expand_points(const std::vector<std::string>& points, const model::Config& config);

// `points` are tap names ("hook_embed", "blocks.*.hook_resid_post"), expanded to layers. All must hold rows of one
// width; heads are flattened. With several points of one pass, collect them together.
States collect(const model::Model& model, const std::vector<Item>& items, const std::vector<std::string>& points,
               nn::Compute compute, const Progress& progress = {});

// States of a point while answers are written: of item i [n, d_model], one row for each token of answers[i] (at least
// one), the state that chooses it. One packed pass a block of items.
std::vector<Tensor> answer_states(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                                  const std::vector<std::vector<int32_t>>& answers, const std::string& point,
                                  nn::Compute compute);

}  // namespace ken::readout
