#include "ken/data/pairs.h"

#include <map>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/io/records.h"

namespace ken::data {
namespace {

constexpr size_t most_tries = 200;  // of partners for a fact

struct Candidate {
  const Fact* fact;
  std::string prompt;
  std::vector<int32_t> tokens;
};

// Whether the prompts are equally long and differ, but not in the last token.
bool aligned(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  return a.size() == b.size() && !a.empty() && a != b && a.back() == b.back();
}

std::map<std::string, std::vector<Candidate>> by_relation(const FactSet& facts, const PromptStyle& style,
                                                          const Encode& encode) {
  std::map<std::string, std::vector<Candidate>> result;
  for (const Fact& fact : facts.facts) {
    if (fact.subject.empty() || fact.answers.empty() || fact.question.find(fact.subject) == std::string::npos) continue;
    const std::string prompt = ask(style, {.question = fact.question,
                                           .beginning = fact.beginning,
                                           .id = fact.id,
                                           .subject = fact.subject,
                                           .group = fact.group});
    result[fact.relation].push_back({&fact, prompt, encode(prompt)});
  }
  return result;
}

std::string words_around(const Fact& fact) {
  std::string text = fact.question;
  return text.replace(text.find(fact.subject), fact.subject.size(), "{}");
}

std::string field(const io::Record& record, const fs::path& path, const char* name, bool needed) {
  const auto found = record.fields.find(name);
  if (found != record.fields.end() && found->is_string()) return *found;
  if (needed) fail("pairs", "{}:{}: no text \"{}\"", path.string(), record.line, name);
  return {};
}

}  // namespace

std::vector<ContrastPair> subject_pairs(const FactSet& facts, const PromptStyle& style, const Encode& encode,
                                        uint64_t seed, size_t limit) {
  std::vector<ContrastPair> result;
  Rng rng(seed, 17);
  for (auto& [relation, candidates] : by_relation(facts, style, encode)) {
    for (const Candidate& clean : candidates) {
      for (size_t attempt = 0; attempt < most_tries; ++attempt) {
        const Candidate& corrupt = candidates[size_t(rng.below(candidates.size()))];
        if (same_answer(corrupt.fact->answers.front(), clean.fact->answers) || !aligned(clean.tokens, corrupt.tokens) ||
            words_around(*clean.fact) != words_around(*corrupt.fact))
          continue;
        result.push_back({clean.fact->id, relation, clean.fact->group, clean.prompt, corrupt.prompt,
                          clean.fact->answers.front(), corrupt.fact->answers.front()});
        break;
      }
    }
  }
  rng.shuffle(result);
  if (result.size() > limit) result.resize(limit);
  return result;
}

std::vector<ContrastPair> passage_pairs(const FactSet& facts, const PromptStyle& style,
                                        const std::vector<std::string>& kinds, const Encode& encode, uint64_t seed,
                                        size_t limit) {
  std::map<std::string, std::string> relations;  // of the facts
  std::map<std::string, std::vector<std::string>> values;
  for (const Fact& fact : facts.facts) {
    relations[fact.id] = fact.relation;
    if (!fact.answers.empty()) values[fact.relation].push_back(fact.answers.front());
  }
  std::vector<ContrastPair> result;
  Rng rng(seed, 18);
  std::vector<const ContextCase*> cases;
  for (const ContextCase& item : facts.contexts)
    if (is_in(item.kind, kinds) && !item.context_answers.empty()) cases.push_back(&item);
  rng.shuffle(cases);
  for (const ContextCase* item : cases) {
    if (result.size() >= limit) break;
    const std::string& value = item->context_answers.front();
    const size_t at = item->context.find(value);
    const auto& others = values[relations[item->fact]];
    if (at == std::string::npos || others.empty()) continue;
    const auto prompt = [&](const std::string& context) {
      return ask_with_context(style, context, item->instruction,
                              {.question = item->question, .beginning = item->beginning, .id = item->fact});
    };
    const std::string clean = prompt(item->context);
    const auto tokens = encode(clean);
    for (size_t attempt = 0; attempt < most_tries; ++attempt) {
      const std::string& other = others[size_t(rng.below(others.size()))];
      if (same_answer(other, item->context_answers) || item->context.find(other) != std::string::npos) continue;
      const std::string corrupt = prompt(std::string(item->context).replace(at, value.size(), other));
      if (!aligned(tokens, encode(corrupt))) continue;
      result.push_back({item->id, relations[item->fact], item->group, clean, corrupt, value, other});
      break;
    }
  }
  return result;
}

std::vector<ContrastPair> read_pairs(const fs::path& path, const Encode& encode) {
  std::vector<ContrastPair> result;
  for (const io::Record& record : io::read_records(path)) {
    const auto text = [&](const char* name, bool needed) { return field(record, path, name, needed); };
    ContrastPair pair{text("id", false),     text("relation", false), text("group", false),        text("clean", true),
                      text("corrupt", true), text("answer", true),    text("corrupt_answer", true)};
    if (pair.id.empty()) pair.id = std::to_string(result.size());
    if (pair.group.empty()) pair.group = pair.id;
    const size_t clean = encode(pair.clean).size(), corrupt = encode(pair.corrupt).size();
    if (clean != corrupt || clean == 0)
      fail("pairs", "{}:{}: \"clean\" has {} tokens and \"corrupt\" {}; patching needs as many in both", path.string(),
           record.line, clean, corrupt);
    result.push_back(std::move(pair));
  }
  if (result.empty()) fail("pairs", "{} holds no pair", path.string());
  return result;
}

}  // namespace ken::data
