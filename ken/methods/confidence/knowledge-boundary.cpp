// The factual knowledge boundary with and without passages (Ren et al., arXiv 2307.11019): the same questions closed
// book and beside a passage that agrees, is irrelevant or contradicts; of each
//   the answer: EM, the share of right answers;
//   the prior judgement, will I be able to answer: Give-up, its rate; Right/G and Right/notG, EM of the questions given
//     up and of the others (the answer is asked for without leave to give up, so both are known);
//   the posterior judgement, is my answer right: Eval-Right, the share that the model calls right; Eval-Acc, the share
//     of judgements that are right themselves.
// The prior judgement is the paper's, a reply that may be "Unknown", or a verdict on the statement that the answer is
// not known, for models that only judge in their own claim form. The posterior one is the likelier verdict on the
// answer as a claim, so it is never withheld; the paper's models may answer "Unknown" there too.
#include <algorithm>
#include <cmath>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "ken/readout/judge.h"
#include "ken/stats/stats.h"

namespace ken::readout::knowledge_boundary_file {
namespace {

// What the paper's code takes for a reply that gives up.
const std::vector<std::string> give_up_words = {
    "unknown",   "no specific answer", "not provide", "cannot answer",       "no information provided",
    "no answer", "not contain",        "i dont know", "no definitive answer"};

struct Question {
  data::Fact fact;
  data::ContextCase passage;  // its question is the fact's; without a passage where `context` is empty
};

// Of each question, closed book or beside its passage.
struct Judged {
  std::vector<int> right, given_up, called_right;
  std::vector<double> unknown, truth;  // P(not known), P(right), where they are verdicts
  std::vector<std::string> answers;
};

std::string put(std::string text, const std::string& slot, const std::string& value) {
  const size_t at = text.find(slot);
  return at == std::string::npos ? text : text.replace(at, slot.size(), value);
}

// The question as it is asked, with words before it.
generate::Request request_of(const Question& q, const data::PromptStyle& style, bool beside,
                             const std::string& instruction) {
  if (beside) {
    data::ContextCase item = q.passage;
    item.instruction = instruction;
    return evidence::with_passage(item, style);
  }
  data::Fact fact = q.fact;
  if (!instruction.empty()) {
    std::string& asked = fact.question.empty() ? fact.beginning : fact.question;
    asked = instruction + " " + asked;
  }
  return evidence::closed_book(fact, style);
}

std::vector<std::string> replies(const AnalysisInput& input, const std::vector<Question>& questions, bool beside,
                                 const std::string& instruction) {
  std::vector<generate::Request> requests;
  for (const auto& q : questions) requests.push_back(request_of(q, input.style, beside, instruction));
  std::vector<std::string> texts;
  for (const auto& answer : evidence::greedy_answers(input.model, requests, input.compute))
    texts.push_back(answer.text);
  return texts;
}

// P(true) / (P(true) + P(false)) of statements, each judged behind its passage.
std::vector<double> verdicts(const AnalysisInput& input, const std::vector<Question>& questions,
                             const std::vector<std::string>& statements, bool beside, const std::string& form) {
  std::vector<evidence::OptionItem> items;
  for (size_t i = 0; i < questions.size(); ++i) {
    data::PromptStyle style = input.style;
    if (beside) style.claim = put(put(form, "{judgement}", style.claim), "{context}", questions[i].passage.context);
    items.push_back(evidence::verdicts({.statement = statements[i]}, style));
  }
  std::vector<double> result;
  for (const auto& s : evidence::score_options(input.model, items, input.compute))
    result.push_back(1 / (1 + std::exp(s[1].logprob - s[0].logprob)));
  return result;
}

bool gives_up(const std::string& reply) {
  return data::normalize_answer(reply).empty() || data::contains_answer(reply, give_up_words);
}

Judged judge(const AnalysisInput& input, const std::vector<Question>& questions, bool beside, const Json& params) {
  Judged all{.answers = replies(input, questions, beside, "")};
  const std::string form = params.at("beside");
  std::vector<std::string> not_known, claims;
  for (size_t i = 0; i < questions.size(); ++i) {
    const data::Fact& fact = questions[i].fact;
    all.right.push_back(data::same_answer(all.answers[i], fact.answers));
    not_known.push_back(
        put(params.at("not_known"), "{question}", fact.question.empty() ? fact.beginning : fact.question));
    claims.push_back(evidence::statement_with(fact, all.answers[i]));
  }
  if (params.at("prior") == "reply") {
    const std::string may = params.at(beside ? "may_give_up_beside" : "may_give_up");
    for (const auto& reply : replies(input, questions, beside, may)) all.given_up.push_back(gives_up(reply));
    all.unknown.assign(all.given_up.begin(), all.given_up.end());
  } else {
    all.unknown = verdicts(input, questions, not_known, beside, form);
    for (const double p : all.unknown) all.given_up.push_back(p > 0.5);
  }
  all.truth = verdicts(input, questions, claims, beside, form);
  for (const double p : all.truth) all.called_right.push_back(p > 0.5);
  return all;
}

Json share(const std::vector<int>& hits, const std::string& metric) {
  if (hits.empty()) return nullptr;
  return stats::to_json(stats::proportion(std::count(hits.begin(), hits.end(), 1), int64_t(hits.size()), metric));
}

// The paper's columns.
Json metrics(const Judged& all) {
  std::vector<int> given_up, kept, agrees;
  for (size_t i = 0; i < all.right.size(); ++i) {
    (all.given_up[i] ? given_up : kept).push_back(all.right[i]);
    agrees.push_back(all.right[i] == all.called_right[i]);
  }
  const auto number = [](double v) { return std::isnan(v) ? Json(nullptr) : Json(v); };
  std::vector<double> known;
  for (const double p : all.unknown) known.push_back(1 - p);
  return {{"n", all.right.size()},
          {"EM", share(all.right, "exact match")},
          {"give_up", share(all.given_up, "give-up rate")},
          {"right_given_up", share(given_up, "Right/G")},
          {"right_not_given_up", share(kept, "Right/notG")},
          {"eval_right", share(all.called_right, "Eval-Right")},
          {"eval_acc", share(agrees, "Eval-Acc")},
          {"auroc_prior", number(stats::auroc(known, all.right))},
          {"auroc_posterior", number(stats::auroc(all.truth, all.right))}};
}

// What a kind of passage does to the same questions: pulled, right closed book and wrong beside it; repaired, the other
// way round; follows, the answer is the passage's; both over all questions.
Json changes(const std::vector<Question>& questions, const Judged& closed, const Judged& beside) {
  std::vector<int> pulled, repaired, follows;
  for (size_t i = 0; i < questions.size(); ++i) {
    pulled.push_back(closed.right[i] && !beside.right[i]);
    repaired.push_back(!closed.right[i] && beside.right[i]);
    follows.push_back(data::same_answer(beside.answers[i], questions[i].passage.context_answers));
  }
  return {
      {"pulled", share(pulled, "share")}, {"repaired", share(repaired, "share")}, {"follows", share(follows, "share")}};
}

// Passages by kind, at most so many of each; those with an instruction for the reader are left out.
std::map<std::string, std::vector<Question>> by_kind(const AnalysisInput& input, size_t most) {
  std::map<std::string, const data::Fact*> facts;
  for (const auto& fact : input.facts.facts) facts[fact.id] = &fact;
  std::map<std::string, std::vector<Question>> all;
  for (const auto& item : input.facts.contexts) {
    if (!item.instruction.empty() || item.answers.empty()) continue;
    data::Fact fact{.id = item.fact, .group = item.group};
    if (const auto found = facts.find(item.fact); found != facts.end()) fact = *found->second;
    fact.question = item.question, fact.answers = item.answers, fact.beginning = item.beginning;
    all[item.kind].push_back({fact, item});
  }
  for (auto& [kind, list] : all) list = pick(list, draw(list.size(), most, input.seed));
  return all;
}

std::vector<Question> closed_only(const AnalysisInput& input, size_t most) {
  std::vector<size_t> fit;
  for (size_t i = 0; i < input.facts.facts.size(); ++i)
    if (!input.facts.facts[i].answers.empty()) fit.push_back(i);
  if (fit.empty())
    fail("knowledge-boundary", "{} holds no fact with an answer; give facts with answers", input.facts.source);
  std::vector<Question> result;
  for (const size_t i : draw(std::move(fit), most, input.seed)) result.push_back({input.facts.facts[i], {}});
  return result;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const size_t most = params.at("max_items");
  Json kinds = Json::object();
  for (const auto& [kind, questions] : by_kind(input, most)) {
    const Judged closed = judge(input, questions, false, params), beside = judge(input, questions, true, params);
    kinds[kind] = {
        {"closed", metrics(closed)}, {"beside", metrics(beside)}, {"changes", changes(questions, closed, beside)}};
  }
  const Judged closed = judge(input, closed_only(input, most), false, params);
  return {{{"id", "knowledge-boundary"}, {"prior", params.at("prior")}, {"closed", metrics(closed)}, {"kinds", kinds}},
          {{"right", at::tensor(at::ArrayRef<int>(closed.right), at::kInt)},
           {"not_known", at::tensor(at::ArrayRef<double>(closed.unknown), at::kDouble)},
           {"true", at::tensor(at::ArrayRef<double>(closed.truth), at::kDouble)}}};
}

const Register<AnalysisEntry> entry{
    {.card =
         {.id = "knowledge-boundary",
          .family = "confidence",
          .title = "Factual knowledge boundary",
          .paper = "arXiv 2307.11019",
          .sentence = "Compares what a model knows with what it says it knows, before and after it answers, closed "
                      "book and beside passages.",
          .params =
              {{"prior", "reply", "the judgement before: a reply, or a verdict", -1e300, 1e300, {"reply", "verdict"}},
               {"may_give_up",
                "Are you sure to accurately answer the following question based on your internal knowledge? "
                "If yes, give a short answer with one or few words; if no, answer \"Unknown\".",
                "words before a question that may be given up (reply)"},
               {"may_give_up_beside",
                "Can you answer the following question based on the given information or your internal "
                "knowledge? If yes, give a short answer with one or few words; if no, answer \"Unknown\".",
                "the same beside a passage"},
               {"not_known", "The answer to the question \"{question}\" is not known to me.",
                "statement that gives a question up (verdict)"},
               {"beside", "{context}\n\n{judgement}", "the style's claim form behind a passage"},
               {"max_items", 400, "questions of each kind at most, drawn by the seed", 10, 100000}},
          .example = "ken inside knowledge-boundary max_items=100"},
     .run = run}};

}  // namespace
}  // namespace ken::readout::knowledge_boundary_file
