// Choice of the wording that the model reads best (the first half of SCA, "Sorry, Come Again?", arXiv 2403.18976): of
// several paraphrases of a question, the one of which every word counts for the answer.
//   a_w      |integrated gradients| of the words' embeddings towards log p of the answer's first token, summed over
//            the coordinates and the tokens of word w
//   reading  -sum_w q_w log q_w / log n,  q = a / sum a: 1 where all n words count alike, 0 where one alone does
// The paper asks that the model "process all words" and scores paraphrases by integrated gradients; this evenness is
// our reading of it. Held against the wording as it stands, one drawn at random, the one with the surest answer, the
// one that is itself likeliest, and the best of all (an oracle). The second half, learned pauses, needs training.
#include <algorithm>
#include <functional>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "ken/readout/attribution.h"
#include "ken/readout/collect.h"
#include "ken/stats/stats.h"

namespace ken::readout::best_paraphrase_file {
namespace {

struct Wording {
  std::string question, prompt;
  std::vector<std::string> answers;  // accepted ones
  std::vector<int32_t> tokens;
  std::vector<std::pair<int64_t, int64_t>> words;  // first and last token of each
  bool right = false;
  double reading = 0, sureness = 0, likelihood = 0;
};

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// Each word's tokens, looked for from left to right.
std::vector<std::pair<int64_t, int64_t>> places_of(const AnalysisInput& input, const Wording& w) {
  std::vector<std::pair<int64_t, int64_t>> places;
  size_t from = w.prompt.rfind(w.question);
  if (from == std::string::npos) return places;
  for (const auto& word : words_of(w.question)) {
    const Place place{.name = "word", .words = word, .first = true};
    const auto found = tokens_of(input.model, {w.prompt, {}, input.style.tokens(), from}, place);
    from = w.prompt.find(word, from) + word.size();
    if (found) places.push_back(*found);
  }
  return places;
}

double evenness(const AnalysisInput& input, const Wording& w, int32_t answer, int64_t steps) {
  const Tensor x = embeddings(input.model, w.tokens) + position_embeddings(input.model, int64_t(w.tokens.size()));
  const Tensor baseline = mean_embedding(input.model).expand_as(x) + position_embeddings(input.model, x.size(0));
  const auto scalar = of_layer(input.model, w.tokens, 0, {answer}, input.compute);
  const Tensor scores = integrated_gradients(scalar, x, baseline, {.steps = steps, .most_steps = steps}).scores;
  const Tensor tokens = scores.abs().sum(1).to(at::kCPU, at::kDouble).contiguous();
  double sum = 0, entropy = 0;
  std::vector<double> words;
  for (const auto& [first, last] : w.words) {
    double a = 0;
    for (int64_t t = first; t <= last; ++t) a += tokens.data_ptr<double>()[t];
    words.push_back(a), sum += a;
  }
  if (words.size() < 2 || sum <= 0) return 0;
  for (const double a : words)
    if (a > 0) entropy -= a / sum * std::log(a / sum);
  return entropy / std::log(double(words.size()));
}

// The fact's own question and its variants of this kind.
std::vector<std::vector<Wording>> wordings_of(const AnalysisInput& input, const std::string& kind, size_t most) {
  std::vector<const data::Fact*> facts;
  for (const auto& fact : input.facts.facts)
    if (!fact.question.empty() && std::any_of(fact.variants.begin(), fact.variants.end(),
                                              [&](const auto& v) { return v.kind == kind && !v.question.empty(); }))
      facts.push_back(&fact);
  if (facts.size() < 20)
    fail("best-paraphrase", "{} facts have a question and variants of kind '{}'; 20 are needed", facts.size(), kind);
  std::vector<std::vector<Wording>> result;
  for (const auto* fact : pick(facts, draw(facts.size(), most, input.seed))) {
    std::vector<Wording> wordings;
    const auto add = [&](const std::string& question, const generate::Request& request,
                         const std::vector<std::string>& answers) {
      Wording w{question, request.prompt.text, answers, {}, {}};
      w.tokens = generate::prompt_ids(input.model, w.prompt, input.style.tokens().get());
      w.words = places_of(input, w);
      wordings.push_back(std::move(w));
    };
    add(fact->question, evidence::closed_book(*fact, input.style), fact->answers);
    for (const auto& v : fact->variants)
      if (v.kind == kind && !v.question.empty())
        add(v.question, evidence::as_variant(*fact, v, input.style), v.answers.empty() ? fact->answers : v.answers);
    result.push_back(std::move(wordings));
  }
  return result;
}

// Answers, and what each choice goes by.
void judge(const AnalysisInput& input, std::vector<std::vector<Wording>>& facts, int64_t steps) {
  std::vector<generate::Request> requests;
  std::vector<evidence::OptionTokens> prompts;
  std::vector<Wording*> all;
  for (auto& wordings : facts)
    for (auto& w : wordings) {
      requests.push_back(evidence::request_of(input.style, {w.prompt, ""}));
      prompts.push_back({{w.tokens.front()}, {{w.tokens.begin() + 1, w.tokens.end()}}});
      all.push_back(&w);
    }
  const auto answers = evidence::greedy_answers(input.model, requests, input.compute);
  const auto likelihood = evidence::score_tokens(input.model, prompts, input.compute);
  for (size_t i = 0; i < all.size(); ++i) {
    Wording& w = *all[i];
    w.right = data::same_answer(answers[i].text, w.answers);
    w.sureness = answers[i].logprob();
    w.likelihood = likelihood[i][0].logprob / double(likelihood[i][0].tokens);
    if (!answers[i].tokens.empty()) w.reading = evenness(input, w, answers[i].tokens.front(), steps);
    if (input.progress) input.progress("read", i + 1, all.size(), "");
  }
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  auto facts = wordings_of(input, params.at("kind"), params.at("max_items"));
  judge(input, facts, params.at("steps"));
  Rng rng(input.seed, 11);
  const auto best = [](double Wording::*what) {
    return [what](const std::vector<Wording>& all) {
      return size_t(
          std::max_element(all.begin(), all.end(), [&](const auto& a, const auto& b) { return a.*what < b.*what; }) -
          all.begin());
    };
  };
  using Choice = std::function<size_t(const std::vector<Wording>&)>;
  const std::vector<std::pair<std::string, Choice>> choices{
      {"as it stands", [](const auto&) { return size_t(0); }},
      {"at random", [&](const auto& all) { return size_t(rng.below(all.size())); }},
      {"best read", best(&Wording::reading)},
      {"surest answer", best(&Wording::sureness)},
      {"likeliest question", best(&Wording::likelihood)},
      {"any is right", [](const auto& all) {
         return size_t(std::find_if(all.begin(), all.end(), [](const auto& w) { return w.right; }) - all.begin()) %
                all.size();
       }}};
  const auto n = int64_t(facts.size());
  Json accuracy = Json::object();
  for (const auto& [name, choice] : choices) {
    int64_t right = 0;
    for (const auto& all : facts) right += all[choice(all)].right;
    accuracy[name] = stats::to_json(stats::proportion(right, n, "accuracy"));
  }
  std::vector<double> readings, likelihoods;
  std::vector<int> right;
  for (const auto& all : facts)
    for (const auto& w : all)
      readings.push_back(w.reading), likelihoods.push_back(w.likelihood), right.push_back(w.right);
  AnalysisResult result;
  result.table = {{"id", "best-paraphrase"},
                  {"facts", n},
                  {"wordings", readings.size()},
                  {"accuracy", accuracy},
                  {"auroc_of_right",
                   {{"reading", stats::auroc(readings, right)}, {"likelihood", stats::auroc(likelihoods, right)}}}};
  result.tensors["reading"] = at::tensor(at::ArrayRef<double>(readings));
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "best-paraphrase",
              .family = "steer",
              .title = "Choice of the best-read paraphrase",
              .paper = "arXiv 2403.18976",
              .sentence = "Of several wordings of a question takes the one of which every word counts for the answer, "
                          "and measures what that is worth.",
              .params = {{"kind", "paraphrase", "which variants of a fact are its other wordings"},
                         {"steps", 16, "points of the integral", 1, 1000},
                         {"max_items", 150, "facts at most, drawn by the seed", 20, 100000}},
              .example = "ken steer best-paraphrase max_items=40",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::best_paraphrase_file
