// Distributional semantics tracing (arXiv 2510.06107): the layer at which a wrong association wins for good. Of the
// state where the answer is expected, through the final norm,
//   a_l(v) = cos(LN(h_l), e(v)), e(v) the mean unembedding row of the word's tokens
//   CAS_l = sum_ctx |a_l| / (sum_ctx |a_l| + sum_non |a_l|)        (contextual alignment; softmax and signed as
//   options)
// V_ctx holds the right answer, V_non the one that competes with it: what the model said, or where it was right the
// likeliest other answer. Onset: the first drop of CAS by more than 0.02 that goes on; inversion: the first CAS below
// 0.8; commitment: the first layer from there on with CAS below 0.5 and no return. Lengths are shares of the depth.
// Causal check: the wrong run's state is put into a run that reads the fact; commitment should be the last layer whose
// state still lets the right answer come out.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/repair.h"
#include "ken/readout/lens.h"
#include "ken/stats/stats.h"

namespace ken::readout::dst_file {
namespace {

using evidence::Contest;

constexpr int64_t random_words = 64;

struct Trace {
  std::vector<Contest> contests;
  Tensor states;     // [n, n_layers + 1, d]
  Tensor cas, z;     // [n, n_layers + 1]; z against random word pairs of the same state
  Tensor unrelated;  // [n]: CAS of the last layer with random words as V_non
  std::vector<int64_t> onset, inversion, commitment;  // -1: none
};

// Support of affinities for their words: |a|, max(a, 0), or exp(a / 0.1).
Tensor support(const Tensor& a, const std::string& kind) {
  if (kind == "signed") return a.clamp_min(0);
  return kind == "softmax" ? (a / 0.1).exp() : a.abs();
}

Tensor alignment(const Tensor& ctx, const Tensor& non) {
  const Tensor sum = ctx + non;
  return at::where(sum > 0, ctx / sum.clamp_min(1e-12), at::full_like(sum, 0.5));
}

Tensor unit(const Tensor& x) { return x / x.norm(2, -1, true).clamp_min(1e-12); }

void score(const AnalysisInput& input, const std::string& kind, Trace& trace) {
  const at::NoGradGuard plain;
  const model::Model& model = input.model;
  const Tensor h = unit(final_norm(model, trace.states));  // [n, n_layers + 1, d]
  std::vector<std::vector<int32_t>> right, wrong;
  for (const Contest& c : trace.contests) right.push_back(c.right_tokens), wrong.push_back(c.wrong_tokens);
  const auto affinity = [&](const std::vector<std::vector<int32_t>>& words) {
    return at::bmm(h, unit(word_vectors(model, words)).unsqueeze(2)).squeeze(2);
  };
  const Tensor ctx = support(affinity(right), kind);
  trace.cas = alignment(ctx, support(affinity(wrong), kind));
  std::vector<int64_t> ids;
  Rng rng(input.seed, 5);
  for (int64_t i = 0; i < random_words; ++i) ids.push_back(int64_t(rng.below(uint64_t(model.config.vocab))));
  const Tensor random = unit(nn::rows_of(model.output(), at::tensor(at::ArrayRef<int64_t>(ids))));
  const Tensor noise = support(at::matmul(h, random.t()), kind);  // [n, n_layers + 1, words]
  const Tensor pairs =
      alignment(noise.narrow(2, 0, random_words / 2), noise.narrow(2, random_words / 2, random_words / 2));
  trace.z = (trace.cas - pairs.mean(-1)) / pairs.std(-1, true, false).clamp_min(0.01);
  const int64_t last = h.size(1) - 1;
  trace.unrelated = alignment(ctx.select(1, last).unsqueeze(1), noise.select(1, last)).mean(-1);
}

int64_t first_drop(const float* cas, int64_t layers, int64_t length) {
  for (int64_t l = 1; l + length <= layers; ++l) {
    bool falls = cas[l] < cas[l - 1] - 0.02F;
    for (int64_t k = 0; k < length; ++k) falls = falls && cas[l + k] < cas[l - 1] - 0.02F;
    if (falls) return l;
  }
  return -1;
}

// The first layer from `from` on below 0.5 for `length` layers, and for good if that is asked for.
int64_t first_commitment(const float* cas, int64_t layers, int64_t from, int64_t length, bool for_good) {
  for (int64_t l = from; from >= 0 && l + length <= layers; ++l) {
    const int64_t end = for_good ? layers : l + length;
    if (std::all_of(cas + l, cas + end, [](float x) { return x < 0.5F; })) return l;
  }
  return -1;
}

void mark(Trace& trace, const Json& params) {
  const int64_t layers = trace.cas.size(1);
  const auto length = [&](double share) { return std::max<int64_t>(2, int64_t(std::lround(share * double(layers)))); };
  const Tensor cas = trace.cas.contiguous();
  for (int64_t i = 0; i < cas.size(0); ++i) {
    const float* row = cas.data_ptr<float>() + i * layers;
    trace.onset.push_back(first_drop(row, layers, length(params.at("onset").get<double>())));
    const auto below = std::find_if(row, row + layers, [](float x) { return x < 0.8F; });
    trace.inversion.push_back(below == row + layers ? -1 : below - row);
    trace.commitment.push_back(first_commitment(row, layers, trace.inversion.back(),
                                                length(params.at("sustain").get<double>()), params.at("for_good")));
  }
}

// The layer that causes name and the one that is marked, of wrong answers that have both.
struct Compared {
  evidence::Repairs repairs;
  std::vector<double> last, commitment;
};

Compared check_causes(const AnalysisInput& input, const Trace& trace, size_t most) {
  Compared result{evidence::find_repairs(input, trace.contests, trace.states, most), {}, {}};
  const auto last = evidence::last_repaired(result.repairs);
  for (size_t i = 0; i < last.size(); ++i) {
    const int64_t marked = trace.commitment[result.repairs.items[i]];
    if (marked < 0) continue;
    result.last.push_back(double(last[i]));
    result.commitment.push_back(double(marked));
  }
  return result;
}

// How often the model is wrong, and how aligned it is with the right answer.
struct Groups {
  std::vector<double> wrong, coherence, middle, unrelated;
};

// Relation x quarter of exposure, closed-book.
Groups group(const Trace& trace, size_t least) {
  const int64_t last = trace.cas.size(1) - 1;
  Groups groups;
  for (const auto& items : evidence::exposure_cells(trace.contests)) {
    if (items.size() < least) continue;
    const Tensor chosen = at::tensor(at::ArrayRef<int64_t>(items)), cas = trace.cas.index_select(0, chosen);
    const auto failed =
        std::count_if(items.begin(), items.end(), [&](int64_t i) { return trace.contests[size_t(i)].failed; });
    groups.wrong.push_back(double(failed) / double(items.size()));
    groups.coherence.push_back(cas.select(1, last).mean().item<double>());
    groups.middle.push_back(cas.select(1, last / 2).mean().item<double>());
    groups.unrelated.push_back(trace.unrelated.index_select(0, chosen).mean().item<double>());
  }
  return groups;
}

double rho(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() < 4 ? NAN : stats::spearman(a, b);
}

Json commitments(const Trace& trace, bool failed, uint64_t seed) {
  int64_t items = 0;
  std::vector<double> layers, z;
  for (size_t i = 0; i < trace.contests.size(); ++i) {
    if (trace.contests[i].failed != failed) continue;
    ++items;
    if (trace.commitment[i] < 0) continue;
    layers.push_back(double(trace.commitment[i]));
    z.push_back(trace.z[int64_t(i)][trace.z.size(1) - 1].item<double>());
  }
  const auto found = int64_t(layers.size());
  return {{"committed", stats::to_json(stats::proportion(found, items, "share_with_a_commitment_layer"))},
          {"layer", stats::to_json(stats::mean(layers, seed, "mean_layer"))},
          {"z_of_the_last_layer", stats::to_json(stats::mean(z, seed, "mean_z_against_random_words"))}};
}

Json number(double x) { return std::isnan(x) ? Json(nullptr) : Json(x); }

Json mean_rows(const Tensor& x) {
  Json row = Json::array();
  for (int64_t l = 0; l < x.size(1); ++l) row.push_back(x.select(1, l).to(at::kFloat).mean().item<double>());
  return row;
}

std::vector<Contest> contests_of(const AnalysisInput& input, size_t most) {
  auto contests = evidence::closed_book_contests(input, most);
  for (const char* intent : {"context", "memory"}) {
    auto more = evidence::passage_contests(input, intent, most);
    std::move(more.begin(), more.end(), std::back_inserter(contests));
  }
  if (contests.empty()) fail("dst", "no question has two answers that a token tells apart; give more facts");
  return contests;
}

Tensor failed_rows(const Trace& trace, bool failed) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < trace.contests.size(); ++i)
    if (trace.contests[i].failed == failed) rows.push_back(int64_t(i));
  return at::tensor(at::ArrayRef<int64_t>(rows));
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  Trace trace;
  trace.contests = contests_of(input, params.at("max_items"));
  trace.states = last_states(input.model, evidence::tokens_of(trace.contests), input.compute);
  score(input, params.at("score"), trace);
  mark(trace, params);
  const Groups groups = group(trace, params.at("least"));
  const Compared patched = check_causes(input, trace, params.at("patched"));
  const auto mean_of = [](const std::vector<double>& v) { return v.empty() ? NAN : stats::mean_of(v); };
  Json causal{{"items", patched.repairs.items.size()},
              {"last_repaired_layer", number(mean_of(patched.last))},
              {"commitment_layer", number(mean_of(patched.commitment))},
              {"spearman", number(rho(patched.last, patched.commitment))}};
  if (patched.repairs.restored.defined()) causal["restored"] = mean_rows(patched.repairs.restored);
  const Tensor wrong = failed_rows(trace, true), right = failed_rows(trace, false);
  Json table{{"items", trace.contests.size()},
             {"layers", layer_names(input.model.config)},
             {"failed", commitments(trace, true, input.seed)},
             {"right", commitments(trace, false, input.seed)},
             {"alignment",
              {{"failed", mean_rows(trace.cas.index_select(0, wrong))},
               {"right", mean_rows(trace.cas.index_select(0, right))}}},
             {"groups",
              {{"count", groups.wrong.size()},
               {"spearman_of_last_layer", number(rho(groups.coherence, groups.wrong))},
               {"spearman_of_middle_layer", number(rho(groups.middle, groups.wrong))},
               {"spearman_against_random_words", number(rho(groups.unrelated, groups.wrong))}}},
             {"causal", causal}};
  const auto longs = [](const std::vector<int64_t>& v) { return at::tensor(at::ArrayRef<int64_t>(v)); };
  return {table,
          {{"cas", trace.cas},
           {"z", trace.z},
           {"onset", longs(trace.onset)},
           {"inversion", longs(trace.inversion)},
           {"commitment", longs(trace.commitment)},
           {"failed", at::zeros({trace.cas.size(0)}, at::kInt).index_fill(0, wrong, 1)}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "dst",
              .family = "inside",
              .title = "Distributional semantics tracing",
              .paper = "arXiv 2510.06107",
              .sentence =
                  "Follows how each layer's state leans to the right answer or to its competitor, and marks the "
                  "layer from which a wrong association has won.",
              .params = {{"score", "absolute", "how cosines count", -1e300, 1e300, {"absolute", "signed", "softmax"}},
                         {"sustain", 0.08, "layers below 0.5 in a row, as a share of the depth; at least 2", 0, 1},
                         {"onset", 0.05, "layers of a drop, as a share of the depth; at least 2", 0, 1},
                         {"for_good", true, "a commitment lasts to the last layer; false: as in the paper's code"},
                         {"least", 8, "items of a group at least", 1, 100000},
                         {"patched", 500, "wrong answers of the causal check at most; 0: no check", 0, 100000},
                         {"max_items", 4000, "facts at most, and as many passages, drawn by the seed", 2, 100000}},
              .example = "ken inside dst max_items=500",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::dst_file
