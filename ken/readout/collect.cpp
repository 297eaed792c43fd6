// Packed passes over many prompts; taps copy only the rows of the wanted tokens, never a whole activation.
#include "ken/readout/collect.h"

#include <algorithm>

#include "ken/base/error.h"

namespace ken::readout {
namespace {

bool is_word_byte(unsigned char c) { return std::isalnum(c) || c >= 0x80; }

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  const bool open_left = begin == 0 || !is_word_byte(text[begin - 1]) || !is_word_byte(text[begin]);
  const bool open_right = end == text.size() || !is_word_byte(text[end - 1]) || !is_word_byte(text[end]);
  return open_left && open_right;
}

// The first or last occurrence of the place's words. One that stands alone is preferred to one inside a longer word
// ("Ann" is not looked for in "Annapolis"); scripts without blanks have only the latter.
size_t find_words(std::string_view text, const Place& place) {
  size_t alone = std::string_view::npos, any = std::string_view::npos;
  for (size_t at = text.find(place.words); at != std::string_view::npos; at = text.find(place.words, at + 1)) {
    if (any == std::string_view::npos || !place.first) any = at;
    if (!stands_alone(text, at, at + place.words.size())) continue;
    alone = at;
    if (place.first) break;
  }
  return alone != std::string_view::npos ? alone : any;
}

using Pieces = std::vector<text::Tokenizer::Piece>;

Pieces pieces_of(const model::Model& model, const Item& item) {
  return item.chat ? item.chat->pieces(item.prompt) : model.tokenizer->encode_with_offsets(item.prompt);
}

bool begins_with_bos(const model::Model& model, const Item& item) {
  return !item.chat && model.tokenizer->add_bos && model.tokenizer->bos;
}

// The first and last piece that overlap the place's words (BOS is not among them); -1: none.
std::pair<int64_t, int64_t> pieces_at(const Pieces& pieces, const Item& item, const Place& place) {
  const size_t from = std::min(item.from, item.prompt.size());
  const size_t found = find_words(std::string_view(item.prompt).substr(from), place);
  std::pair<int64_t, int64_t> result{-1, -1};
  if (found == std::string_view::npos) return result;
  const size_t begin = from + found, end = begin + place.words.size();
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].begin >= end || pieces[i].end <= begin || pieces[i].end == pieces[i].begin) continue;
    if (result.first < 0) result.first = int64_t(i);
    result.second = int64_t(i);
  }
  return result;
}

int64_t piece_before(const Pieces& pieces, size_t byte) {
  for (size_t i = pieces.size(); i-- > 0;)
    if (pieces[i].begin < byte && pieces[i].end > pieces[i].begin) return int64_t(i);
  return -1;
}

// The row of a place among `length` tokens, the first `prompt` of which are the prompt's.
int64_t row_of(const Pieces& pieces, const Item& item, const Place& place, int64_t prompt, int64_t length, bool bos) {
  int64_t row = prompt - 1;
  if (place.index) {
    row = prompt + *place.index;
  } else if (place.before || !place.words.empty()) {
    const auto at =
        place.before ? std::pair(int64_t{0}, piece_before(pieces, *place.before)) : pieces_at(pieces, item, place);
    if (at.second < 0) return -1;
    row = (place.begin && !place.before ? at.first : at.second) + int64_t(bos);
  }
  if (place.offset != 0 && row + place.offset < int64_t(bos)) return -1;
  row += place.offset;
  return row >= 0 && row < length ? row : -1;
}

void check_places(const std::vector<Item>& items) {
  const auto same_name = [](const Place& a, const Place& b) { return a.name == b.name; };
  for (size_t i = 1; i < items.size(); ++i)
    if (!std::equal(items[i].places.begin(), items[i].places.end(), items[0].places.begin(), items[0].places.end(),
                    same_name))
      fail("collect", "item {} has other places than item 0; give all items the same names in the same order", i);
}

class Collector {
 public:
  Collector(const model::Model& model, nn::Compute compute, States& states)
      : model_(model), states_(states), options_{.compute = compute, .logits = model::ForwardOptions::Logits::none} {
    std::vector<model::Tap> taps;
    for (size_t p = 0; p < states.points.size(); ++p)
      taps.push_back({states.points[p], [this, p](const Tensor& x, const model::Site& site) {
                        copy(x, p, site);
                        return std::optional<Tensor>();
                      }});
    plan_ = model::TapPlan(model.config, std::move(taps));
    options_.taps = &plan_;
  }
  Collector(const Collector&) = delete;

  // The items from `first` on, one row of the batch each.
  void pass(const std::vector<Located>& reads, int64_t first) {
    reads_ = &reads;
    first_ = first;
    std::vector<model::Row> rows;
    for (const Located& read : reads) rows.push_back({read.tokens});
    model::forward(model_, model::pack(rows, model_.config.vocab), options_);
  }

 private:
  void copy(const Tensor& x, size_t point, const model::Site& site) {
    if (site.point == model::Point::scores || site.point == model::Point::pattern)
      fail_usage("collect",
                 "{} does not hold one row a token; collect from the residual stream, a module's output or its "
                 "inside, such as blocks.*.hook_resid_post or blocks.*.mlp.hook_post",
                 states_.points[point]);
    const Tensor flat = x.flatten(1);  // [tokens, d]
    if (!states_.values.defined()) make_room(flat.size(1));
    if (flat.size(1) != states_.values.size(3))
      fail_usage("collect", "{} is {} wide, {} is {}; collect points of different widths apart", states_.points[point],
                 flat.size(1), states_.points[0], states_.values.size(3));
    const std::vector<int64_t>& rows = (*reads_)[size_t(site.sequence)].rows;
    const Tensor to = states_.values[first_ + site.sequence][int64_t(point)];  // [places, d]
    for (size_t place = 0; place < rows.size(); ++place)
      if (rows[place] >= 0) to[int64_t(place)].copy_(flat[rows[place]]);
  }
  // The first tap that is called knows the width.
  void make_room(int64_t width) {
    const auto& found = states_.found.sizes();
    states_.values = at::zeros({found[0], int64_t(states_.points.size()), found[1], width}, at::kFloat);
  }

  const model::Model& model_;
  States& states_;
  model::ForwardOptions options_;
  model::TapPlan plan_;
  const std::vector<Located>* reads_ = nullptr;
  int64_t first_ = 0;
};

void run_passes(const model::Model& model, const std::vector<Item>& items, nn::Compute compute, States& states,
                const Progress& progress) {
  Collector collector(model, compute, states);
  std::vector<Located> pass;
  int64_t tokens = 0;
  const auto flush = [&](size_t done) {
    if (!pass.empty()) collector.pass(pass, int64_t(done - pass.size()));
    pass.clear();
    tokens = 0;
    if (progress) progress("collect", done, items.size(), "");
  };
  for (size_t i = 0; i < items.size(); ++i) {
    Located next = locate(model, items[i], i);
    if (!pass.empty() && tokens + int64_t(next.tokens.size()) > max_pass_tokens) flush(i);
    for (size_t place = 0; place < next.rows.size(); ++place)
      states.found[int64_t(i)][int64_t(place)] = next.rows[place] >= 0;
    tokens += int64_t(next.tokens.size());
    pass.push_back(std::move(next));
  }
  flush(items.size());
}

}  // namespace

Located locate(const model::Model& model, const Item& item, size_t index) {
  const Pieces pieces = pieces_of(model, item);
  const bool bos = begins_with_bos(model, item);
  Located result;
  if (bos) result.tokens.push_back(*model.tokenizer->bos);
  for (const auto& piece : pieces) result.tokens.push_back(piece.id);
  if (result.tokens.empty()) fail("collect", "the prompt of item {} gives no token; leave empty prompts out", index);
  const int64_t prompt = int64_t(result.tokens.size());
  result.tokens.insert(result.tokens.end(), item.continuation.begin(), item.continuation.end());
  const int64_t length = int64_t(result.tokens.size());
  if (length > model.config.context)
    fail("collect", "the prompt of item {} has {} tokens, but the model's context holds {}; shorten it", index, length,
         model.config.context);
  for (const Place& place : item.places) result.rows.push_back(row_of(pieces, item, place, prompt, length, bos));
  return result;
}

std::optional<std::pair<int64_t, int64_t>> tokens_of(const model::Model& model, const Item& item, const Place& place) {
  if (place.words.empty()) return {};
  const auto [first, last] = pieces_at(pieces_of(model, item), item, place);
  const int64_t bos = begins_with_bos(model, item);
  if (first < 0) return {};
  return std::pair{first + bos, last + bos};
}

std::vector<std::string> expand_points(const std::vector<std::string>& points, const model::Config& config) {
  std::vector<std::string> result;
  for (const std::string& point : points) {
    const size_t star = point.rfind("blocks.*.", 0) == 0 ? 7 : std::string::npos;
    if (star == std::string::npos) result.push_back(point);
    for (int64_t layer = 0; star != std::string::npos && layer < config.n_layers; ++layer)
      result.push_back(point.substr(0, star) + std::to_string(layer) + point.substr(star + 1));
  }
  return result;
}

States collect(const model::Model& model, const std::vector<Item>& items, const std::vector<std::string>& points,
               nn::Compute compute, const Progress& progress) {
  const at::NoGradGuard no_gradients;
  if (!model.tokenizer) fail("collect", "{} holds no tokenizer; a word's tokens cannot be found", model.config.name);
  check_places(items);
  States states;
  states.points = expand_points(points, model.config);
  if (!items.empty())
    for (const Place& place : items[0].places) states.places.push_back(place.name);
  const int64_t n = int64_t(items.size()), places = int64_t(states.places.size());
  states.found = at::zeros({n, places}, at::kBool);
  run_passes(model, items, compute, states, progress);
  if (!states.values.defined())
    states.values = at::zeros({n, int64_t(states.points.size()), places, model.config.d_model}, at::kFloat);
  return states;
}

std::vector<Tensor> answer_states(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                                  const std::vector<std::vector<int32_t>>& answers, const std::string& point,
                                  nn::Compute compute) {
  const at::NoGradGuard no_gradients;
  std::vector<Tensor> result(prompts.size());
  const auto tokens_of = [&](size_t i) { return prompts[i].size() + answers[i].size(); };
  for (const auto& [begin, end] : passes(prompts.size(), tokens_of)) {
    const size_t first = begin;
    std::vector<model::Row> rows;
    for (size_t i = begin; i < end; ++i) {
      rows.push_back({prompts[i]});
      for (size_t t = 0; t + 1 < answers[i].size(); ++t) rows.back().tokens.push_back(answers[i][t]);
    }
    const auto keep = [&](const Tensor& x, const model::Site& site) {
      const size_t i = first + size_t(site.sequence);
      const int64_t n = std::max<int64_t>(1, int64_t(answers[i].size()));
      result[i] = x.narrow(0, x.size(0) - n, n).to(at::kCPU, at::kFloat).clone();
      return std::optional<Tensor>();
    };
    const model::TapPlan plan(model.config, {{point, keep}});
    model::forward(model, model::pack(rows, model.config.vocab),
                   {.compute = compute, .taps = &plan, .logits = model::ForwardOptions::Logits::none});
  }
  return result;
}

}  // namespace ken::readout
