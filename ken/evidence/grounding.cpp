#include "ken/evidence/grounding.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/readout/spans.h"

namespace ken::evidence {
namespace {

constexpr size_t most_sentences = 2;  // of an answer: later ones seldom answer
const std::vector<std::string> no_answers = {"unknown",    "not known",     "no answer",  "do not know",
                                             "don't know", "not mentioned", "not stated", "cannot"};

// The question of one case beside the passage of another, which says nothing of its subject or answers.
std::vector<data::ContextCase> exchanged(const std::vector<data::ContextCase>& cases, uint64_t seed) {
  std::vector<data::ContextCase> result;
  Rng rng(seed);
  for (const auto& item : cases) {
    for (int attempt = 0; attempt < 16; ++attempt) {
      const auto& other = cases[rng.below(cases.size())];
      const auto& words = item.context_subject;
      if (other.group == item.group || data::contains_answer(other.context, item.answers)) continue;
      if (!words.empty() && other.context.find(words) != std::string::npos) continue;
      data::ContextCase made = item;
      made.context = other.context;
      made.context_answers.clear();
      made.kind = "exchanged";
      result.push_back(std::move(made));
      break;
    }
  }
  return result;
}

// As many prompts with an answer in the passage as without, where there are enough.
std::vector<data::ContextCase> chosen_cases(const readout::AnalysisInput& input, size_t max_items) {
  std::vector<data::ContextCase> with, without;
  for (const auto& item : input.facts.contexts) {
    if (!undirected(item) || item.answers.empty()) continue;
    (item.context_answers.empty() ? without : with).push_back(item);
  }
  if (with.empty()) fail("passages", "the facts hold no passage with an answer; add records with a context");
  Rng(input.seed).shuffle(with);
  if (with.size() > max_items / 2) with.resize(max_items / 2);
  for (auto& item : exchanged(with, input.seed)) without.push_back(std::move(item));
  Rng(input.seed + 1).shuffle(without);
  if (without.size() > max_items / 2) without.resize(max_items / 2);
  with.insert(with.end(), without.begin(), without.end());
  return with;
}

int label_of(const std::string& sentence, const data::ContextCase& item, bool truth) {
  if (!item.context_answers.empty()) return !data::contains_answer(sentence, item.context_answers);
  if (data::contains_answer(sentence, no_answers)) return 0;
  return !(truth && data::contains_answer(sentence, item.answers));
}

void add_sentences(const readout::AnalysisInput& input, const data::ContextCase& item, const generate::Request& request,
                   const generate::Generated& answer, bool truth, GroundingSet& all) {
  const auto end = answer.tokens.begin() + long(answer.answer_tokens);
  const std::vector<int32_t> tokens(answer.tokens.begin(), end);
  const std::string text = input.model.tokenizer->decode(tokens);
  const auto parts = readout::sentences(text);
  for (size_t s = 0; s < std::min(parts.size(), most_sentences); ++s) {
    const auto span = readout::token_span(*input.model.tokenizer, tokens, parts[s].first, parts[s].second);
    if (!span.found()) continue;
    readout::Item read{request.prompt.text, {{"sentence end", ""}}, input.style.tokens()};
    read.places[0].index = span.last;
    read.continuation = tokens;
    double sum = 0;
    for (int64_t t = span.first; t <= span.last; ++t) sum -= answer.logprobs[size_t(t)];
    const std::string sentence = text.substr(parts[s].first, parts[s].second - parts[s].first);
    all.set.add(std::move(read), label_of(sentence, item, truth), item.group.empty() ? item.fact : item.group,
                sum / double(span.last - span.first + 1), item.extra);
    all.kinds.push_back(item.kind);
    all.answerable.push_back(!item.context_answers.empty());
  }
}

}  // namespace

GroundingSet grounding_set(const readout::AnalysisInput& input, size_t max_items, bool truth) {
  const auto cases = chosen_cases(input, max_items);
  std::vector<generate::Request> requests;
  for (const auto& item : cases) requests.push_back(with_passage(item, input.style));
  const auto answers = greedy_answers(input.model, requests, input.compute);
  GroundingSet all;
  for (size_t i = 0; i < cases.size(); ++i) add_sentences(input, cases[i], requests[i], answers[i], truth, all);
  if (all.set.items.empty()) fail("passages", "the model answered none of {} questions beside a passage", cases.size());
  return all;
}

}  // namespace ken::evidence
