// Three greedy runs of each item; the facts' own instructions serve every passage.
#include "ken/evidence/instructed.h"

#include <algorithm>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/asking.h"

namespace ken::evidence {
namespace {

constexpr uint64_t mode_stream = 0x1257;

// Every instruction of an intent, each once, in alphabetical order.
std::vector<std::string> instructions_of(const data::FactSet& facts, const std::string& intent,
                                         const std::string& given) {
  if (!given.empty()) return {given};
  std::set<std::string> found;
  for (const auto& item : facts.contexts)
    if (item.intent == intent && !item.instruction.empty()) found.insert(item.instruction);
  if (found.empty())
    fail_usage("instructions",
               "the facts hold no passage with the intent '{}' and an instruction; give the instruction's text as "
               "the parameter {}_instruction",
               intent, intent);
  return {found.begin(), found.end()};
}

// As many indices of each kind as there are of the rarest one, or as the bound allows.
std::vector<size_t> draw_cases(const data::FactSet& facts, size_t max_items, uint64_t seed) {
  std::map<std::string, std::vector<size_t>> of_kind;
  for (size_t i = 0; i < facts.contexts.size(); ++i)
    if (undirected(facts.contexts[i])) of_kind[facts.contexts[i].kind].push_back(i);
  std::vector<std::vector<size_t>> kinds;
  for (auto& [kind, indices] : of_kind) {
    Rng(seed, kinds.size()).shuffle(indices);
    kinds.push_back(indices);
  }
  // the smallest first: what it leaves of its share goes to the others
  std::sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::vector<size_t> chosen;
  for (size_t k = 0; k < kinds.size(); ++k) {
    const size_t share = (max_items - chosen.size()) / (kinds.size() - k);
    chosen.insert(chosen.end(), kinds[k].begin(), kinds[k].begin() + long(std::min(share, kinds[k].size())));
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::string form(const std::string& answer) { return data::normalize_answer(answer); }

}  // namespace

std::string name_of(Interaction interaction) {
  static constexpr const char* names[] = {"supportive", "noise", "irrelevant", "conflicting", "complementary"};
  return names[size_t(interaction)];
}

Interaction interaction_of(const std::string& from_memory, const std::string& from_context, const std::string& answer) {
  const std::string p = form(from_memory), c = form(from_context), a = form(answer);
  if (p == c) return a == p ? Interaction::supportive : Interaction::noise;
  if (a == c) return Interaction::conflicting;
  if (a != p) return Interaction::complementary;
  return c == "unknown" ? Interaction::irrelevant : Interaction::conflicting;
}

std::vector<Instructed> instructed_cases(const readout::AnalysisInput& input, const Instructions& given,
                                         size_t max_items) {
  const auto memory = instructions_of(input.facts, "memory", given.memory),
             context = instructions_of(input.facts, "context", given.context);
  const auto chosen = draw_cases(input.facts, max_items, input.seed);
  if (chosen.empty()) fail("instructions", "the facts hold no passage; add records with a context");
  Rng rng(input.seed, mode_stream);
  std::vector<Instructed> result;
  std::vector<generate::Request> requests;
  for (const size_t i : chosen) {
    Instructed& next = result.emplace_back();
    next.item = input.facts.contexts[i];
    const std::string own = next.item.instruction.empty() ? given.both : next.item.instruction;
    const std::array<std::string, 3> texts{memory[rng.below(memory.size())], context[rng.below(context.size())], own};
    for (size_t mode = 0; mode < 3; ++mode) {
      data::ContextCase asked = next.item;
      asked.instruction = texts[mode];
      requests.push_back(with_passage(asked, input.style));
      Run& run = next.runs[mode];
      run.prompt = requests.back().prompt.text;
      run.tokens = generate::prompt_ids(input.model, run.prompt, input.style.tokens().get());
    }
  }
  const auto answers = greedy_answers(input.model, requests, input.compute);
  for (size_t i = 0; i < result.size(); ++i) {
    for (size_t mode = 0; mode < 3; ++mode) result[i].runs[mode].answer = answers[3 * i + mode];
    result[i].interaction =
        interaction_of(result[i].run(Mode::memory).answer.text, result[i].run(Mode::context).answer.text,
                       result[i].run(Mode::both).answer.text);
  }
  return result;
}

}  // namespace ken::evidence
