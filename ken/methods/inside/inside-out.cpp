// Hidden knowledge (Gekhman et al., "Inside-Out: Hidden Factual Knowledge in LLMs", arXiv 2503.15299): does a model
// know more facts inside than its output shows? A question q has right answers a and wrong ones a', sampled at T = 1,
// with the greedy and the gold answer added. For a scoring function S,
//   K_q(S) = 1/|Omega| sum over (a, a') in Omega of 1[S(q, a) > S(q, a')], averaged over paraphrases of q; a tie fails;
//   K*_q(S) = 1[K_q(S) = 1].
// External S: P(a|q) = prod_i p(a_i), its length-normalised form exp(mean_i log p(a_i)), P(True). Internal S: a linear
// probe w.h + b on the state h at the end of question and answer, trained on questions that the model answers rightly:
// that answer against a wrong one forced by a high temperature. Its layer is chosen on the training questions; judged
// are questions of other groups. A control has the same layer and its training labels shuffled.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/candidates.h"
#include "ken/evidence/option_states.h"
#include "ken/readout/judge.h"
#include "ken/readout/probe.h"
#include "ken/stats/compare.h"

namespace ken::readout::inside_out_file {
namespace {

using evidence::Candidate;
using evidence::ForcedPairs;
using Candidates = std::vector<Candidate>;
using Scores = std::vector<double>;  // of a question's candidates

const std::vector<std::string> scorers = {"P(a|q)", "P(a|q) per token", "P(True)", "probe", "shuffled probe"};
enum Scorer : size_t { product, per_token, self_judged, probe, shuffled };

// A judged question; the scores of its candidates under each scorer, a list a paraphrase.
struct Question {
  data::Fact fact;
  Candidates candidates;
  std::vector<generate::Request> asked;       // itself and its paraphrases
  std::array<std::vector<Scores>, 5> scores;  // [scorers][paraphrases]
  double k(size_t scorer) const;
};

double Question::k(size_t scorer) const {
  double sum = 0;
  for (const Scores& of_paraphrase : scores[scorer]) sum += evidence::pairs_won(candidates, of_paraphrase);
  return sum / double(scores[scorer].size());
}

struct Judge {
  std::vector<std::string> points;  // of the layers
  size_t layer = 0;
  Probe fitted, control;
  double held_out = 0;  // share of held-out training pairs that it orders rightly
  size_t pairs = 0;
};

Judge train_judge(const AnalysisInput& input, const ForcedPairs& set) {
  Judge judge;
  for (int64_t l = 0; l < input.model.config.n_layers; ++l)
    judge.points.push_back(model::point_name(model::Point::resid_post, l));
  const Tensor x = at::cat(evidence::option_states(input.model, set.items, judge.points, input.compute, input.progress))
                       .transpose(0, 1)
                       .contiguous();  // [layers, 2 items, d_model]
  FitOptions options;
  options.strengths = {0.001, 0.01, 0.1, 1};
  options.seed = input.seed;
  const Fit fit = fit_logistic(x, set.labels, set.groups, options);
  judge.pairs = set.items.size();
  for (size_t l = 0; l < judge.points.size(); ++l) {
    const Tensor pairs = fit.scores[int64_t(l)].view({-1, 2});  // [items, {right, wrong}]
    const double won = (pairs.select(1, 0) > pairs.select(1, 1)).to(at::kDouble).mean().item<double>();
    if (won > judge.held_out) judge.held_out = won, judge.layer = l;
  }
  judge.fitted = fit.probes[judge.layer];
  std::vector<int> labels = set.labels;  // each question keeps one answer of each label
  Rng rng(input.seed, 1);
  for (size_t i = 0; i < labels.size(); i += 2)
    if (rng.chance(0.5)) std::swap(labels[i], labels[i + 1]);
  judge.control = fit_logistic(x.narrow(0, int64_t(judge.layer), 1), labels, set.groups, options).probes[0];
  return judge;
}

std::vector<Question> questions_of(const AnalysisInput& input, const std::vector<data::Fact>& facts,
                                   const Json& params) {
  const std::string kind = params.at("paraphrases");
  auto candidates = evidence::answer_candidates(input, facts, params.at("samples"), params.at("temperature"));
  std::vector<Question> questions;
  for (size_t i = 0; i < facts.size(); ++i) {
    Question question{facts[i], std::move(candidates[i]), {evidence::closed_book(facts[i], input.style)}, {}};
    for (const auto& variant : facts[i].variants)
      if (variant.kind == kind) question.asked.push_back(evidence::as_variant(facts[i], variant, input.style));
    if (evidence::two_classes(question.candidates)) questions.push_back(std::move(question));
  }
  return questions;
}

// Each candidate of each paraphrase is scored once by every scorer; P(True) does not see the question's form.
void score(const AnalysisInput& input, const Judge& judge, std::vector<Question>& questions) {
  std::vector<evidence::OptionItem> items;
  std::vector<data::Fact> facts;
  std::vector<Candidates> candidates;
  for (const auto& question : questions) {
    for (const auto& asked : question.asked)
      items.push_back(evidence::with_answers(input.style, asked, question.candidates));
    facts.push_back(question.fact);
    candidates.push_back(question.candidates);
  }
  const auto tokens = evidence::score_options(input.model, items, input.compute);
  const auto states =
      evidence::option_states(input.model, items, {judge.points[judge.layer]}, input.compute, input.progress);
  const auto verdicts = evidence::p_true(input, facts, candidates);
  size_t next = 0;
  for (size_t q = 0; q < questions.size(); ++q) {
    auto& scores = questions[q].scores;
    scores[self_judged] = {verdicts[q]};
    for (size_t p = 0; p < questions[q].asked.size(); ++p, ++next) {
      Scores sums, means;
      for (const auto& option : tokens[next])
        sums.push_back(option.logprob), means.push_back(option.logprob / double(option.tokens));
      scores[product].push_back(sums);
      scores[per_token].push_back(means);
      const Tensor h = states[next].select(1, 0);  // [candidates, d_model]
      scores[probe].push_back(doubles(judge.fitted.score(h)));
      scores[shuffled].push_back(doubles(judge.control.score(h)));
    }
  }
}

// What is chosen by the scores of the question's own form.
Json accuracies(const std::vector<const Question*>& questions) {
  std::vector<evidence::ScoredCandidates> scored;
  for (const Question* q : questions)
    scored.push_back(
        {&q->candidates,
         {q->scores[product][0], q->scores[per_token][0], q->scores[self_judged][0], q->scores[probe][0]}});
  return evidence::choice_accuracies({scorers.begin(), scorers.begin() + shuffled}, scored);
}

// K and K* by scorer, the probe beside the best external scorer, and what is known inside yet was never said.
Json figures(const std::vector<const Question*>& questions, uint64_t seed) {
  std::array<Scores, 5> k;
  Json means = Json::object(), stars = Json::object();
  size_t best = product;
  for (size_t s = 0; s < scorers.size(); ++s) {
    for (const Question* question : questions) k[s].push_back(question->k(s));
    means[scorers[s]] = stats::to_json(stats::mean(k[s], seed, "K"));
    const auto whole = std::count(k[s].begin(), k[s].end(), 1.0);
    stars[scorers[s]] = stats::to_json(stats::proportion(whole, int64_t(k[s].size()), "K*"));
    if (s < probe && stats::mean_of(k[s]) > stats::mean_of(k[best])) best = s;
  }
  Scores over_best, over_tokens;
  int64_t unsaid = 0, known_unsaid = 0;
  const size_t tokens = stats::mean_of(k[per_token]) > stats::mean_of(k[product]) ? per_token : product;
  for (size_t q = 0; q < questions.size(); ++q) {
    over_best.push_back(k[probe][q] - k[best][q]);
    over_tokens.push_back(k[probe][q] - k[tokens][q]);
    if (evidence::right_was_given(questions[q]->candidates)) continue;
    ++unsaid, known_unsaid += k[probe][q] == 1;
  }
  const double external = stats::mean_of(k[best]), p = stats::paired_t(k[probe], k[best]);
  return {{"n", questions.size()},
          {"K", means},
          {"K*", stars},
          {"best_external", scorers[best]},
          {"probe_minus_best_external", stats::to_json(stats::mean(over_best, seed, "difference of K"))},
          {"probe_minus_tokens", stats::to_json(stats::mean(over_tokens, seed, "difference of K"))},
          {"relative_gap", external > 0 ? Json((stats::mean_of(k[probe]) - external) / external) : Json()},
          {"p", std::isnan(p) ? Json() : Json(p)},
          {"hidden_knowledge", p < 0.05 && stats::mean_of(over_best) > 0},
          {"never_given", unsaid},
          {"never_given_but_known", known_unsaid},
          {"accuracy", accuracies(questions)}};
}

Json by_value(const std::vector<Question>& questions, const std::string& field, uint64_t seed) {
  std::map<std::string, std::vector<const Question*>> parts;
  for (const auto& question : questions) {
    const Json value = field.empty() ? Json(question.fact.relation) : question.fact.extra.value(field, Json("none"));
    parts[value.is_string() ? value.get<std::string>() : value.dump()].push_back(&question);
  }
  Json result = Json::object();
  for (const auto& [name, part] : parts) result[name] = figures(part, seed);
  return result;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const auto split = evidence::split_facts(input, params.at("judge"));
  const auto training_facts = evidence::draw_facts(split.others, params.at("training"), input.seed),
             judged_facts = evidence::draw_facts(split.judged, params.at("questions"), input.seed);
  const ForcedPairs training = evidence::forced_pairs(input, training_facts, params.at("wrong_temperature"));
  if (training.items.size() < 20)
    fail(
        "inside-out",
        "{} of {} training questions are answered rightly once and wrongly at temperature {}; 20 are needed: give more "
        "facts that the model knows, or raise wrong_temperature",
        training.items.size(), training_facts.size(), params.at("wrong_temperature").get<double>());
  const Judge judge = train_judge(input, training);
  std::vector<Question> questions = questions_of(input, judged_facts, params);
  if (questions.empty())
    fail("inside-out", "none of {} judged questions has a right and a wrong answer; give other facts or more samples",
         judged_facts.size());
  score(input, judge, questions);
  std::vector<const Question*> all;
  std::vector<Tensor> rows;
  for (const auto& question : questions) {
    all.push_back(&question);
    Scores k;
    for (size_t s = 0; s < scorers.size(); ++s) k.push_back(question.k(s));
    rows.push_back(at::tensor(at::ArrayRef<double>(k), at::kDouble));
  }
  Json table{
      {"id", "hidden-knowledge"},
      {"title", "Knowledge inside and knowledge shown"},
      {"scorers", scorers},
      {"probe", {{"layer", judge.layer + 1}, {"training_pairs", judge.pairs}, {"held_out_pairs_won", judge.held_out}}},
      {"all", figures(all, input.seed)},
      {"by", by_value(questions, params.at("by"), input.seed)}};
  return {std::move(table),
          {{"k", at::stack(rows).to(at::kFloat)},  // [questions, scorers]
           {"weight", judge.fitted.weight},
           {"bias", at::tensor(at::ArrayRef<double>({judge.fitted.bias})).to(at::kFloat)}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "inside-out",
              .family = "inside",
              .title = "Inside-Out",
              .paper = "arXiv 2503.15299",
              .sentence = "Measures how many pairs of a right and a wrong answer are ordered rightly by the model's "
                          "output and by a probe on its states: knowledge that it has but does not show.",
              .params = {{"samples", 200, "answers sampled of each judged question; the paper takes 1000", 1, 100000},
                         {"temperature", 1.0, "of the sampling", 1e-3, 10},
                         {"wrong_temperature", 2.0, "at which a wrong answer to a known question is forced", 1e-3, 100},
                         {"paraphrases", "paraphrase", "variants of this kind are asked, too, and K is averaged"},
                         {"judge", "",
                          "judge the facts whose record holds this name as true, and train on facts of "
                          "other groups; empty: half of the groups, drawn by the seed"},
                         {"by", "", "figures also for each value of this field of the records; empty: each relation"},
                         {"training", 500, "training questions at most, drawn by the seed", 20, 100000},
                         {"questions", 500, "judged questions at most, drawn by the seed", 1, 100000}},
              .example = "ken inside inside-out samples=50 questions=100",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::inside_out_file
