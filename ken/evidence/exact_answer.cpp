#include "ken/evidence/exact_answer.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/data/trim.h"

namespace ken::evidence {
namespace {

// The fact's statement up to its answer, and what follows the answer there; empty where that is no way to ask.
std::pair<std::string, std::string> around_answer(const data::Fact& fact) {
  if (fact.answers.empty() || fact.subject.empty()) return {};
  const size_t at = fact.statement.find(fact.answers.front());
  if (at == std::string::npos || fact.statement.substr(0, at).find(fact.subject) == std::string::npos) return {};
  return {std::string(data::trimmed(fact.statement.substr(0, at))),
          fact.statement.substr(at + fact.answers.front().size())};
}

std::vector<size_t> drawn(const data::FactSet& set, bool as_statement, size_t max_items, uint64_t seed) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < set.facts.size(); ++i)
    if (!as_statement || !around_answer(set.facts[i]).first.empty()) chosen.push_back(i);
  return draw(std::move(chosen), max_items, seed);
}

std::string lower(std::string text) {
  for (char& c : text) c = char(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::vector<OpenFact> open_facts(const readout::AnalysisInput& input, bool as_statement, size_t max_items) {
  std::vector<OpenFact> result;
  for (const size_t i : drawn(input.facts, as_statement, max_items, input.seed)) {
    const data::Fact& fact = input.facts.facts[i];
    OpenFact open{&fact, closed_book(fact, input.style), input.style.stop};
    if (as_statement) {
      const auto [beginning, rest] = around_answer(fact);
      const data::Asked asked{fact.question, beginning, fact.id, fact.subject, fact.group};
      open.request = request_of(input.style, {data::ask(input.style, asked), ""});
      open.ends.push_back(data::trimmed(rest).empty() ? "." : rest);
    }
    open.ends.push_back("\n");
    open.request.stop.clear();
    result.push_back(std::move(open));
  }
  return result;
}

LongAnswer read_answer(const text::Tokenizer& tokenizer, const generate::Generated& answer, const OpenFact& asked) {
  LongAnswer result{answer.tokens, answer.logprobs, {}, {}, false};
  const std::string text = tokenizer.decode(answer.tokens);
  if (answer.logprobs.size() > answer.tokens.size() && tokenizer.eos) result.tokens.push_back(*tokenizer.eos);
  result.logprobs.resize(result.tokens.size());
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return result;
  size_t end = text.size();
  for (const auto& stop : asked.ends) end = std::min(end, text.find(stop));  // from 0: a stop may begin with a blank
  if (end > begin) result.exact = data::trimmed(std::string_view(text).substr(begin, end - begin));
  if (result.exact.empty()) return result;
  result.span = readout::token_span(tokenizer, answer.tokens, begin, begin + result.exact.size());
  result.right = data::contains_answer(result.exact, asked.fact->answers);
  return result;
}

OpenAnswers ask_open(const readout::AnalysisInput& input, bool as_statement, size_t max_items, int64_t max_tokens) {
  auto asked = open_facts(input, as_statement, max_items);
  std::vector<generate::Request> requests;
  for (const auto& open : asked) {
    requests.push_back(open.request);
    requests.back().max_tokens = max_tokens;
  }
  const auto answers = greedy_answers(input.model, requests, input.compute);
  OpenAnswers result;
  for (size_t i = 0; i < asked.size(); ++i) {
    LongAnswer answer = read_answer(*input.model.tokenizer, answers[i], asked[i]);
    if (!answer.span.found()) {
      ++result.invalid;
      continue;
    }
    result.labels.push_back(answer.right);
    result.groups.push_back(asked[i].fact->group);
    result.asked.push_back(std::move(asked[i]));
    result.answers.push_back(std::move(answer));
  }
  return result;
}

Resampled resample(const std::vector<std::string>& exact, const std::vector<std::string>& accepted) {
  Resampled counts;
  std::vector<std::pair<std::string, int64_t>> clusters;
  for (const auto& answer : exact) {
    ++counts.samples;
    if (!answer.empty() && data::contains_answer(answer, accepted)) {
      ++counts.right;
      continue;
    }
    const std::string words = lower(answer);
    const auto same = std::find_if(clusters.begin(), clusters.end(), [&](const auto& c) {
      if (c.first.empty() || words.empty()) return c.first.empty() && words.empty();
      return c.first.find(words) != std::string::npos || words.find(c.first) != std::string::npos;
    });
    if (same != clusters.end()) {
      ++same->second;
    } else {
      clusters.emplace_back(words, 1);
    }
  }
  counts.distinct_wrong = int64_t(clusters.size());
  for (const auto& [words, n] : clusters) {
    if (n <= counts.most_wrong) continue;
    counts.most_wrong = n;
    counts.mostly_none = words.empty();
  }
  return counts;
}

std::vector<std::string> error_types(const Resampled& c) {
  const int64_t half = c.samples / 2, third = c.samples / 3, sixth = c.samples / 6;
  const bool none = c.mostly_none && c.most_wrong > c.right;
  std::vector<std::string> types;
  if (c.right == c.samples || (c.right >= half && c.distinct_wrong > 0)) types.push_back(error_type_names[0]);
  if (c.most_wrong >= half && !none) types.push_back(error_type_names[1]);
  if (std::abs(c.right - c.most_wrong) <= sixth && std::min(c.right, c.most_wrong) > sixth)
    types.push_back(error_type_names[2]);
  if (c.distinct_wrong >= (c.right > 0 ? third - 1 : third)) types.push_back(error_type_names[3]);
  if (none) types.push_back(error_type_names[4]);
  return types;
}

}  // namespace ken::evidence
