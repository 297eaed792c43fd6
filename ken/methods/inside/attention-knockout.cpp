// Attention knock-out (Geva et al., "Dissecting Recall of Factual Associations", arXiv 2304.14767): forbid the last
// token to look at some tokens, in a window of layers around l, and see how the answer's probability changes:
//   e_l(S) = (p_blocked(r) - p(r)) / p(r),  S the tokens that are out of sight (their scores become -infinity).
// Where e falls, the last token fetches what it needs from S. Beside it stands where each head looks: the attention
// mass of the last token on S. S: the tokens that carry the fact (the subject, or a passage's value), the first token
// of the prompt, and all others before the last one.
#include "ken/base/error.h"
#include "ken/readout/contrast.h"
#include "ken/stats/stats.h"

namespace ken::readout::attention_knockout_file {
namespace {

constexpr size_t pairs_a_block = 64;
const std::vector<std::string> set_names = {"fact tokens", "first token", "other tokens"};

// The tokens of a prompt that belong to set `s`: [k] i64.
Tensor tokens_of(const Contrasts& c, size_t pair, size_t s) {
  const int64_t last = int64_t(c.clean[pair].size()) - 1;
  std::vector<int64_t> result;
  for (int64_t t = 0; t < last; ++t) {
    const bool carries = t >= c.first[pair] && t <= c.last[pair];
    const size_t set = carries ? 0 : t == 0 ? 1 : 2;
    if (set == s) result.push_back(t);
  }
  return at::tensor(at::ArrayRef<int64_t>(result), at::kLong);
}

// scores [H, 1, n_k] of the last token: none for the keys.
Edit block(int64_t layer, const Tensor& keys) {
  return {Point::scores, layer,
          [keys](const Tensor& scores, std::span<const int64_t>) { return scores.index_fill(2, keys, -INFINITY); }};
}

// Reads the pattern [H, 1, n_k]: its mass on the keys, added to [H].
Edit look(int64_t layer, const Tensor& keys, Tensor mass) {
  return {Point::pattern, layer, [keys, mass](const Tensor& pattern, std::span<const int64_t>) {
            Tensor(mass).add_(pattern.index_select(2, keys).sum(at::IntArrayRef{1, 2}));
            return Tensor();
          }};
}

struct Knockout {
  const AnalysisInput& input;
  const Contrasts& c;
  int64_t window;
  std::vector<std::vector<std::vector<double>>> change;  // [layer][set][pair]
  Tensor mass;                                           // [sets, layers, heads], sums over pairs

  Knockout(const AnalysisInput& in, const Contrasts& contrast, int64_t layers_blocked)
      : input(in), c(contrast), window(layers_blocked) {
    const model::Config& config = in.model.config;
    change.assign(size_t(config.n_layers), std::vector<std::vector<double>>(set_names.size()));
    mass = at::zeros({int64_t(set_names.size()), config.n_layers, config.n_heads});
  }

  void run(size_t begin, size_t end) {
    SavedRun clean(input.model, {c.clean.begin() + long(begin), c.clean.begin() + long(end)}, {}, input.compute);
    Patcher patcher(input.model, clean, input.compute);
    std::vector<Patch> patches;
    std::vector<std::tuple<size_t, size_t, size_t>> sites;  // pair, layer, set; looks first
    const size_t layers = change.size();
    for (size_t p = 0; p < clean.size(); ++p) {
      Patch reading{p, clean.length(p) - 1, {}};
      for (size_t s = 0; s < set_names.size(); ++s) {
        const Tensor keys = tokens_of(c, begin + p, s);
        if (keys.numel() == 0) continue;
        for (size_t l = 0; l < layers; ++l) {
          reading.edits.push_back(look(int64_t(l), keys, mass[int64_t(s)][int64_t(l)]));
          patches.push_back({p, clean.length(p) - 1, blocked(int64_t(l), keys)});
          sites.emplace_back(p, l, s);
        }
      }
      patches.push_back(std::move(reading));
      sites.emplace_back(p, layers, 0);
    }
    const auto probability = [&](const Tensor& logits, const std::vector<int64_t>& numbers) {
      std::vector<int64_t> right;
      for (const int64_t i : numbers) right.push_back(c.right[begin + std::get<0>(sites[size_t(i)])]);
      return at::softmax(logits, 1).gather(1, at::tensor(at::ArrayRef<int64_t>(right)).unsqueeze(1));
    };
    const Tensor p = patcher.measure(patches, probability);
    const Tensor plain = at::softmax(clean.logits(), 1);
    for (size_t i = 0; i < sites.size(); ++i) {
      const auto& [pair, layer, set] = sites[i];
      if (layer == layers) continue;
      const double before = plain[int64_t(pair)][c.right[begin + pair]].item<double>();
      change[layer][set].push_back((p[int64_t(i)][0].item<double>() - before) / before);
    }
  }

  std::vector<Edit> blocked(int64_t layer, const Tensor& keys) const {
    std::vector<Edit> result;
    for (int64_t l = layer - (window - 1) / 2; l <= layer + window / 2; ++l)
      if (l >= 0 && l < int64_t(change.size())) result.push_back(block(l, keys));
    return result;
  }
};

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Contrasts c = contrasts(input, pair_options(params));
  const model::Config& config = input.model.config;
  const auto window = std::max<int64_t>(1, std::lround(params.at("window").get<double>() * double(config.n_layers)));
  Knockout knockout(input, c, window);
  for (size_t begin = 0; begin < c.pairs.size(); begin += pairs_a_block) {
    knockout.run(begin, std::min(c.pairs.size(), begin + pairs_a_block));
    if (input.progress) input.progress("knock out", begin, c.pairs.size(), "");
  }
  const int64_t sets = int64_t(set_names.size());
  Tensor effect = at::full({config.n_layers, sets}, NAN);
  Json rows = Json::array();
  for (int64_t l = 0; l < config.n_layers; ++l) {
    Json row = Json::array();
    for (int64_t s = 0; s < sets; ++s) {
      const auto& values = knockout.change[size_t(l)][size_t(s)];
      const stats::Number number = values.empty() ? stats::Number{NAN, 0, NAN, NAN, "relative_change_of_probability"}
                                                  : stats::mean(values, input.seed, "relative_change_of_probability");
      effect[l][s] = number.value;
      row.push_back(stats::to_json(number));
    }
    rows.push_back(std::move(row));
  }
  const Tensor mass = knockout.mass / double(c.pairs.size());
  Json looks = Json::object();
  for (int64_t s = 0; s < sets; ++s) {
    Json of_layers = Json::array();
    for (int64_t l = 0; l < config.n_layers; ++l) of_layers.push_back(mass[s][l].mean().item<double>());
    looks[set_names[size_t(s)]] = of_layers;
  }
  return {{{"id", "attention-knockout"},
           {"reads",
            "How the answer's probability changes when the last token cannot look at these tokens in a window "
            "of layers, and how much each layer's heads look at them."},
           {"pairs", c.pairs.size()},
           {"dropped", c.dropped},
           {"window", window},
           {"sets", set_names},
           {"effect", rows},
           {"attention", looks}},
          {{"effect", effect}, {"attention", mass}}};
}

std::vector<Param> params() {
  std::vector<Param> result = pair_params();
  result.push_back({"window", 0.2, "layers blocked together, as a share of the depth", 0, 1});
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "attention-knockout",
              .family = "inside",
              .title = "Attention knock-out",
              .paper = "arXiv 2304.14767",
              .sentence = "Hides the fact's tokens from the last token, layer by layer, and shows where the answer is "
                          "fetched from them.",
              .params = params(),
              .example = "ken inside attention-knockout pairs=passage max_pairs=40",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::attention_knockout_file
