#include "ken/readout/patching.h"

#include <algorithm>
#include <numeric>

#include "ken/base/error.h"
#include "ken/readout/collect.h"

namespace ken::readout {
namespace {

// The residual stream before a layer is offered at resid_pre, after the last one at resid_post.
int64_t firstlayer(const Patch& patch, int64_t layers) {
  int64_t first = layers;
  for (const Edit& edit : patch.edits) {
    const bool leaves = edit.point == Point::resid_post;  // a state after the block is one before the next
    first = std::min(first, edit.layer + (leaves ? 1 : 0));
  }
  return first;
}

}  // namespace

SavedRun::SavedRun(const model::Model& model, std::vector<std::vector<int32_t>> prompts, const std::vector<Point>& keep,
                   nn::Compute compute, std::vector<model::Tap> taps)
    : prompts_(std::move(prompts)), offsets_{0}, cache_(model::make_cache(model, compute)) {
  const at::NoGradGuard no_gradients;
  const int64_t layers = model.config.n_layers;
  for (const auto& prompt : prompts_) offsets_.push_back(offsets_.back() + int64_t(prompt.size()));
  size_t first = 0;  // of the pass being made
  const auto store = [&](Tensor& to, const Tensor& x, const model::Site& site) {
    if (!to.defined()) {
      auto shape = x.sizes().vec();
      shape[0] = offsets_.back();
      to = at::empty(shape, x.options());
    }
    to.narrow(0, offsets_[first + size_t(site.sequence)], x.size(0)).copy_(x);
    return std::optional<Tensor>();
  };
  resid_.resize(size_t(layers) + 1);
  taps.push_back({"blocks.*.hook_resid_pre", [&](const Tensor& x, const model::Site& site) {
                    return store(resid_[size_t(site.layer)], x, site);
                  }});
  taps.push_back({model::point_name(Point::resid_post, layers - 1),
                  [&](const Tensor& x, const model::Site& site) { return store(resid_[size_t(layers)], x, site); }});
  for (const Point point : keep)
    for (int64_t l = 0; l < layers; ++l)
      taps.push_back({model::point_name(point, l), [&, point](const Tensor& x, const model::Site& site) {
                        return store(kept_[{point, site.layer}], x, site);
                      }});
  const model::TapPlan plan(model.config, std::move(taps));
  std::vector<Tensor> logits;
  for (const auto& pass : passes(prompts_.size(), [&](size_t i) { return length(i); })) {
    first = pass.first;
    std::vector<model::Row> rows;
    for (size_t i = pass.first; i < pass.last; ++i) {
      cached_.push_back(cache_.open());
      rows.push_back({prompts_[i], cached_.back(), model::Phase::prefill});
    }
    logits.push_back(model::forward(model, model::pack(rows, model.config.vocab, &cache_),
                                    {.compute = compute, .taps = &plan, .cache = &cache_})
                         .logits);
  }
  logits_ = logits.empty() ? at::empty({0, model.config.vocab}) : at::cat(logits);
}

Tensor SavedRun::resid(int64_t layer, size_t s) const {
  return resid_[size_t(layer)].narrow(0, offsets_[s], length(s));
}

Tensor SavedRun::kept(Point point, int64_t layer, size_t s) const {
  const auto found = kept_.find({point, layer});
  if (found == kept_.end()) fail("patching", "{} was not kept", model::point_name(point, layer));
  return found->second.narrow(0, offsets_[s], length(s));
}

Edit put(Point point, int64_t layer, int64_t position, Tensor value, int64_t head) {
  return {point, layer, [=](const Tensor& rows, std::span<const int64_t> positions) {
            Tensor result = rows.clone();
            Tensor row = result[position - positions.front()];
            (head < 0 ? row : row[head]).copy_(value);
            return result;
          }};
}

Tensor Patcher::measure(const std::vector<Patch>& patches, const Measure& measure, const Progress& progress) {
  const at::NoGradGuard no_gradients;
  std::vector<size_t> order(patches.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto layer_of = [&](size_t i) { return firstlayer(patches[i], model_.config.n_layers); };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return layer_of(a) < layer_of(b); });
  Tensor result;
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    std::vector<const Patch*> some;
    std::vector<int64_t> numbers;
    int64_t tokens = 0;
    for (end = begin; end < order.size() && layer_of(order[end]) == layer_of(order[begin]); ++end) {
      const Patch& patch = patches[order[end]];
      tokens += run_.length(patch.prompt) - patch.from;
      if (!some.empty() && tokens > max_pass_tokens) break;
      some.push_back(&patch);
      numbers.push_back(int64_t(order[end]));
    }
    const Tensor measured = measure(pass(some, layer_of(order[begin])), numbers);
    if (!result.defined()) result = at::empty({int64_t(patches.size()), measured.size(1)}, at::kFloat);
    result.index_copy_(0, at::tensor(at::ArrayRef<int64_t>(numbers)), measured);
    if (progress) progress("patch", end, order.size(), "");
  }
  return result.defined() ? result : at::empty({0, 0});
}

namespace {

// The edits of a pass by point, then by row of its batch.
using Edits = std::map<std::pair<Point, int64_t>, std::map<int, std::vector<const Edit*>>>;

bool enters_at(const Edit& edit, int64_t layer) {
  return (edit.point == Point::resid_pre && edit.layer == layer) ||
         (edit.point == Point::resid_post && edit.layer + 1 == layer);
}

Tensor edited(Tensor rows, const std::vector<const Edit*>& edits, std::span<const int64_t> positions) {
  for (const Edit* edit : edits)
    if (const Tensor changed = edit->change(rows, positions); changed.defined()) rows = changed;
  return rows;
}

std::vector<model::Tap> taps_of(const Edits& edits) {
  std::vector<model::Tap> taps;
  for (const auto& [site, of_row] : edits) {
    model::Tap tap{model::point_name(site.first, site.second), {}, {}};
    for (const auto& [row, list] : of_row) tap.sequences.push_back(row);
    tap.fn = [&of_row = of_row](const Tensor& x, const model::Site& at) -> std::optional<Tensor> {
      const Tensor changed = edited(x, of_row.at(at.sequence), at.positions);
      return changed.is_same(x) ? std::optional<Tensor>() : changed;
    };
    taps.push_back(std::move(tap));
  }
  return taps;
}

}  // namespace

Tensor Patcher::pass(const std::vector<const Patch*>& patches, int64_t layer) {
  nn::KvCache& cache = run_.cache_;
  std::vector<model::Row> rows;
  std::vector<Tensor> resid;
  Edits edits;
  for (size_t i = 0; i < patches.size(); ++i) {
    const Patch& patch = *patches[i];
    const auto& prompt = run_.prompt(patch.prompt);
    const int64_t n = run_.length(patch.prompt) - patch.from;
    if (patch.from < 0 || n < 1)
      fail("patching", "a patch from token {} of {} changes nothing", patch.from, prompt.size());
    rows.push_back(
        {{prompt.begin() + patch.from, prompt.end()}, cache.fork(run_.cached_[patch.prompt]), model::Phase::prefill});
    cache.truncate(rows.back().cached, patch.from);
    std::vector<const Edit*> at_entry;
    for (const Edit& edit : patch.edits)
      (enters_at(edit, layer) ? at_entry : edits[{edit.point, edit.layer}][int(i)]).push_back(&edit);
    std::vector<int64_t> positions(static_cast<size_t>(n));
    std::iota(positions.begin(), positions.end(), patch.from);
    resid.push_back(edited(run_.resid(layer, patch.prompt).narrow(0, patch.from, n), at_entry, positions));
  }
  std::erase_if(edits, [](const auto& site) { return site.second.empty(); });
  const model::TapPlan plan(model_.config, taps_of(edits));
  const model::Start start{layer, at::cat(resid)};
  const Tensor logits = model::forward(model_, model::pack(rows, model_.config.vocab, &cache),
                                       {.compute = compute_, .taps = &plan, .cache = &cache}, &start)
                            .logits;
  for (const model::Row& row : rows) cache.close(row.cached);
  return logits;
}

}  // namespace ken::readout
