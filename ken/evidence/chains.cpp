#include "ken/evidence/chains.h"

#include <algorithm>
#include <map>

#include "ken/base/error.h"

namespace ken::evidence {
namespace {

// A question's prompts, each once: chains often begin alike.
class Prompts {
 public:
  Prompts(const LabelQuestion& question, const data::PromptStyle& style, std::vector<OptionItem>& items)
      : question_(question), style_(style), items_(items) {}
  size_t place(const std::string& prompt) {
    const auto [found, fresh] = places_.emplace(prompt, items_.size());
    if (fresh) items_.push_back(with_labels(question_, style_, prompt));
    return found->second;
  }

 private:
  const LabelQuestion& question_;
  const data::PromptStyle& style_;
  std::vector<OptionItem>& items_;
  std::map<std::string, size_t> places_;
};

std::string opening_of(const data::Fact& fact, const data::PromptStyle& style, const ChainForm& form) {
  std::string text = form.opening;
  const size_t at = text.find("{question}");
  if (at == std::string::npos)
    fail_usage("chain", "the opening '{}' holds no {{question}}; write one such as 'Q: {{question}} steps:'", text);
  return data::pose(style, text.replace(at, 10, fact.question));
}

std::vector<std::vector<generate::Generated>> written(const readout::AnalysisInput& input,
                                                      const std::vector<std::string>& openings, const ChainForm& form,
                                                      int64_t samples, double temperature) {
  std::vector<generate::Request> requests;
  for (size_t i = 0; i < openings.size(); ++i) {
    auto request = request_of(input.style, {openings[i], ""});
    request.stop = {form.cue}, request.max_tokens = form.max_tokens;
    requests.push_back(request);
    request.samples = samples, request.key = i;
    request.sampling = {.temperature = temperature, .seed = input.seed};
    if (samples > 0) requests.push_back(std::move(request));
  }
  auto all = generate::generate(input.model, requests, {.compute = input.compute, .progress = input.progress});
  std::vector<std::vector<generate::Generated>> result;
  for (size_t i = 0; i < all.size(); ++i) {
    if (samples == 0 || i % 2 == 0) result.emplace_back();
    result.back().insert(result.back().end(), all[i].begin(), all[i].end());
  }
  return result;
}

}  // namespace

std::vector<std::string> step_ends(const std::string& chain, const std::string& steps) {
  const auto blank = [&](size_t i) { return std::isspace(static_cast<unsigned char>(chain[i])) != 0; };
  const auto ends_at = [&](size_t i) {  // the step ends with chain[i]
    const bool last = i + 1 == chain.size();
    if (steps == "lines") return last || chain[i + 1] == '\n';
    if (steps == "words") return last || blank(i + 1);
    return last || (blank(i + 1) && std::string(".!?").find(chain[i]) != std::string::npos);
  };
  std::vector<std::string> result;
  for (size_t i = 0; i < chain.size(); ++i)
    if (!blank(i) && ends_at(i)) result.push_back(chain.substr(0, i + 1));
  return result;
}

StepTruth step_truth(const data::FactSet& facts, const data::Fact& fact) {
  StepTruth truth;
  const Json hops = fact.extra.value("hops", Json::array());
  for (const Json& id : hops) {
    const auto found =
        std::find_if(facts.facts.begin(), facts.facts.end(), [&](const data::Fact& f) { return Json(f.id) == id; });
    if (found == facts.facts.end()) fail("chain", "fact '{}' names the hop {}, which is no fact", fact.id, id.dump());
    truth.push_back(found->answers);
  }
  if (truth.empty() || !data::same_answer(truth.back().front(), fact.answers)) truth.push_back(fact.answers);
  return truth;
}

bool sound_chain(const std::string& chain, const StepTruth& truth, const std::string& steps) {
  const auto ends = step_ends(chain, steps);
  if (steps == "words" && ends.size() != truth.size()) return false;
  size_t found = 0, begin = 0;
  for (const auto& end : ends) {
    const std::string step = end.substr(begin);
    begin = end.size();
    if (steps == "words" && !data::same_answer(step, truth[found])) return false;
    while (found < truth.size() && data::contains_answer(step, truth[found])) {
      ++found;
      if (steps == "words") break;
    }
  }
  return found == truth.size();
}

size_t Curve::switches() const {
  size_t n = 0;
  for (size_t i = 1; i < answers.size(); ++i) n += answers[i] != answers[i - 1];
  return n;
}

size_t Curve::settled() const {
  size_t i = answers.size() - 1;
  while (i > 0 && answers[i - 1] == answers.back()) --i;
  return i;
}

double Curve::least() const { return *std::min_element(sure.begin(), sure.end()); }

std::vector<std::vector<Chain>> probed_chains(const readout::AnalysisInput& input,
                                              const std::vector<LabelQuestion>& questions, const ChainForm& form,
                                              int64_t samples, double temperature) {
  std::vector<std::string> openings;
  for (const auto& q : questions) openings.push_back(opening_of(*q.fact, input.style, form));
  const auto texts = written(input, openings, form, samples, temperature);
  const auto guarded = [&](const std::string& text) {
    return input.style.chat ? input.style.tokens()->guard(text) : text;
  };
  std::vector<OptionItem> items;
  std::vector<std::vector<std::vector<size_t>>> places(questions.size());  // [question][chain][step]
  for (size_t i = 0; i < questions.size(); ++i) {
    Prompts prompts(questions[i], input.style, items);
    const data::Fact& fact = *questions[i].fact;
    const size_t direct = prompts.place(closed_book(fact, input.style).prompt.text);
    const bool apart = !std::isspace(static_cast<unsigned char>(openings[i].back()));
    for (const auto& chain : texts[i]) {
      places[i].push_back({direct});
      for (const auto& end : step_ends(chain.text, form.steps))
        places[i].back().push_back(prompts.place(openings[i] + guarded((apart ? " " : "") + end + form.cue)));
    }
  }
  const auto scores = score_labels(input.model, items, input.compute);
  std::vector<std::vector<Chain>> result(questions.size());
  for (size_t i = 0; i < questions.size(); ++i)
    for (size_t c = 0; c < texts[i].size(); ++c) {
      Chain chain{texts[i][c].text, {}};
      std::vector<std::vector<double>> p;
      for (const size_t place : places[i][c]) {
        p.push_back(label_probabilities(scores[place]));
        chain.curve.answers.push_back(likeliest(p.back()));
        chain.curve.sure.push_back(p.back()[chain.curve.answers.back()]);
      }
      for (const auto& shares : p) chain.curve.belief.push_back(shares[chain.curve.answers.back()]);
      result[i].push_back(std::move(chain));
    }
  return result;
}

}  // namespace ken::evidence
