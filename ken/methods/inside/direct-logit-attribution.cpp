// Direct logit attribution (Elhage et al. 2021, "A mathematical framework for transformer circuits"; applied to the
// difference of two answers by Wang et al., arXiv 2211.00593): what each part of the model writes into the last state,
// seen through the final norm and the unembedding, its norm's scale frozen at the token.
//   logit(right) - logit(wrong) = sum_c  x_c . w + constant,   w = gain * (W_U[right] - W_U[wrong]) / scale
// c: the embedding (with positions), each head (its slice of z times W_O), each MLP. The sum is the model's own
// difference before a cap of the logits; the constant holds the biases of the final norm and of the unembedding. A norm
// of a module's output is frozen in the same way.
#include <algorithm>
#include <numeric>

#include "ken/base/error.h"
#include "ken/evidence/contest.h"
#include "ken/nn/matrix.h"
#include "ken/readout/judge.h"
#include "ken/stats/stats.h"

namespace ken::readout::direct_logit_attribution_file {
namespace {

using at::Tensor;
using evidence::Contest;

constexpr size_t pass_tokens = 4096;

// Of each contest's last token.
struct Written {
  Tensor embedding, final;  // [n, d]: what enters block 0, what leaves the last
  Tensor z;                 // [n, layers, H * D]
  Tensor raw;               // [n, layers, d]: the attention module's output before a norm of its own
  Tensor mlp;               // [n, layers, d]: as added to the stream
  Tensor logits;            // [n, 2]: of right and wrong, before a cap
};

std::vector<model::Tap> taps(Written& to, const int64_t& first) {
  const auto row = [&first](const Tensor& into) {
    return [&first, into](const Tensor& x, const model::Site& site) {
      const Tensor mine = into[first + site.sequence];
      const Tensor last = x[x.size(0) - 1].flatten();
      (into.dim() == 3 ? mine[site.layer] : mine).copy_(last);
      return std::optional<Tensor>();
    };
  };
  const std::string end = fmt::format("blocks.{}.hook_resid_post", to.z.size(1) - 1);
  return {{"blocks.0.hook_resid_pre", row(to.embedding)},
          {end, row(to.final)},
          {"blocks.*.attn.hook_z", row(to.z)},
          {"blocks.*.attn.hook_out", row(to.raw)},
          {"blocks.*.hook_mlp_out", row(to.mlp)}};
}

Written read(const model::Model& model, const std::vector<Contest>& contests, nn::Compute compute) {
  const at::NoGradGuard plain;
  const model::Config& c = model.config;
  const int64_t n = int64_t(contests.size());
  Written to{at::empty({n, c.d_model}),
             at::empty({n, c.d_model}),
             at::empty({n, c.n_layers, c.n_heads * c.d_head}),
             at::empty({n, c.n_layers, c.d_model}),
             at::empty({n, c.n_layers, c.d_model}),
             at::empty({n, 2})};
  int64_t first = 0;
  const model::TapPlan plan(c, taps(to, first));
  while (first < n) {
    std::vector<model::Row> rows;
    for (size_t i = size_t(first), tokens = 0; i < contests.size() && (rows.empty() || tokens < pass_tokens); ++i) {
      rows.push_back({contests[i].tokens});
      tokens += contests[i].tokens.size();
    }
    const auto out = model::forward(model, model::pack(rows, c.vocab), {.compute = compute, .taps = &plan});
    for (int64_t i = 0; i < int64_t(rows.size()); ++i) {
      const Contest& contest = contests[size_t(first + i)];
      to.logits[first + i][0] = out.logits[i][contest.right];
      to.logits[first + i][1] = out.logits[i][contest.wrong];
    }
    first += int64_t(rows.size());
  }
  if (c.final_cap > 0) to.logits = (to.logits / c.final_cap).atanh() * c.final_cap;
  return to;
}

// A matrix with its overlay.
Tensor whole(const nn::Matrix& w) {
  const Tensor dense = nn::dense(w);
  return w.low_a.defined() ? dense + at::mm(w.low_b, w.low_a) : dense;
}

Tensor unembedding(const nn::Matrix& w, const Tensor& ids) {
  const Tensor rows = nn::rows_of(w, ids);
  return w.low_a.defined() ? rows + at::mm(w.low_b.index_select(0, ids), w.low_a) : rows;
}

// sqrt(mean(x^2) + eps) of each row, [n, 1].
Tensor rms(const Tensor& x, double eps) { return (x.square().mean(-1, true) + eps).sqrt(); }

struct Attribution {
  std::vector<std::string> names;
  std::vector<Tensor> parts;  // [n] each, in the order of the names
  Tensor heads;               // [n, layers, H]
  Tensor mlps;                // [n, layers]
  void add(const std::string& name, const Tensor& part) { names.push_back(name), parts.push_back(part); }
};

// The final norm with its scale frozen: w [n, d] such that what is added to the stream counts as x . w.
Tensor frozen_direction(const model::Model& model, const Tensor& u, const Tensor& final) {
  if (!model.ln_final.defined()) return u;
  const Tensor w = u * model.ln_final;
  if (model.config.norm == model::NormKind::rms && !model.ln_final_bias.defined())
    return w / rms(final, model.config.norm_eps);
  // A layer norm subtracts the mean, which is linear in x, too.
  const Tensor centred = final - final.mean(-1, true);
  return (w - w.mean(-1, true)) / rms(centred, model.config.norm_eps);
}

Attribution attribute(const model::Model& model, const std::vector<Contest>& contests, const Written& x) {
  const at::NoGradGuard plain;
  const model::Config& c = model.config;
  const int64_t n = int64_t(contests.size());
  std::vector<int64_t> right, wrong;
  for (const Contest& contest : contests) right.push_back(contest.right), wrong.push_back(contest.wrong);
  const Tensor r = at::tensor(at::ArrayRef<int64_t>(right)), s = at::tensor(at::ArrayRef<int64_t>(wrong));
  const Tensor u = unembedding(model.output(), r) - unembedding(model.output(), s);  // [n, d]
  const Tensor w = frozen_direction(model, u, x.final);
  Attribution result;
  result.heads = at::empty({n, c.n_layers, c.n_heads}), result.mlps = at::empty({n, c.n_layers});
  result.add("embedding", (x.embedding * w).sum(-1));
  for (int64_t l = 0; l < c.n_layers; ++l) {
    const model::Block& block = model.blocks[size_t(l)];
    Tensor v = w;  // seen from the module's raw output
    if (block.ln1_post.defined()) v = w * block.ln1_post / rms(x.raw.select(1, l), c.norm_eps);
    const Tensor heads = (at::mm(v, whole(block.o)) * x.z.select(1, l)).view({n, c.n_heads, c.d_head}).sum(-1);
    result.heads.select(1, l).copy_(heads);
    for (int64_t h = 0; h < c.n_heads; ++h) result.add(fmt::format("blocks.{}.head.{}", l, h), heads.select(1, h));
    if (block.o.bias.defined()) result.add(fmt::format("blocks.{}.attn.bias", l), at::mv(v, block.o.bias));
    const Tensor mlp = (x.mlp.select(1, l) * w).sum(-1);
    result.mlps.select(1, l).copy_(mlp);
    result.add(fmt::format("blocks.{}.mlp", l), mlp);
  }
  Tensor constant = at::zeros({n});
  if (model.ln_final_bias.defined()) constant = constant + at::mv(u, model.ln_final_bias);
  const Tensor& bias = model.output().bias;
  if (bias.defined()) constant = constant + bias.index_select(0, r) - bias.index_select(0, s);
  if (constant.abs().max().item<double>() > 0) result.add("constant", constant);
  return result;
}

// Components by the size of their mean contribution.
Json ranked(const Attribution& a, const Tensor& failed, uint64_t seed) {
  std::vector<size_t> order(a.names.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto size = [&](size_t i) { return std::abs(a.parts[i].mean().item<double>()); };
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return size(i) > size(j); });
  Json list = Json::array();
  for (const size_t i : order) {
    const auto of = [&](const Tensor& chosen) -> Json {
      const auto values = doubles(a.parts[i].masked_select(chosen));
      return values.empty() ? Json(nullptr) : stats::to_json(stats::mean(values, seed, "mean_logits", 300));
    };
    list.push_back({{"component", a.names[i]},
                    {"mean", of(at::ones_like(failed))},
                    {"where_right", of(failed.logical_not())},
                    {"where_failed", of(failed)}});
  }
  return list;
}

std::vector<Contest> contests_of(const AnalysisInput& input, const Json& params) {
  const size_t most = params.at("max_items");
  auto contests = params.at("items") == "questions" ? evidence::closed_book_contests(input, most)
                                                    : evidence::passage_contests(input, "none", most);
  if (contests.empty())
    fail("direct-logit-attribution", "no question has two answers that a token tells apart; give more facts{}",
         params.at("items") == "questions" ? "" : " with passages that contradict them");
  return contests;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const auto contests = contests_of(input, params);
  const Written written = read(input.model, contests, input.compute);
  const Attribution a = attribute(input.model, contests, written);
  const Tensor parts = at::stack(a.parts, 1);  // [n, components]
  const Tensor difference = written.logits.select(1, 0) - written.logits.select(1, 1);
  std::vector<int64_t> failed;
  for (const Contest& c : contests) failed.push_back(c.failed);
  const Tensor wrong = at::tensor(at::ArrayRef<int64_t>(failed)).to(at::kBool);
  const double deviation = (parts.sum(1) - difference).abs().max().item<double>();
  return {{{"items", contests.size()},
           {"failed", wrong.sum().item<int64_t>()},
           {"logit_difference", stats::to_json(stats::mean(doubles(difference), input.seed, "mean_logits", 300))},
           {"largest_deviation_of_the_sum", deviation},
           {"components", ranked(a, wrong, input.seed)}},
          {{"contributions", parts},
           {"heads", a.heads},
           {"mlps", a.mlps},
           {"difference", difference},
           {"failed", wrong.to(at::kInt)}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "direct-logit-attribution",
              .family = "inside",
              .title = "Direct logit attribution",
              .paper = "Elhage et al. 2021; arXiv 2211.00593",
              .sentence =
                  "Splits the difference of two answers' logits into what the embedding, each head and each MLP "
                  "wrote for it.",
              .params = {{"items",
                          "questions",
                          "facts asked without a passage, or beside passages that contradict them",
                          -1e300,
                          1e300,
                          {"questions", "passages"}},
                         {"max_items", 500, "items at most, drawn by the seed", 1, 100000}},
              .example = "ken inside direct-logit-attribution items=passages",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::direct_logit_attribution_file
