#include "ken/evidence/statements.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/asking.h"

namespace ken::evidence {
namespace {

constexpr size_t least_of_a_kind = 30;
constexpr std::array<const char*, 3> names = {"true", "false", "neither"};

using Facts = std::map<std::string, const data::Fact*>;

// A statement and the fact that it is about, if any.
struct StatementSource {
  Statement statement;
  const data::Fact* fact = nullptr;
};

void cut_at(Statement& statement, const std::vector<std::string>& values) {
  for (const auto& value : values) {
    const size_t at = value.empty() ? std::string::npos : statement.text.rfind(value);
    if (at == std::string::npos || at == 0) continue;
    statement.beginning = statement.text.substr(0, at), statement.value = value;
    return;
  }
}

StatementSource of_claim(const data::Claim& claim, const Facts& facts) {
  StatementSource source;
  Statement& statement = source.statement;
  const Json& extra = claim.extra;
  const auto word = [&](const char* name) {
    return extra.is_object() && extra.contains(name) && extra[name].is_string() ? extra[name].get<std::string>() : "";
  };
  const bool neither = word("kind") == "neither";
  statement.text = claim.statement;
  statement.kind = neither ? Kind::neither : claim.truth ? Kind::yes : Kind::no;
  if (const auto found = facts.find(claim.fact); found != facts.end()) source.fact = found->second;
  statement.group = !claim.group.empty() ? claim.group : source.fact ? source.fact->group : claim.statement;
  statement.relation = source.fact ? source.fact->relation : word("relation");
  cut_at(statement, source.fact ? source.fact->answers : std::vector<std::string>{word("value")});
  return source;
}

// A fact's own statement, and the same with another fact's answer.
void add_own_statements(const readout::AnalysisInput& input, const Facts& facts,
                        std::vector<StatementSource>& sources) {
  for (const auto& fact : input.facts.facts) {
    if (fact.statement.empty()) continue;
    StatementSource source{{fact.statement, "", "", Kind::yes, fact.group, fact.relation}, &fact};
    cut_at(source.statement, fact.answers);
    sources.push_back(std::move(source));
  }
  for (const auto& swap : data::swap_contexts(input.facts, input.seed, input.facts.facts.size())) {
    const data::Fact* fact = facts.at(swap.fact);
    StatementSource source{{swap.context, "", "", Kind::no, fact->group, fact->relation}, fact};
    cut_at(source.statement, swap.context_answers);
    sources.push_back(std::move(source));
  }
}

std::set<const data::Fact*> answered_rightly(const readout::AnalysisInput& input,
                                             const std::vector<StatementSource>& sources) {
  std::set<std::string> ids;
  std::vector<const data::Fact*> asked;
  std::vector<generate::Request> requests;
  for (const auto& source : sources) {
    if (!source.fact || source.statement.kind == Kind::neither || !ids.insert(source.fact->id).second) continue;
    asked.push_back(source.fact);
    requests.push_back(closed_book(*source.fact, input.style));
  }
  const auto answers = greedy_answers(input.model, requests, input.compute);
  std::set<const data::Fact*> result;
  for (size_t i = 0; i < asked.size(); ++i)
    if (data::same_answer(answers[i].text, asked[i]->answers)) result.insert(asked[i]);
  return result;
}

std::vector<Statement> balanced_kinds(std::array<std::vector<Statement>, 3> of_kind, size_t max_items, uint64_t seed) {
  size_t count = max_items / 3;
  for (const auto& kind : of_kind) count = std::min(count, kind.size());
  std::vector<Statement> result;
  for (size_t k = 0; k < of_kind.size(); ++k) {
    if (of_kind[k].size() < least_of_a_kind)
      fail("statements",
           "{} statements are {}, but {} or more are needed; give claims ({{\"claim\": ..., \"truth\": true or "
           "false}}), and for what the model cannot know {{\"claim\": ..., \"truth\": false, \"kind\": \"neither\"}}",
           of_kind[k].size(), names[k], least_of_a_kind);
    Rng(seed, k).shuffle(of_kind[k]);
    result.insert(result.end(), of_kind[k].begin(), of_kind[k].begin() + long(count));
  }
  return result;
}

}  // namespace

std::vector<Statement> statements(const readout::AnalysisInput& input, size_t max_items, bool known) {
  Facts facts;
  for (const auto& fact : input.facts.facts) facts.emplace(fact.id, &fact);
  std::vector<StatementSource> sources;
  bool judged = false;
  for (const auto& claim : input.facts.claims) {
    sources.push_back(of_claim(claim, facts));
    judged = judged || sources.back().statement.kind != Kind::neither;
  }
  if (!judged) add_own_statements(input, facts, sources);
  const auto right = known ? answered_rightly(input, sources) : std::set<const data::Fact*>();
  std::array<std::vector<Statement>, 3> of_kind;
  for (auto& source : sources) {
    const bool judge = source.statement.kind != Kind::neither;
    if (known && judge && source.fact && !right.count(source.fact)) continue;
    of_kind[size_t(source.statement.kind)].push_back(std::move(source.statement));
  }
  return balanced_kinds(std::move(of_kind), max_items, input.seed);
}

}  // namespace ken::evidence
