// CAD's claim (arXiv 2305.14739; conflict.md section 6): under conflict it moves answers towards the passage, and with
// negative strength towards memory. Measured on facts that the model answers rightly without a passage.
#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::cad_claim_file {
namespace {

struct Counts {
  double context = 0, memory = 0, neither = 0;
};

// Conflict cases of known facts without an instruction, and agreeing passages, in an order of the seed's own.
std::vector<const data::ContextCase*> cases(const ClaimInput& input, const std::string& kind, size_t limit) {
  std::vector<const data::ContextCase*> all;
  for (const auto& item : input.facts.contexts)
    if (item.kind == kind && item.intent == "none") all.push_back(&item);
  Rng(input.seed).shuffle(all);
  if (all.size() > limit) all.resize(limit);
  if (all.empty()) fail("cad", "the facts hold no passage of kind {}", kind);
  return all;
}

std::vector<std::string> answers(const ClaimInput& input, const std::vector<const data::ContextCase*>& items,
                                 const Json& params, bool closed) {
  std::vector<generate::Request> requests;
  for (const auto* item : items) {
    requests.push_back(evidence::with_passage(*item, input.style));
    if (closed) requests.back().prompt = {requests.back().prompt.without_context, ""};
    if (!params.is_null()) requests.back().controls.push_back(generate::control_from("cad", params));
  }
  std::vector<std::string> texts;
  for (const auto& answer : evidence::greedy_answers(input.model, requests, nn::Compute::f32))
    texts.push_back(answer.text);
  return texts;
}

Counts count(const std::vector<const data::ContextCase*>& items, const std::vector<std::string>& texts,
             const std::vector<char>& known) {
  Counts c;
  double n = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!known[i]) continue;
    const std::string side = evidence::followed(texts[i], *items[i], items[i]->answers);
    (side == "context" ? c.context : side == "memory" ? c.memory : c.neither) += 1;
    n += 1;
  }
  if (n == 0) fail("cad", "the model knows none of the facts under conflict");
  return {c.context / n, c.memory / n, c.neither / n};
}

double right(const std::vector<const data::ContextCase*>& items, const std::vector<std::string>& texts) {
  double hits = 0;
  for (size_t i = 0; i < items.size(); ++i) hits += data::same_answer(texts[i], items[i]->answers);
  return hits / double(items.size());
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto conflict = cases(input, "conflict", 300), agree = cases(input, "agree", 100);
  const auto closed = answers(input, conflict, nullptr, true);
  std::vector<char> known;
  for (size_t i = 0; i < conflict.size(); ++i) known.push_back(data::same_answer(closed[i], conflict[i]->answers));
  const Counts plain = count(conflict, answers(input, conflict, nullptr, false), known);
  const Counts up = count(conflict, answers(input, conflict, {{"alpha", 1.0}}, false), known);
  const Counts down = count(conflict, answers(input, conflict, {{"alpha", -0.5}}, false), known);
  const double agree_plain = right(agree, answers(input, agree, nullptr, false)),
               agree_up = right(agree, answers(input, agree, {{"alpha", 1.0}}, false));
  return {{"context answers, alpha 1 minus plain", "share", up.context - plain.context, ">=", 0.15, false, 0.0},
          {"memory answers, alpha -0.5 minus plain", "share", down.memory - plain.memory, ">=", 0.05, false, 0.0},
          {"context answers, plain", "share", plain.context},
          {"context answers, alpha 1", "share", up.context},
          {"neither, alpha 1 minus plain", "share", up.neither - plain.neither, "", 0, true},
          {"right beside an agreeing passage, alpha 1 minus plain", "share", agree_up - agree_plain, "", 0, true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "cad",
              .family = "steer",
              .sentence = "Under conflict, alpha = 1 raises the share of answers from the passage by 15 points or more "
                          "(the paper's setting gave 23 on "
                          "NQ-Swap with Llama-3-8B), and a negative alpha moves answers back to memory."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::cad_claim_file
