#include "ken/evidence/repair.h"

#include "ken/readout/patching.h"

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

// The wrong runs' states in factual runs, some items at a time: [m, n_layers + 1] bool.
Tensor restored_by(const readout::AnalysisInput& input, const std::vector<Contest>& runs, const Tensor& states) {
  const int64_t layers = input.model.config.n_layers;
  std::vector<std::vector<int32_t>> prompts;
  std::vector<int64_t> right;
  for (const Contest& c : runs) prompts.push_back(c.tokens);
  readout::SavedRun factual(input.model, std::move(prompts), {}, input.compute);
  std::vector<readout::Patch> patches;
  for (size_t i = 0; i < runs.size(); ++i)
    for (int64_t l = 0; l <= layers; ++l) {
      const int64_t last = factual.length(i) - 1;
      const auto point = l < layers ? model::Point::resid_pre : model::Point::resid_post;
      patches.push_back({i, last, {readout::put(point, std::min(l, layers - 1), last, states[int64_t(i)][l])}});
      right.push_back(runs[i].right);
    }
  const Tensor answer = at::tensor(at::ArrayRef<int64_t>(right));
  const auto is_right = [&](const Tensor& logits, const std::vector<int64_t>& numbers) {
    const Tensor wanted = answer.index_select(0, at::tensor(at::ArrayRef<int64_t>(numbers)));
    return (logits.argmax(-1) == wanted).to(at::kFloat).unsqueeze(1);
  };
  const Tensor restored = readout::Patcher(input.model, factual, input.compute).measure(patches, is_right);
  return restored.view({int64_t(runs.size()), layers + 1}) > 0;
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
