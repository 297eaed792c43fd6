// The order of preference (arXiv 2407.13048): what the user assumes goes before the passage, the passage before memory.
// Each known fact is asked in nine cells: an assumption in the prompt (of this fact, none, of another one) beside a
// passage (of this fact, none, of another one). The three sources state three different answers, so what an answer
// follows can be told. Gold is the answer of the highest source that is there and speaks of the question.
//   violation    share of a cell's answers that follow a lower source than the gold one
//   leak matrix  [source that should be followed][source that was], and other answers
//   robustness   accuracy where the higher source speaks of something else, minus where there is none
// The cells are the paper's idea; which ones stand here is ours.
#include <array>
#include <map>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "ken/stats/stats.h"

namespace ken::readout::preference_order_file {
namespace {

constexpr std::array<const char*, 3> source_names{"assumption", "passage", "memory"};
constexpr std::array<const char*, 3> states{"present", "absent", "irrelevant"};

// A fact with what the three sources say, and another fact that an irrelevant source speaks of.
struct Asked {
  const data::Fact* fact;
  std::array<std::vector<std::string>, 3> answers;  // by source
  std::array<std::string, 2> relevant, irrelevant;  // sentences of assumption and passage
};

std::string replaced(std::string pattern, const std::string& statement) {
  const size_t at = pattern.find("{statement}");
  if (at == std::string::npos) fail_usage("preference-order", "assume='{}' has no {{statement}}", pattern);
  // A sentence inside a sentence goes without its full stop.
  const size_t end = statement.find_last_not_of(" .");
  return pattern.replace(at, 11, statement.substr(0, end == std::string::npos ? 0 : end + 1));
}

// Facts with a statement that holds their answer, which the model answers rightly without help, and two other answers
// to their relation.
std::vector<Asked> askable(const AnalysisInput& input, const Json& params) {
  std::map<std::string, std::vector<const data::Fact*>> relations;
  std::vector<const data::Fact*> all;
  for (const auto& fact : input.facts.facts) {
    if (fact.answers.empty() || fact.statement.find(fact.answers[0]) == std::string::npos) continue;
    relations[fact.relation].push_back(&fact);
    all.push_back(&fact);
  }
  Rng rng(input.seed);
  rng.shuffle(all);
  std::vector<generate::Request> requests;
  for (const auto* fact : all) requests.push_back(evidence::closed_book(*fact, input.style));
  const auto memory = evidence::greedy_answers(input.model, requests, input.compute);
  std::vector<Asked> result;
  const size_t most = params.at("max_items");
  for (size_t i = 0; i < all.size() && result.size() < most; ++i) {
    const data::Fact& fact = *all[i];
    if (!data::same_answer(memory[i].text, fact.answers)) continue;
    std::vector<std::string> others;
    const auto& pool = relations[fact.relation];
    for (int draw = 0; draw < 50 && others.size() < 2; ++draw) {
      const std::string& answer = pool[rng.below(pool.size())]->answers[0];
      if (!data::same_answer(answer, fact.answers) && (others.empty() || !data::same_answer(answer, {others[0]})))
        others.push_back(answer);
    }
    if (others.size() < 2) continue;
    Asked asked{&fact, {{{others[0]}, {others[1]}, fact.answers}}, {}, {}};
    const std::string assume = params.at("assume");
    for (size_t s = 0; s < 2; ++s) {
      const data::Fact* other = all[rng.below(all.size())];
      while (other->group == fact.group && all.size() > pool.size()) other = all[rng.below(all.size())];
      const std::string own = evidence::statement_with(fact, others[s]), far = other->statement;
      asked.relevant[s] = s == 0 ? replaced(assume, own) : own;
      asked.irrelevant[s] = s == 0 ? replaced(assume, far) : far;
    }
    result.push_back(std::move(asked));
  }
  if (result.size() < 20)
    fail("preference-order",
         "{} facts are known, have a statement that holds their answer and two other answers to their relation; 20 are "
         "needed",
         result.size());
  return result;
}

generate::Request request_of(const AnalysisInput& input, const Asked& asked, size_t assumption, size_t passage) {
  const auto sentence = [&](size_t source, size_t state) {
    return state == 0 ? asked.relevant[source] : state == 1 ? std::string() : asked.irrelevant[source];
  };
  data::ContextCase item;
  item.question = asked.fact->question, item.beginning = asked.fact->beginning;
  item.fact = asked.fact->id, item.context_subject = asked.fact->subject, item.group = asked.fact->group;
  item.instruction = sentence(0, assumption), item.context = sentence(1, passage);
  if (item.context.empty() && item.instruction.empty()) return evidence::closed_book(*asked.fact, input.style);
  // Without a passage the assumption stands in its place.
  if (item.context.empty()) std::swap(item.context, item.instruction);
  return evidence::with_passage(item, input.style);
}

// Which source an answer follows; 3: another answer.
size_t followed(const std::string& answer, const Asked& asked) {
  for (size_t s = 0; s < 3; ++s)
    if (data::same_answer(answer, asked.answers[s])) return s;
  return 3;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const auto items = askable(input, params);
  const auto n = int64_t(items.size());
  std::array<std::array<int64_t, 4>, 3> leak{};
  std::array<std::array<double, 3>, 3> accuracy{};
  Json cells = Json::array();
  for (size_t a = 0; a < 3; ++a)
    for (size_t p = 0; p < 3; ++p) {
      std::vector<generate::Request> requests;
      for (const auto& item : items) requests.push_back(request_of(input, item, a, p));
      const auto answers = evidence::greedy_answers(input.model, requests, input.compute);
      const size_t gold = a == 0 ? 0 : p == 0 ? 1 : 2;
      std::array<int64_t, 4> count{};
      for (size_t i = 0; i < items.size(); ++i) ++count[followed(answers[i].text, items[i])];
      int64_t lower = 0;
      for (size_t s = 0; s < 4; ++s) {
        leak[gold][s] += count[s];
        if (s > gold && s < 3) lower += count[s];
      }
      accuracy[a][p] = double(count[gold]) / double(n);
      cells.push_back({{"assumption", states[a]},
                       {"passage", states[p]},
                       {"gold", source_names[gold]},
                       {"accuracy", stats::to_json(stats::proportion(count[gold], n, "exact_match"))},
                       {"violation", stats::to_json(stats::proportion(lower, n, "follows_a_lower_source"))},
                       {"other", stats::to_json(stats::proportion(count[3], n, "follows_no_source"))}});
      if (input.progress) input.progress("ask", 3 * a + p + 1, 9, "");
    }
  AnalysisResult result;
  Json matrix = Json::object();
  Tensor leaks = at::zeros({3, 4});
  for (size_t g = 0; g < 3; ++g) {
    const double total = double(leak[g][0] + leak[g][1] + leak[g][2] + leak[g][3]);
    for (size_t s = 0; s < 4; ++s) {
      leaks[int64_t(g)][int64_t(s)] = double(leak[g][s]) / total;
      matrix[source_names[g]][s < 3 ? source_names[s] : "other"] = double(leak[g][s]) / total;
    }
  }
  result.table = {{"id", "preference-order"},
                  {"items", n},
                  {"cells", cells},
                  {"leak", matrix},
                  {"robustness",
                   {{"of the passage to an irrelevant assumption", accuracy[2][0] - accuracy[1][0]},
                    {"of memory to an irrelevant assumption", accuracy[2][1] - accuracy[1][1]},
                    {"of memory to an irrelevant passage", accuracy[1][2] - accuracy[1][1]}}}};
  result.tensors["leak"] = leaks;
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "preference-order",
              .family = "steer",
              .title = "Order of preference: assumption, passage, memory",
              .paper = "arXiv 2407.13048",
              .sentence = "Measures whether a model follows what the user assumes before the passage, and the passage "
                          "before memory, where all three state different answers.",
              .params = {{"assume", "Assume that {statement}.", "how an assumption is put"},
                         {"max_items", 300, "known facts at most, drawn by the seed", 20, 100000}},
              .example = "ken steer preference-order max_items=60"},
     .run = run}};

}  // namespace
}  // namespace ken::readout::preference_order_file
