#include "ken/evidence/repair.h"

#include "ken/model/partial.h"

namespace ken::evidence {
namespace {

using at::Tensor;

constexpr size_t at_once = 64;  // items whose runs are cached together

// The same question beside the fact's own statement, with the tokens of the same two answers; false where there is
// none.
bool factual(const readout::AnalysisInput& input, const Contest& c, Contest& result) {
  const data::Fact& fact = input.facts.facts[c.index];
  if (c.kind != "closed book" || fact.statement.find(c.right_text) == std::string::npos) return false;
  data::ContextCase item;
  item.fact = fact.id, item.context = fact.statement, item.question = fact.question, item.beginning = fact.beginning;
  item.context_subject = fact.subject, item.group = fact.group;
  result = c;
  result.request = with_passage(item, input.style);
  return set_tokens(input.model, result) && result.right == c.right && result.tokens.size() > 1 &&
         result.tokens.back() == c.tokens.back();
}

// Logits of the last row of each factual run when its state at `layer` is the given one: [m, vocab].
Tensor enter(const readout::AnalysisInput& input, nn::KvCache& cache, const std::vector<int>& ids,
             const std::vector<Contest>& runs, int64_t layer, const Tensor& states) {
  std::vector<model::Row> rows;
  std::vector<int> forks;
  for (size_t i = 0; i < runs.size(); ++i) {
    forks.push_back(cache.fork(ids[i]));
    rows.push_back({{runs[i].tokens.back()}, forks.back()});
  }
  const model::Start start{layer, states.contiguous()};
  const auto out = model::forward(input.model, model::pack(rows, input.model.config.vocab, &cache),
                                  {.compute = input.compute, .cache = &cache}, &start);
  for (const int fork : forks) cache.close(fork);
  return out.logits;
}

// The wrong runs' states in factual runs, some items at a time: [m, n_layers + 1] bool.
Tensor restored_by(const readout::AnalysisInput& input, const std::vector<Contest>& runs, const Tensor& states) {
  nn::KvCache cache = model::make_cache(input.model, input.compute);
  std::vector<int> ids;
  std::vector<model::Row> rows;
  std::vector<int64_t> right;
  for (const Contest& c : runs) {
    ids.push_back(cache.open());
    rows.push_back({{c.tokens.begin(), c.tokens.end() - 1}, ids.back()});
    right.push_back(c.right);
  }
  model::forward(input.model, model::pack(rows, input.model.config.vocab, &cache),
                 {.compute = input.compute, .cache = &cache, .logits = model::ForwardOptions::Logits::none});
  const Tensor answer = at::tensor(at::ArrayRef<int64_t>(right));
  std::vector<Tensor> layers;
  for (int64_t l = 0; l <= input.model.config.n_layers; ++l)
    layers.push_back(enter(input, cache, ids, runs, l, states.select(1, l)).argmax(-1) == answer);
  return at::stack(layers, 1);
}

}  // namespace

Repairs find_repairs(const readout::AnalysisInput& input, const std::vector<Contest>& contests, const Tensor& states,
                     size_t most) {
  const at::NoGradGuard plain;
  std::vector<Contest> runs;
  std::vector<int64_t> rows;
  for (size_t i = 0; i < contests.size() && runs.size() < most; ++i) {
    Contest run;
    if (!contests[i].failed || !factual(input, contests[i], run)) continue;
    runs.push_back(std::move(run));
    rows.push_back(int64_t(i));
  }
  std::vector<Tensor> parts;
  for (size_t i = 0; i < runs.size(); i += at_once) {
    const size_t end = std::min(runs.size(), i + at_once);
    const Tensor chosen = at::tensor(at::ArrayRef<int64_t>(rows.data() + i, end - i));
    parts.push_back(
        restored_by(input, {runs.begin() + long(i), runs.begin() + long(end)}, states.index_select(0, chosen)));
  }
  Repairs result;
  if (parts.empty()) return result;
  const Tensor restored = at::cat(parts);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < restored.size(0); ++i)
    if (restored[i][0].item<bool>()) kept.push_back(i), result.items.push_back(size_t(rows[size_t(i)]));
  result.restored = restored.index_select(0, at::tensor(at::ArrayRef<int64_t>(kept)));
  return result;
}

std::vector<int64_t> last_repaired(const Repairs& repairs) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < int64_t(repairs.items.size()); ++i) {
    int64_t last = 0;
    while (last + 1 < repairs.restored.size(1) && repairs.restored[i][last + 1].item<bool>()) ++last;
    result.push_back(last);
  }
  return result;
}

}  // namespace ken::evidence
