// UncertaintyRAG (arXiv 2410.02719): a retriever trained without labels on how predictable one piece of text makes
// another.
//   p_t      probabilities of the observed tokens of a then b; windows of w tokens: SNR(j) = mean(p) / var(p)
//   SU(a, b) the mean of p_t from the first window on whose SNR reaches sigma: higher = b follows more easily
// Anchors a are the pieces nearest to the centres of k-means; of the M pieces that BM25 finds for an anchor, the best
// m by SU are near, the worst `far` are far, and a dual encoder learns to tell them apart by InfoNCE.
// The paper trains a BERT; here the encoder is the model itself, the mean of its states, with one learned map, so that
// a few hundred anchors suffice. Judged on pieces of other groups, all in one pool: whether the piece that holds the
// answer is among the first k, and whether the model answers rightly when it reads those k. Each half of the groups is
// judged with the encoder of the other half. Held against BM25, the untrained encoder, the same training by plain mean
// log-probability of b, and by near and far pieces drawn at random.
#include <algorithm>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/data/retriever.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/option_states.h"
#include "ken/evidence/retrieval.h"
#include "ken/evidence/span_uncertainty.h"
#include "ken/readout/analysis.h"
#include "ken/readout/clusters.h"
#include "ken/readout/dual_encoder.h"
#include "ken/readout/judge.h"
#include "ken/stats/snr.h"
#include "ken/stats/stats.h"

namespace ken::readout::uncertaintyrag_file {
namespace {

using evidence::PairScores;
using evidence::PassagePool;
using evidence::Ranking;

// The mean of a text's states.
Tensor embed(const AnalysisInput& input, const std::vector<std::string>& texts, double depth) {
  const std::string point =
      model::point_name(model::Point::resid_post, std::lround(depth * double(input.model.config.n_layers - 1)));
  std::vector<evidence::OptionTokens> items;
  for (const auto& text : texts)
    items.push_back(evidence::option_tokens(input.model, {"", {text}}, "uncertaintyrag, '" + text.substr(0, 40) + "'"));
  std::vector<Tensor> rows;
  for (const auto& s :
       evidence::option_states(input.model, items, {point}, evidence::Pool::mean, input.compute, input.progress))
    rows.push_back(s.flatten());
  return at::stack(rows);
}

std::vector<std::string> texts_of(const std::vector<evidence::Piece>& pieces) {
  std::vector<std::string> texts;
  for (const auto& piece : pieces) texts.push_back(piece.passage.text);
  return texts;
}

// The pieces nearest to k-means centres: what the anchors stand for.
std::vector<int64_t> representatives(const Tensor& unit, size_t count, uint64_t seed) {
  std::vector<std::vector<double>> points;
  for (int64_t i = 0; i < unit.size(0); ++i) points.push_back(doubles(unit[i]));
  std::vector<int64_t> result;
  for (const auto& centre : cluster_directions(points, count, seed, 20).centres) {
    const Tensor c = at::tensor(at::ArrayRef<double>(centre)).to(at::kFloat);
    const int64_t nearest = at::mv(unit, c).argmax().item<int64_t>();
    if (std::find(result.begin(), result.end(), nearest) == result.end()) result.push_back(nearest);
  }
  return result;
}

// The candidates of each anchor by BM25, scored.
std::vector<PairScores> score_pairs(const AnalysisInput& input, const PassagePool& train,
                                    const std::vector<int64_t>& anchors, size_t count) {
  const auto lexical = data::bm25(train.passages());
  std::vector<PairScores> wanted;
  for (const int64_t a : anchors) {
    wanted.push_back({.anchor = size_t(a)});
    for (const auto& hit : lexical->search(train.pieces[size_t(a)].passage.text, count + 1))
      if (int64_t(hit.passage) != a) wanted.back().candidates.push_back(hit.passage);
  }
  auto scored = evidence::score_pairs(input.model, texts_of(train.pieces), std::move(wanted), input.compute);
  std::erase_if(scored, [](const PairScores& s) { return s.candidates.size() < 4; });
  if (scored.size() < 5)
    fail("uncertaintyrag", "only {} anchors have four candidates that share a word and fit the context", scored.size());
  return scored;
}

using Score = std::function<double(const PairScores&, size_t candidate)>;

// The best `near` and the worst `far` candidates of each anchor.
std::vector<EncoderPairs> pairs_by(const std::vector<PairScores>& scored, const Score& score, size_t near, size_t far) {
  std::vector<EncoderPairs> result;
  for (const auto& s : scored) {
    std::vector<std::pair<double, int64_t>> ranked;
    for (size_t c = 0; c < s.candidates.size(); ++c) ranked.push_back({-score(s, c), int64_t(s.candidates[c])});
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    EncoderPairs pairs{int64_t(s.anchor), {}, {}};
    for (size_t i = 0; i < std::min(near, ranked.size() / 2); ++i) pairs.near.push_back(ranked[i].second);
    for (size_t i = 0; i < std::min(far, ranked.size() / 2); ++i)
      pairs.far.push_back(ranked[ranked.size() - 1 - i].second);
    result.push_back(std::move(pairs));
  }
  return result;
}

Ranking ranked_by(const DualEncoder& encoder, const Tensor& questions, const Tensor& pieces, size_t k) {
  const Tensor near = at::mm(encoder.encode(questions), encoder.encode(pieces).t());
  const Tensor best = std::get<1>(near.topk(int64_t(std::min(k, size_t(pieces.size(0)))), 1));
  Ranking result;
  for (int64_t i = 0; i < best.size(0); ++i) {
    const int64_t* row = best.data_ptr<int64_t>() + i * best.size(1);
    result.emplace_back(row, row + best.size(1));
  }
  return result;
}

// Spearman of a score with whether the candidate is about the anchor's group.
double relevance(const PassagePool& train, const std::vector<PairScores>& scored, const Score& score) {
  std::vector<double> values, same;
  for (const auto& s : scored)
    for (size_t c = 0; c < s.candidates.size(); ++c) {
      values.push_back(score(s, c));
      same.push_back(train.pieces[s.candidates[c]].group == train.pieces[s.anchor].group);
    }
  return stats::spearman(values, same);
}

// What one half teaches, judged on the other.
struct Half {
  DualEncoder encoder;
  size_t anchors = 0;
  double sigma = 0, by_uncertainty = 0, by_logprob = 0;  // the last two: Spearman with relevance
};

Half train_and_judge(const AnalysisInput& input, const Json& params, const PassagePool& train,
                     const PassagePool& judged, evidence::Counts& counts) {
  const double depth = params.at("depth");
  std::vector<std::string> asked;
  for (const auto& q : judged.questions) asked.push_back(q.item->question);
  const Tensor states = embed(input, texts_of(train.pieces), depth),
               pool = embed(input, texts_of(judged.pieces), depth), questions = embed(input, asked, depth);
  const DualEncoder plain = untrained_encoder(states);
  const auto scored = score_pairs(input, train, representatives(plain.encode(states), params.at("anchors"), input.seed),
                                  params.at("candidates"));
  const int64_t window = params.at("window");
  const double given = params.at("sigma"), sigma = given > 0 ? given : evidence::settling_snr(scored, window, 0.6);
  const Score su = [&](const PairScores& s, size_t c) { return stats::settled_mean(s.whole(c), window, sigma); };
  const Score mean_logprob = [](const PairScores& s, size_t c) {
    double sum = 0;
    for (const double p : s.behind[c]) sum += std::log(std::max(p, 1e-30));
    return sum / double(std::max<size_t>(1, s.behind[c].size()));
  };
  const Score chance = [&](const PairScores& s, size_t c) {
    return Rng(input.seed, uint64_t(s.anchor) << 20 | c).uniform();
  };
  EncoderOptions options;
  options.epochs = params.at("epochs"), options.rate = params.at("rate");
  options.temperature = params.at("temperature"), options.seed = input.seed;
  const auto trained = [&](const Score& score) {
    return train_encoder(states, pairs_by(scored, score, params.at("near"), params.at("far")), options, input.progress);
  };
  const size_t k = params.at("k");
  const DualEncoder best = trained(su);
  const std::map<std::string, Ranking> rankings{
      {"trained", ranked_by(best, questions, pool, k)},
      {"untrained", ranked_by(plain, questions, pool, k)},
      {"trained on mean log-probability", ranked_by(trained(mean_logprob), questions, pool, k)},
      {"trained on random pairs", ranked_by(trained(chance), questions, pool, k)},
      {"bm25", evidence::ranked_by(*data::bm25(judged.passages()), judged, k)}};
  for (const auto& [name, ranking] : rankings)
    for (const size_t first : std::set<size_t>{1, k}) evidence::judge(input, judged, ranking, first, counts[name]);
  return {best, scored.size(), sigma, relevance(train, scored, su), relevance(train, scored, mean_logprob)};
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const auto [one, other] = evidence::two_pools(input, params.at("kind"), params.at("words"), params.at("max_items"));
  evidence::Counts counts;
  const Half a = train_and_judge(input, params, one, other, counts),
             b = train_and_judge(input, params, other, one, counts);
  AnalysisResult result;
  result.table = {{"id", "uncertaintyrag"},
                  {"pieces", one.pieces.size() + other.pieces.size()},
                  {"questions", one.questions.size() + other.questions.size()},
                  {"anchors", a.anchors + b.anchors},
                  {"sigma", {a.sigma, b.sigma}},
                  {"k", params.at("k")},
                  {"relevance_spearman",
                   {{"span uncertainty", (a.by_uncertainty + b.by_uncertainty) / 2},
                    {"mean log-probability", (a.by_logprob + b.by_logprob) / 2}}}};
  for (const auto& [name, figures] : counts)
    for (const auto& [what, count] : figures)
      result.table[name][what] = stats::to_json(stats::proportion(count.hits, count.n, what));
  result.tensors = {{"encoder.weight", a.encoder.w}, {"encoder.mean", a.encoder.mean}};
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "uncertaintyrag",
              .family = "confidence",
              .title = "UncertaintyRAG",
              .paper = "arXiv 2410.02719",
              .sentence = "Trains a retriever without labels on how predictable one piece of text makes another, and "
                          "measures recall and answers against the untrained one.",
              .params = {{"kind", "reading", "which of the facts' passages are the pieces"},
                         {"words", 300, "of a piece at most", 1, 100000},
                         {"anchors", 200, "pieces that pairs are made for: the k of k-means", 5, 100000},
                         {"candidates", 50, "M: pieces that BM25 finds for an anchor", 4, 1000},
                         {"near", 2, "m: best candidates by span uncertainty", 1, 100},
                         {"far", 10, "worst candidates", 1, 100},
                         {"window", 10, "w: tokens of a window", 2, 10000},
                         {"sigma", 0.0, "SNR at which a text has settled; 0: the 60th percentile of all windows", 0,
                          1e6},
                         {"depth", 0.5, "where the states are read, 1 = the last layer", 0, 1},
                         {"epochs", 20, "over the anchors", 1, 10000},
                         {"rate", 0.001, "of Adam", 1e-7, 1},
                         {"temperature", 0.05, "of InfoNCE's softmax", 1e-4, 10},
                         {"k", 3, "pieces that the model reads: the budget", 1, 100},
                         {"max_items", 500, "passages at most of each half", 20, 100000}},
              .example = "ken inside uncertaintyrag max_items=60 anchors=20 epochs=3",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::uncertaintyrag_file
