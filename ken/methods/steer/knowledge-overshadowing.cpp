// Knowledge overshadowing (arXiv 2407.08039, 2502.16143): of several conditions in a prompt, one that was seen often
// drowns a rarer one, and the answer belongs to the common one. A condition is ignored if the answer stays without it.
//   X = the prompt, X'_i = X with content word i of its question deleted (or masked); p = p(. | X), p'_i = p(. | X'_i)
//   V = {y : p(y) >= beta max p}, V'_i likewise
//   indicator_i = sum over V and V'_i of min(log p(y) / p'_i(y), 0)         the relative PMI, where it is negative
//               + sum over V without V'_i of log p(y) - min over V'_i of log p'_i       what escapes: i is used
//   i* = the word of the least indicator, the most overshadowed one. Self-contrastive decoding, where it is below the
//   threshold:  score(y) = (1 + alpha) log p(y) - alpha log p'_i*(y) over V, -inf elsewhere.
// One twin a word, all in the same passes. The rule is the papers'; min and escape as their text gives them, not code.
// The analysis measures the law (wrong answers against the log of how much better known another fact of the same words
// is), how well the indicator foretells them, and what decoding saves.
#include <numeric>

#include "ken/evidence/asking.h"
#include "ken/evidence/fluency.h"
#include "ken/evidence/overshadowed.h"
#include "ken/readout/analysis.h"
#include "ken/stats/stats.h"

namespace ken::knowledge_overshadowing_file {
namespace {

using at::Tensor;

std::string without(const std::string& text, const evidence::Word& word, const std::string& mask) {
  // A deleted word takes the blank before it along.
  const size_t begin = mask.empty() && word.begin > 0 && text[word.begin - 1] == ' ' ? word.begin - 1 : word.begin;
  return text.substr(0, begin) + mask + text.substr(word.end);
}

double indicator(const Tensor& p, const Tensor& masked, double beta) {  // logprobs [V]
  const Tensor in = p >= p.max() + std::log(beta), in_masked = masked >= masked.max() + std::log(beta);
  const Tensor both = in.logical_and(in_masked), escaped = in.logical_and(in_masked.logical_not());
  const double least = masked.masked_select(in_masked).min().item<double>();
  return (p - masked).masked_select(both).clamp_max(0).sum().item<double>() +
         (p.masked_select(escaped) - least).sum().item<double>();
}

class Overshadowing final : public generate::Control {
 public:
  explicit Overshadowing(const Json& p)
      : alpha_(p["alpha"]), beta_(p["beta"]), threshold_(p["threshold"]), most_(p["words"]), mask_(p["mask"]) {}

  std::vector<generate::Twin> twins(const generate::Prompt& prompt) override {
    std::vector<generate::Twin> twins;
    const std::string& part = prompt.question.empty() ? prompt.text : prompt.question;
    for (const auto& word : evidence::content_words(prompt.text, part, most_))
      twins.emplace_back(without(prompt.text, word, mask_));
    if (twins.empty()) fail_usage("knowledge-overshadowing", "there is no content word to mask in '{}'", part);
    return twins;
  }

  Tensor combine(generate::Step& step) override {
    const Tensor p = at::log_softmax(step.logits, -1);
    size_t darkest = 0;
    double least = INFINITY;
    for (size_t i = 0; i < step.twins.size(); ++i) {
      const double value = indicator(p, at::log_softmax(step.twins[i], -1), beta_);
      if (value < least) darkest = i, least = value;
    }
    step.notes["overshadowing"] = least;
    step.notes["overshadowed-word"] = double(darkest);
    Tensor mixed = (1 + alpha_) * step.logits - alpha_ * step.twins[darkest];  // of logits: the same to a constant
    if (alpha_ > 0) mixed = mixed.masked_fill(p < p.max() + std::log(beta_), -INFINITY);
    return least < threshold_ ? mixed : step.logits;
  }

 private:
  double alpha_, beta_, threshold_;
  size_t most_;
  std::string mask_;
};

const std::vector<Param> shared_params = {
    {"beta", 0.1, "tokens with p >= beta * max p are candidates", 1e-9, 1},
    {"mask", "", "what takes a word's place; empty: it is deleted"},
    {"words", 20, "content words of the question that are masked at most, the last ones", 1, 256}};

std::vector<Param> with_shared(std::vector<Param> params) {
  params.insert(params.end(), shared_params.begin(), shared_params.end());
  return params;
}

const Register<generate::ControlEntry> entry{
    {.card = {.id = "knowledge-overshadowing",
              .family = "steer",
              .title = "Self-contrastive decoding against knowledge overshadowing",
              .paper = "arXiv 2407.08039, 2502.16143",
              .sentence =
                  "Finds the word of the question that the answer ignores, by masking each, and decodes against "
                  "what would be said without it.",
              .params = with_shared(
                  {{"alpha", 1.0, "strength of the contrast", 0, 20},
                   {"threshold", 0.0, "contrast only where the least indicator lies below this, nats", -1e6, 1e6}}),
              .example = "ken ask --control knowledge-overshadowing:alpha=1 \"where was Ada Lovelace born ?\"",
              .null_setting = {{"alpha", 0.0}}},
     .make = [](const Json& p) -> std::unique_ptr<generate::Control> { return std::make_unique<Overshadowing>(p); }}};

using Pair = evidence::Overshadowed;
using readout::AnalysisInput;
using readout::AnalysisResult;

struct Answers {
  std::vector<generate::Generated> given;
  std::vector<int> wrong, others;  // others: the wrong answer is the better known fact's
  std::vector<double> signal;      // the indicator at the first token; NaN without the Control
  int64_t count() const { return std::accumulate(wrong.begin(), wrong.end(), int64_t{0}); }
};

Answers ask(const AnalysisInput& input, const std::vector<Pair>& pairs, const Json& params) {
  std::vector<generate::Request> requests;
  for (const Pair& pair : pairs) {
    requests.push_back(evidence::closed_book(*pair.fact, input.style));
    requests.back().controls = {generate::control_from("knowledge-overshadowing", params)};
  }
  Answers a{evidence::greedy_answers(input.model, requests, input.compute), {}, {}, {}};
  for (size_t i = 0; i < pairs.size(); ++i) {
    a.wrong.push_back(!data::same_answer(a.given[i].text, pairs[i].fact->answers));
    a.others.push_back(data::same_answer(a.given[i].text, pairs[i].other->answers));
    a.signal.push_back(a.given[i].notes.at("overshadowing").at(0));
  }
  return a;
}

double f1(const std::vector<double>& signal, const std::vector<int>& wrong, double below) {
  double hits = 0, both = 0;
  for (size_t i = 0; i < wrong.size(); ++i)
    hits += wrong[i] && signal[i] < below, both += wrong[i] + (signal[i] < below);
  return both > 0 ? 2 * hits / both : 0;
}

// The threshold below which most wrong answers, and few others, lie.
double best_threshold(const Answers& a) {
  double best = 0, most = -1;
  for (const double signal : a.signal) {
    const double below = std::nextafter(signal, INFINITY), value = f1(a.signal, a.wrong, below);
    if (value > most) best = below, most = value;
  }
  return best;
}

// Of a few strengths and gates, the one that leaves the fewest wrong answers.
Json chosen_setting(const AnalysisInput& input, const std::vector<Pair>& pairs, Json params, double threshold) {
  Json best;
  int64_t fewest = INT64_MAX;
  for (const double alpha : {0.5, 1.0, 2.0})
    for (const double below : {0.0, threshold, 1e6}) {
      params["alpha"] = alpha, params["threshold"] = below;
      const int64_t wrong = ask(input, pairs, params).count();
      if (wrong < fewest) best = params, fewest = wrong;
    }
  return best;
}

double fluency(const AnalysisInput& input, const std::vector<Pair>& pairs, const Answers& a) {
  std::vector<std::vector<generate::Prompt>> prompts;
  for (const Pair& pair : pairs) prompts.push_back({evidence::closed_book(*pair.fact, input.style).prompt});
  return evidence::fluency(input.model, prompts, a.given).all;
}

Json detection(const Answers& a, double threshold) {
  std::vector<double> surer;
  for (const double signal : a.signal) surer.push_back(-signal);
  return {{"threshold", threshold},
          {"f1", f1(a.signal, a.wrong, threshold)},
          {"f1_below_zero", f1(a.signal, a.wrong, 0)},
          {"f1_flagging_all", f1(a.signal, a.wrong, 1e300)},
          {"auroc", stats::auroc(surer, a.wrong)}};
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const std::vector<Pair> pairs = evidence::overshadowed(input.facts, params.at("max_items"), input.seed);
  std::vector<std::string> groups;
  for (const Pair& pair : pairs) groups.push_back(pair.fact->group);
  const std::vector<int> folds = stats::grouped_folds(groups, 2, input.seed);
  std::vector<Pair> choice, judged, known;
  for (size_t i = 0; i < pairs.size(); ++i) (folds[i] == 0 ? choice : judged).push_back(pairs[i]);
  for (const Pair& pair : judged) known.push_back({pair.other, pair.fact});
  Json plain{{"alpha", 0.0}};
  for (const Param& p : shared_params) plain[p.name] = params.at(p.name);
  const Answers seen = ask(input, choice, plain), before = ask(input, judged, plain);
  const double threshold = best_threshold(seen);
  const Json setting = chosen_setting(input, choice, plain, threshold);
  const Answers after = ask(input, judged, setting);
  const int64_t n = int64_t(judged.size()),
                others_before = std::accumulate(before.others.begin(), before.others.end(), 0),
                others_after = std::accumulate(after.others.begin(), after.others.end(), 0);
  const auto rate = [&](int64_t hits) { return stats::to_json(stats::proportion(hits, n, "share")); };
  return {{{"facts", {{"choice", choice.size()}, {"judged", judged.size()}}},
           {"law", evidence::overshadowing_law(judged, before.wrong, before.others)},
           {"detection", detection(before, threshold)},
           {"setting", setting},
           {"decoding",
            {{"wrong_plain", rate(before.count())},
             {"wrong", rate(after.count())},
             {"better_known_plain", rate(others_before)},
             {"better_known", rate(others_after)},
             {"fluency_plain", fluency(input, judged, before)},
             {"fluency", fluency(input, judged, after)},
             {"wrong_on_better_known_facts_plain", rate(ask(input, known, plain).count())},
             {"wrong_on_better_known_facts", rate(ask(input, known, setting).count())}}}},
          {}};
}

const Register<readout::AnalysisEntry> law_entry{
    {.card = {.id = "knowledge-overshadowing",
              .family = "steer",
              .title = "The law of knowledge overshadowing",
              .paper = "arXiv 2407.08039, 2502.16143",
              .sentence = "Measures how wrong answers grow with the exposure of a better known fact of the same words, "
                          "how well the masked words foretell them, and what self-contrastive decoding saves.",
              .params = with_shared({{"max_items", 800, "facts at most, drawn by the seed", 40, 1000000}}),
              .example = "ken steer knowledge-overshadowing max_items=200",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::knowledge_overshadowing_file
