#include "ken/readout/heads.h"

#include <algorithm>
#include <numeric>
#include <sstream>

#include "ken/base/error.h"
#include "ken/readout/adam.h"

namespace ken::readout {
namespace {

constexpr size_t prompts_a_pass = 128;

Tensor probability(const Tensor& logits, const std::vector<int32_t>& tokens, const std::vector<int64_t>& prompts) {
  std::vector<int64_t> wanted;
  for (const int64_t s : prompts) wanted.push_back(tokens[size_t(s)]);
  return at::softmax(logits, 1).gather(1, at::tensor(at::ArrayRef<int64_t>(wanted)).unsqueeze(1));
}

// The rows of a clean pass from token `from` on, at every layer after `layer`: no later head moves.
std::vector<Edit> frozen(const SavedRun& clean, size_t s, int64_t from, int64_t layer, int64_t layers) {
  std::vector<Edit> result;
  for (int64_t l = layer + 1; l < layers; ++l) {
    const Tensor z = clean.kept(Point::z, l, s).slice(0, from);
    result.push_back({Point::z, l, [z](const Tensor&, std::span<const int64_t>) { return z; }});
  }
  return result;
}

// A query head's row of an input: keys and values are shared by groups of heads.
int64_t input_head(const model::Config& config, const Receivers& receivers, int64_t head) {
  return receivers.input == Point::q ? head : head * config.n_kv_heads / config.n_heads;
}

// Reads the receivers' inputs at the first row of a patched pass: [heads, D] into `slot`.
void record(std::vector<Edit>& edits, const model::Config& config, const Receivers& receivers, Tensor slot) {
  for (size_t i = 0; i < receivers.heads.size(); ++i) {
    const int64_t row = input_head(config, receivers, receivers.heads[i].head);
    const Tensor to = slot[int64_t(i)];
    edits.push_back({receivers.input, receivers.heads[i].layer, [to, row](const Tensor& x, std::span<const int64_t>) {
                       Tensor(to).copy_(x[0][row]);
                       return Tensor();
                     }});
  }
}

}  // namespace

std::vector<Head> all_heads(const model::Config& config) {
  std::vector<Head> result;
  for (int64_t l = 0; l < config.n_layers; ++l)
    for (int64_t h = 0; h < config.n_heads; ++h) result.push_back({l, h});
  return result;
}

std::vector<Head> heads_from(const std::string& text, const model::Config& config) {
  std::vector<Head> result;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    Head head;
    char dot = 0, rest = 0;
    std::istringstream parts(word);
    const bool read = bool(parts >> head.layer >> dot >> head.head) && dot == '.' && !(parts >> rest);
    if (!read || head.layer < 0 || head.layer >= config.n_layers || head.head < 0 || head.head >= config.n_heads)
      fail_usage("heads", "'{}' is no head; write layer.head, layers 0 to {} and heads 0 to {}", word,
                 config.n_layers - 1, config.n_heads - 1);
    result.push_back(head);
  }
  return result;
}

std::vector<Head> strongest(const Tensor& effect, size_t count) {
  const Tensor order = effect.flatten().argsort(0, false);
  std::vector<Head> result;
  for (int64_t i = 0; i < std::min<int64_t>(order.numel(), int64_t(count)); ++i) {
    const int64_t at = order[i].item<int64_t>();
    result.push_back({at / effect.size(1), at % effect.size(1)});
  }
  return result;
}

Tensor path_effects(const model::Model& model, SavedRun& clean, const SavedRun& corrupt,
                    const std::vector<int32_t>& right, const std::vector<int64_t>& positions,
                    const Receivers& receivers, nn::Compute compute, const Progress& progress) {
  const model::Config& config = model.config;
  const bool direct = receivers.heads.empty();
  int64_t after = config.n_layers;  // senders lie before the last receiver
  if (!direct) after = std::max_element(receivers.heads.begin(), receivers.heads.end())->layer;
  std::vector<Patch> first, second;
  std::vector<std::pair<int64_t, int64_t>> sites;  // prompt, sender
  std::vector<Tensor> slots;
  for (size_t s = 0; s < clean.size(); ++s)
    for (int64_t l = 0; l < after; ++l)
      for (int64_t h = 0; h < config.n_heads; ++h) {
        const int64_t t = positions[s];
        Patch patch{s, t, frozen(clean, s, t, l, config.n_layers)};
        patch.edits.push_back(put(Point::z, l, t, corrupt.kept(Point::z, l, s)[t][h], h));
        sites.emplace_back(int64_t(s), l * config.n_heads + h);
        if (!direct) {
          slots.push_back(at::zeros({int64_t(receivers.heads.size()), config.d_head}));
          record(patch.edits, config, receivers, slots.back());
          Patch through{s, t, {}};
          for (size_t i = 0; i < receivers.heads.size(); ++i) {
            const Head& head = receivers.heads[i];
            if (head.layer > l)
              through.edits.push_back(put(receivers.input, head.layer, t, slots.back()[int64_t(i)],
                                          input_head(config, receivers, head.head)));
          }
          second.push_back(std::move(through));
        }
        first.push_back(std::move(patch));
      }
  const auto measure = [&](const Tensor& logits, const std::vector<int64_t>& numbers) {
    std::vector<int64_t> prompts;
    for (const int64_t i : numbers) prompts.push_back(sites[size_t(i)].first);
    return probability(logits, right, prompts);
  };
  Patcher patcher(model, clean, compute);
  Tensor patched = patcher.measure(first, measure, progress);
  if (!direct) patched = patcher.measure(second, measure, progress);
  std::vector<int64_t> prompts(clean.size());
  std::iota(prompts.begin(), prompts.end(), int64_t{0});
  const Tensor plain = probability(clean.logits(), right, prompts);
  Tensor sums = at::zeros({config.n_layers * config.n_heads});
  for (size_t i = 0; i < sites.size(); ++i) {
    const double before = plain[sites[i].first].item<double>();
    sums[sites[i].second] += (patched[int64_t(i)].item<double>() - before) / std::max(before, 1e-6);
  }
  return (sums / double(clean.size())).view({config.n_layers, config.n_heads});
}

Tensor circuit_logits(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                      const std::vector<Head>& kept, const std::vector<const SavedRun*>& others, nn::Compute compute) {
  const at::NoGradGuard no_gradients;
  size_t begin = 0;
  const auto mean_at = [&](int64_t layer, size_t s) {
    Tensor sum = others[0]->kept(Point::z, layer, s).to(at::kFloat);
    for (size_t i = 1; i < others.size(); ++i) sum = sum + others[i]->kept(Point::z, layer, s);
    return sum / double(others.size());
  };
  Tensor works = at::zeros({model.config.n_layers, model.config.n_heads, 1}, at::kBool);
  for (const Head& head : kept) works[head.layer][head.head].fill_(true);
  const model::TapPlan plan(model.config,
                            {{"blocks.*.attn.hook_z", [&](const Tensor& z, const model::Site& site) {
                                const Tensor mean = mean_at(site.layer, begin + size_t(site.sequence));
                                return std::optional<Tensor>(at::where(works[site.layer], z, mean.to(z.scalar_type())));
                              }}});
  std::vector<Tensor> result;
  for (; begin < prompts.size(); begin += prompts_a_pass) {
    std::vector<model::Row> rows;
    for (size_t s = begin; s < std::min(prompts.size(), begin + prompts_a_pass); ++s) rows.push_back({prompts[s]});
    result.push_back(
        model::forward(model, model::pack(rows, model.config.vocab), {.compute = compute, .taps = &plan}).logits);
  }
  return at::cat(result);
}

Tensor transplanted_logits(const model::Model& model, SavedRun& run, const SavedRun& from,
                           const std::vector<Head>& heads, const std::vector<int64_t>& positions, nn::Compute compute) {
  std::vector<Patch> patches;
  for (size_t s = 0; s < run.size(); ++s) {
    Patch patch{s, positions.empty() ? 0 : positions[s], {}};
    for (const Head& head : heads) {
      const Tensor z = from.kept(Point::z, head.layer, s);
      if (!positions.empty()) {
        patch.edits.push_back(put(Point::z, head.layer, positions[s], z[positions[s]][head.head], head.head));
        continue;
      }
      patch.edits.push_back({Point::z, head.layer, [z, h = head.head](const Tensor& x, std::span<const int64_t>) {
                               Tensor result = x.clone();
                               result.select(1, h).copy_(z.select(1, h));
                               return result;
                             }});
    }
    patches.push_back(std::move(patch));
  }
  return Patcher(model, run, compute).measure(patches, [](const Tensor& logits, const std::vector<int64_t>&) {
    return logits;
  });
}

namespace {

// The mask of a search, and its loss on some of the prompts.
struct MaskSearch {
  const model::Model& model;
  const std::vector<std::vector<int32_t>>& prompts;
  const SavedRun& counterfactual;
  const std::vector<int32_t>& targets;
  const std::vector<int64_t>& positions;
  const std::vector<Head>& candidates;
  double penalty;
  nn::Compute compute;

  // [L, H, 1], 1 where no candidate stands.
  Tensor whole(const Tensor& w) const {
    std::vector<int64_t> cells;
    for (const Head& head : candidates) cells.push_back(head.layer * model.config.n_heads + head.head);
    return at::ones({model.config.n_layers * model.config.n_heads})
        .index_copy(0, at::tensor(at::ArrayRef<int64_t>(cells)), w)
        .view({model.config.n_layers, model.config.n_heads, 1});
  }
  Tensor loss(const std::vector<size_t>& some, const Tensor& w) const {
    const Tensor mask = whole(w);
    std::vector<model::Row> rows;
    std::vector<int64_t> wanted;
    for (const size_t s : some) rows.push_back({prompts[s]}), wanted.push_back(targets[s]);
    const model::TapPlan plan(model.config, {{"blocks.*.attn.hook_z", [&](const Tensor& z, const model::Site& site) {
                                                const size_t s = some[size_t(site.sequence)];
                                                return std::optional<Tensor>(mixed(z, mask[site.layer], s, site.layer));
                                              }}});
    const Tensor logits =
        model::forward(model, model::pack(rows, model.config.vocab), {.compute = compute, .taps = &plan}).logits;
    return -logits.gather(1, at::tensor(at::ArrayRef<int64_t>(wanted)).unsqueeze(1)).mean() + penalty * (1 - w).sum();
  }
  Tensor mixed(const Tensor& z, const Tensor& mask, size_t s, int64_t layer) const {
    const int64_t t = positions[s];
    const Tensor other = counterfactual.kept(Point::z, layer, s)[t];
    const Tensor row = (mask * z[t] + (1 - mask) * other).to(z.scalar_type());
    return at::cat({z.slice(0, 0, t), row.unsqueeze(0), z.slice(0, t + 1)});
  }
};

}  // namespace

std::vector<Head> carriers(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                           const SavedRun& counterfactual, const std::vector<int32_t>& targets,
                           const std::vector<int64_t>& positions, const std::vector<Head>& candidates,
                           const MaskOptions& options, nn::Compute compute) {
  const MaskSearch search{model, prompts, counterfactual, targets, positions, candidates, options.penalty, compute};
  Adam adam;
  Tensor w = at::ones({int64_t(candidates.size())});
  std::vector<size_t> order(prompts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Rng rng(options.seed, 23);
  for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    rng.shuffle(order);
    for (size_t begin = 0; begin < order.size(); begin += size_t(options.batch)) {
      const size_t end = std::min(order.size(), begin + size_t(options.batch));
      const at::AutoGradMode with_gradients(true);
      const Tensor leaf = w.detach().clone().requires_grad_(true);
      search.loss({order.begin() + long(begin), order.begin() + long(end)}, leaf).backward();
      w = (w + adam.step(leaf.grad(), options.lr)).clamp(0, 1);
    }
  }
  std::vector<Head> result;
  for (size_t i = 0; i < candidates.size(); ++i)
    if (w[int64_t(i)].item<double>() < 0.5) result.push_back(candidates[i]);
  return result;
}

}  // namespace ken::readout
