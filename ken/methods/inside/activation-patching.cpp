// Activation patching (Vig et al., arXiv 2004.12265; Meng et al., arXiv 2202.05262; best practices of Zhang and Nanda,
// arXiv 2309.16042): put one activation of one prompt's pass into the pass of another prompt, and see how much of the
// answer comes with it. Two prompts differ in a few tokens (r, r' their answers); for each site s
//   m_s = (metric(patched) - metric(base)) / (metric(source) - metric(base)),  0 no effect, 1 the whole of it.
// Denoising runs the corrupt prompt with a clean activation (what suffices), noising the reverse (what is needed).
#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/readout/contrast.h"
#include "ken/stats/stats.h"

namespace ken::readout::activation_patching_file {
namespace {

constexpr size_t pairs_a_block = 16;

struct Settings {
  bool denoise, noise;
  double noise_scale;
  int64_t window, draws;
  std::string metric;
};

// One kind of site: its point, and whether it is swept by head at the last token instead of by place.
struct Kind {
  const char* name;
  Point point;
  bool by_head;
};
constexpr Kind kinds[] = {{"resid_post", Point::resid_post, false},
                          {"attn_out", Point::attn_out, false},
                          {"mlp_out", Point::mlp_out, false},
                          {"head", Point::z, true}};

// What is read of the next-token logits: [n] logit(r) - logit(r'), or the probability of r.
Tensor metric_of(const Tensor& logits, const Contrasts& c, const std::vector<size_t>& pairs,
                 const std::string& metric) {
  if (metric == "logit_difference") return logit_difference(logits, c, pairs);
  std::vector<int64_t> right;
  for (const size_t pair : pairs) right.push_back(c.right[pair]);
  return at::softmax(logits, 1).gather(1, at::tensor(at::ArrayRef<int64_t>(right)).unsqueeze(1)).squeeze(1);
}

// Noise on the embeddings of the tokens that differ: the corruption of Meng et al., for pairs that cannot be swapped.
std::vector<model::Tap> noise_on(const Contrasts& c, size_t begin, double sd, uint64_t key) {
  return {{"hook_embed", [&c, begin, sd, key](const Tensor& x, const model::Site& site) -> std::optional<Tensor> {
             const size_t pair = begin + size_t(site.sequence);
             const Tensor result = x.clone();
             Rng rng(key, pair);
             for (int64_t t = c.first[pair]; t <= c.last[pair]; ++t)
               for (int64_t i = 0; i < x.size(1); ++i) result[t].data_ptr<float>()[i] += float(sd * rng.normal());
             return result;
           }}};
}

// Effects by kind, layer and place (or head), then by pair: of each of its tokens there, in each draw of noise.
struct Effects {
  std::map<std::tuple<size_t, int64_t, int64_t>, std::map<size_t, std::vector<double>>> values;
  std::vector<double> of_pairs(size_t kind, int64_t layer, int64_t place) const {
    std::vector<double> result;
    if (const auto found = values.find({kind, layer, place}); found != values.end())
      for (const auto& [pair, list] : found->second) result.push_back(stats::mean_of(list));
    return result;
  }
};

struct Site {
  size_t kind, pair;  // the pair's number in the block
  int64_t layer, place;
};

class Sweep {
 public:
  Sweep(const AnalysisInput& input, const Contrasts& contrast, const Settings& settings)
      : input_(input), c_(contrast), s_(settings) {
    if (s_.noise)
      noise_sd_ = s_.noise_scale * nn::dense(input.model.embed).std().item<double>() * input.model.config.embed_scale;
  }

  // Pairs begin .. end, with one draw of noise where noise is the corruption.
  void block(size_t begin, size_t end, int64_t draw, Effects& effects) const {
    const auto slice = [&](const std::vector<std::vector<int32_t>>& all) {
      return std::vector<std::vector<int32_t>>(all.begin() + long(begin), all.begin() + long(end));
    };
    const std::vector<Point> keep = {Point::attn_out, Point::mlp_out, Point::z};
    const uint64_t key = input_.seed * 1000 + uint64_t(draw);
    SavedRun clean(input_.model, slice(c_.clean), keep, input_.compute);
    SavedRun corrupt(input_.model, slice(s_.noise ? c_.clean : c_.corrupt), keep, input_.compute,
                     s_.noise ? noise_on(c_, begin, noise_sd_, key) : std::vector<model::Tap>());
    SavedRun &base = s_.denoise ? corrupt : clean, &source = s_.denoise ? clean : corrupt;
    std::vector<size_t> numbers;
    for (size_t i = begin; i < end; ++i) numbers.push_back(i);
    const Tensor from = metric_of(base.logits(), c_, numbers, s_.metric),
                 to = metric_of(source.logits(), c_, numbers, s_.metric);
    std::vector<Site> sites;
    const std::vector<Patch> patches = patches_of(source, begin, sites);
    const Tensor measured = Patcher(input_.model, base, input_.compute)
                                .measure(patches, [&](const Tensor& logits, const std::vector<int64_t>& some) {
                                  std::vector<size_t> pairs;
                                  for (const int64_t i : some) pairs.push_back(begin + sites[size_t(i)].pair);
                                  return metric_of(logits, c_, pairs, s_.metric).unsqueeze(1);
                                });
    for (size_t i = 0; i < sites.size(); ++i) {
      const int64_t pair = int64_t(sites[i].pair);
      const double low = from[pair].item<double>(), high = to[pair].item<double>();
      if (std::abs(high - low) < 1e-6) continue;  // this draw of noise changed nothing
      effects.values[{sites[i].kind, sites[i].layer, sites[i].place}][begin + sites[i].pair].push_back(
          (measured[int64_t(i)][0].item<double>() - low) / (high - low));
    }
  }

 private:
  // Every site of every pair; before the first token that differs both passes are the same.
  std::vector<Patch> patches_of(const SavedRun& source, size_t begin, std::vector<Site>& sites) const {
    std::vector<Patch> patches;
    const model::Config& config = input_.model.config;
    for (size_t p = 0; p < source.size(); ++p)
      for (size_t k = 0; k < std::size(kinds); ++k)
        for (int64_t l = 0; l < config.n_layers; ++l) {
          const int64_t last = source.length(p) - 1;
          if (kinds[k].by_head) {
            for (int64_t h = 0; h < config.n_heads; ++h) {
              const Tensor z = source.kept(Point::z, l, p)[last][h];
              patches.push_back({p, last, {put(Point::z, l, last, z, h)}});
              sites.push_back({k, p, l, h});
            }
            continue;
          }
          for (int64_t t = c_.first[begin + p]; t <= last; ++t) {
            patches.push_back({p, t, edits(source, kinds[k].point, p, l, t)});
            sites.push_back({k, p, l, place_of(c_, begin + p, t)});
          }
        }
    return patches;
  }
  // A module's output is patched in a window of layers around l; the stream at its layer alone.
  std::vector<Edit> edits(const SavedRun& source, Point point, size_t p, int64_t l, int64_t t) const {
    if (point == Point::resid_post) return {put(point, l, t, source.resid(l + 1, p)[t])};
    std::vector<Edit> result;
    for (int64_t w = l - (s_.window - 1) / 2; w <= l + s_.window / 2; ++w)
      if (w >= 0 && w < input_.model.config.n_layers) result.push_back(put(point, w, t, source.kept(point, w, p)[t]));
    return result;
  }

  const AnalysisInput& input_;
  const Contrasts& c_;
  const Settings& s_;
  double noise_sd_ = 0;
};

// The map of one kind: rows by layer, columns by place (or head), numbers over the pairs that have such a token.
Json map_of(const Effects& effects, size_t kind, int64_t layers, int64_t columns, uint64_t seed, Tensor& tensor) {
  Json rows = Json::array();
  tensor = at::full({layers, columns}, NAN);
  for (int64_t l = 0; l < layers; ++l) {
    Json row = Json::array();
    for (int64_t column = 0; column < columns; ++column) {
      const std::vector<double> of_pairs = effects.of_pairs(kind, l, column);
      const stats::Number number = of_pairs.empty() ? stats::Number{NAN, 0, NAN, NAN, "patching_effect"}
                                                    : stats::mean(of_pairs, seed, "patching_effect");
      tensor[l][column] = number.value;
      row.push_back(stats::to_json(number));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Contrasts c = contrasts(input, pair_options(params));
  const Settings s{params.at("direction") == "denoising",
                   params.at("corruption") == "noise",
                   params.at("noise_scale"),
                   params.at("window"),
                   params.at("draws"),
                   params.at("metric")};
  const Sweep sweep(input, c, s);
  Effects effects;
  for (int64_t draw = 0; draw < (s.noise ? s.draws : 1); ++draw)
    for (size_t begin = 0; begin < c.pairs.size(); begin += pairs_a_block) {
      sweep.block(begin, std::min(c.pairs.size(), begin + pairs_a_block), draw, effects);
      if (input.progress) input.progress("patch", begin, c.pairs.size(), "");
    }
  AnalysisResult result;
  const int64_t layers = input.model.config.n_layers, heads = input.model.config.n_heads;
  Json maps = Json::object();
  for (size_t k = 0; k < std::size(kinds); ++k)
    maps[kinds[k].name] = map_of(effects, k, layers, kinds[k].by_head ? heads : int64_t(place_names().size()),
                                 input.seed, result.tensors[kinds[k].name]);
  result.table = {{"id", "activation-patching"},
                  {"reads",
                   "The share of the answer's metric that one activation carries from one prompt to the other; "
                   "heads at the last token."},
                  {"pairs", c.pairs.size()},
                  {"dropped", c.dropped},
                  {"places", place_names()},
                  {"effect", maps}};
  return result;
}

std::vector<Param> params() {
  std::vector<Param> result = pair_params();
  result.push_back({"direction",
                    "denoising",
                    "denoising: clean activations into the corrupt pass; noising: the reverse",
                    -1e300,
                    1e300,
                    {"denoising", "noising"}});
  result.push_back({"corruption",
                    "swap",
                    "the corrupt prompt, or noise on the embeddings of the tokens that differ",
                    -1e300,
                    1e300,
                    {"swap", "noise"}});
  result.push_back({"metric",
                    "logit_difference",
                    "what is read of the next token",
                    -1e300,
                    1e300,
                    {"logit_difference", "probability"}});
  result.push_back({"window", 1, "layers whose attn_out or mlp_out are patched together", 1, 1000});
  result.push_back({"noise_scale", 3.0, "standard deviations of the embeddings", 0, 100});
  result.push_back({"draws", 10, "of noise, averaged", 1, 1000});
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "activation-patching",
              .family = "inside",
              .title = "Activation patching",
              .paper = "arXiv 2309.16042",
              .sentence = "Puts each activation of one prompt's pass into another's and shows how much of the answer "
                          "comes with it, by layer, token and head.",
              .params = params(),
              .example = "ken inside activation-patching max_pairs=20",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::activation_patching_file
