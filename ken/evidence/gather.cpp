// Filling evidence: one mixed batch of greedy answers and samples, then what is read of the answers again, then the
// follow-up questions of all estimators together.
#include <algorithm>

#include "ken/evidence/asking.h"
#include "ken/evidence/evidence.h"
#include "ken/evidence/option_states.h"
#include "ken/stats/logistic.h"

namespace ken::evidence {
namespace {

using at::Tensor;

// Where meaning is read: two thirds up the stream.
std::string meaning_point(const model::Model& model) {
  return model::point_name(model::Point::resid_post, (model.config.n_layers - 1) * 2 / 3);
}

std::vector<int32_t> answer_of(const generate::Generated& g) {
  return {g.tokens.begin(), g.tokens.begin() + long(g.answer_tokens)};
}

// The distinct token sequences among a question's answers; `place` of each answer among them, -1 for an empty one.
struct DistinctAnswers {
  std::vector<std::vector<int32_t>> tokens;
  std::vector<int64_t> place;
  explicit DistinctAnswers(const std::vector<std::vector<int32_t>>& answers) {
    for (const auto& answer : answers) {
      if (answer.empty()) {
        place.push_back(-1);
        continue;
      }
      const auto found = std::find(tokens.begin(), tokens.end(), answer);
      place.push_back(found - tokens.begin());
      if (found == tokens.end()) tokens.push_back(answer);
    }
  }
};

class Gathering {
 public:
  Gathering(const model::Model& model, const std::vector<generate::Request>& requests, const Needs& needs,
            const GatherOptions& options, const data::PromptStyle& style, std::vector<Evidence>& evidence)
      : model_(model), requests_(requests), needs_(needs), options_(options), style_(style), evidence_(evidence) {}

  void fill() {
    if (needs_.readings.count(without_context)) read_again(without_context);
    if (needs_.readings.count(without_prompt)) read_again(without_prompt);
    if (needs_.similarity.count("embedding")) compare_states();
    if (needs_.similarity.count("entailment")) compare_by_asking();
    if (needs_.relevance) weigh_tokens();
    if (!needs_.states.empty()) read_states();
  }

 private:
  std::vector<int32_t> prompt_tokens(size_t i) const {
    const auto& r = requests_[i];
    return r.tokens.empty() ? generate::prompt_ids(model_, r.prompt.text, r.prompt.chat.get()) : r.tokens;
  }

  std::vector<int32_t> other_prompt(const std::string& name, size_t i) const {
    const auto& prompt = requests_[i].prompt;
    if (name == without_context) return generate::prompt_ids(model_, prompt.without_context, prompt.chat.get());
    const auto& t = *model_.tokenizer;
    if (!t.bos && !t.eos)
      fail("evidence", "an answer without its prompt begins at BOS or EOS; the vocabulary has none");
    return {t.bos ? *t.bos : *t.eos};
  }

  void read_again(const std::string& name) {
    std::vector<OptionTokens> items;
    std::vector<size_t> of;
    for (size_t i = 0; i < evidence_.size(); ++i) {
      if (name == without_context && requests_[i].prompt.without_context.empty()) continue;
      evidence_[i].readings[name];
      if (evidence_[i].greedy.answer_tokens == 0) continue;
      items.push_back({other_prompt(name, i), {answer_of(evidence_[i].greedy)}});
      of.push_back(i);
    }
    auto scores = score_tokens(model_, items, options_.compute, true);
    for (size_t n = 0; n < of.size(); ++n)
      evidence_[of[n]].readings[name] = {std::move(scores[n][0].logprobs), std::move(scores[n][0].entropies)};
  }

  std::vector<std::vector<int32_t>> answers(const Evidence& e) const {
    std::vector<std::vector<int32_t>> result;
    if (needs_.greedy) result.push_back(answer_of(e.greedy));
    for (const auto& sample : e.samples) result.push_back(answer_of(sample));
    return result;
  }

  // Unit vectors [distinct, d] of mean states over the tokens of texts behind their prompts.
  std::vector<Tensor> unit_states(const std::vector<OptionTokens>& items) const {
    auto states = option_states(model_, items, {meaning_point(model_)}, Pool::mean, options_.compute);
    for (Tensor& s : states) s = s.select(1, 0) / s.select(1, 0).norm(2, {1}, true).clamp_min(1e-12);
    return states;
  }

  void compare_states() {
    std::vector<OptionTokens> items;
    std::vector<std::vector<int64_t>> places;
    for (size_t i = 0; i < evidence_.size(); ++i) {
      DistinctAnswers distinct(answers(evidence_[i]));
      places.push_back(std::move(distinct.place));
      items.push_back({prompt_tokens(i), std::move(distinct.tokens)});
    }
    const auto states = unit_states(items);
    for (size_t i = 0; i < evidence_.size(); ++i) {
      const Tensor cosines = states[i].mm(states[i].t()).clamp(0, 1);
      evidence_[i].similarity["embedding"] =
          matrix(places[i], [&](int64_t a, int64_t b) { return cosines[a][b].item<double>(); });
    }
  }

  // [n, n] from the likeness of two different sequences; an empty answer is like another empty one alone.
  template <typename Likeness>
  static std::vector<double> matrix(const std::vector<int64_t>& places, const Likeness& likeness) {
    std::vector<double> result;
    for (const int64_t a : places)
      for (const int64_t b : places) result.push_back(a == b ? 1.0 : a < 0 || b < 0 ? 0.0 : likeness(a, b));
    return result;
  }

  // Whether two answers mean the same, asked in both orders: P(yes) / (P(yes) + P(no)).
  void compare_by_asking() {
    std::vector<OptionItem> items;
    std::vector<std::vector<std::string>> texts;
    for (const Evidence& e : evidence_) {
      texts.emplace_back();
      if (needs_.greedy) texts.back().push_back(e.greedy.text);
      for (const auto& sample : e.samples) texts.back().push_back(sample.text);
      std::sort(texts.back().begin(), texts.back().end());
      texts.back().erase(std::unique(texts.back().begin(), texts.back().end()), texts.back().end());
      for (const auto& a : texts.back())
        for (const auto& b : texts.back())
          if (a != b)
            items.push_back({data::pose(style_, fmt::format("Question: {}\nOne answer: {}\nAnother answer: {}\nDo the "
                                                            "two answers mean the same? Yes or no?\nAnswer:",
                                                            e.question, a, b)),
                             {style_.chat ? "Yes" : " Yes", style_.chat ? "No" : " No"},
                             style_.tokens()});
    }
    const auto scores = score_options(model_, items, options_.compute);
    size_t next = 0;
    for (size_t i = 0; i < evidence_.size(); ++i) {
      std::map<std::pair<std::string, std::string>, double> yes;
      for (const auto& a : texts[i])
        for (const auto& b : texts[i])
          if (a != b) yes[{a, b}] = stats::sigmoid(scores[next][0].logprob - scores[next][1].logprob), ++next;
      std::vector<std::string> all;
      if (needs_.greedy) all.push_back(evidence_[i].greedy.text);
      for (const auto& sample : evidence_[i].samples) all.push_back(sample.text);
      std::vector<double>& w = evidence_[i].similarity["entailment"];
      for (const auto& a : all)
        for (const auto& b : all) w.push_back(a == b ? 1.0 : (yes.at({a, b}) + yes.at({b, a})) / 2);
    }
  }

  // 1 - cosine of a sample's state with that of the sample without one token. A single token is all there is: 1.
  void weigh_tokens() {
    std::vector<OptionTokens> items;
    std::vector<std::vector<int64_t>> places;
    for (size_t i = 0; i < evidence_.size(); ++i) {
      std::vector<std::vector<int32_t>> wanted;
      for (const auto& sample : evidence_[i].samples) {
        const auto whole = answer_of(sample);
        wanted.push_back(whole);
        for (size_t t = 0; t < whole.size(); ++t) {
          wanted.push_back(whole);
          wanted.back().erase(wanted.back().begin() + long(t));
        }
      }
      DistinctAnswers distinct(wanted);
      places.push_back(std::move(distinct.place));
      items.push_back({prompt_tokens(i), std::move(distinct.tokens)});
    }
    const auto states = unit_states(items);
    for (size_t i = 0; i < evidence_.size(); ++i) {
      size_t next = 0;
      evidence_[i].relevance.clear();
      for (const auto& sample : evidence_[i].samples) {
        const int64_t whole = places[i][next++];
        std::vector<double>& relevance = evidence_[i].relevance.emplace_back();
        for (int64_t t = 0; t < sample.answer_tokens; ++t, ++next) {
          const int64_t without = places[i][next];
          relevance.push_back(without < 0 ? 1.0
                                          : std::max(0.0, 1 - states[i][whole].dot(states[i][without]).item<double>()));
        }
      }
    }
  }

  void read_states() {
    for (const std::string place : {"answer ", "prompt "}) {
      std::vector<std::string> points;
      for (const std::string& name : needs_.states)
        if (name.starts_with(place)) points.push_back(name.substr(place.size()));
      if (points.empty()) continue;
      std::vector<OptionTokens> items;
      for (size_t i = 0; i < evidence_.size(); ++i) {
        auto prompt = prompt_tokens(i), answer = answer_of(evidence_[i].greedy);
        if ((place == "prompt " || answer.empty()) && prompt.size() > 1) answer = {prompt.back()}, prompt.pop_back();
        items.push_back({std::move(prompt), {std::move(answer)}});
      }
      const auto states = option_states(model_, items, points, Pool::last, options_.compute);
      for (size_t i = 0; i < evidence_.size(); ++i)
        for (size_t p = 0; p < points.size(); ++p) {
          const Tensor row = states[i][0][int64_t(p)].contiguous();
          evidence_[i].states[place + points[p]] = {row.data_ptr<float>(), row.data_ptr<float>() + row.numel()};
        }
    }
  }

  const model::Model& model_;
  const std::vector<generate::Request>& requests_;
  const Needs& needs_;
  const GatherOptions& options_;
  const data::PromptStyle& style_;  // of questions that are put beside the asked ones
  std::vector<Evidence>& evidence_;
};

std::vector<Evidence> answered(const model::Model& model, const std::vector<generate::Request>& requests,
                               const Needs& needs, const GatherOptions& options) {
  std::vector<generate::Request> all;
  for (size_t i = 0; i < requests.size(); ++i) {
    generate::Request request = requests[i];
    request.key = options.first_key + i;
    if (needs.greedy) {
      request.sampling = {};
      request.samples = 1;
      request.alternatives = needs.alternatives;
      all.push_back(request);
    }
    if (needs.samples > 0) {
      request.sampling = {.temperature = needs.temperature, .seed = options.seed};
      request.samples = needs.samples;
      request.alternatives = 0;
      request.on_text = nullptr;
      all.push_back(request);
    }
  }
  generate::GenerateOptions generation;
  generation.compute = options.compute;
  if (options.between) generation.interrupted = [&options] { return options.between(), false; };
  auto results = generate::generate(model, all, generation);
  std::vector<Evidence> evidence;
  size_t next = 0;
  for (const auto& request : requests) {
    const std::string asked = request.prompt.chat ? text::ChatTokens::shown(request.prompt.text) : request.prompt.text;
    Evidence e{asked, asked, {}, {}};
    if (needs.greedy) e.greedy = std::move(results[next++][0]);
    if (needs.samples > 0) e.samples = std::move(results[next++]);
    evidence.push_back(std::move(e));
  }
  return evidence;
}

// The follow-up questions of all estimators; one id is asked once.
void follow(const model::Model& model, const std::vector<Question>& questions,
            const std::vector<EstimatorSpec>& estimators, const GatherOptions& options,
            std::vector<Evidence>& evidence) {
  std::vector<OptionItem> scored;
  std::vector<generate::Request> asked;
  std::vector<Reply*> scored_to, asked_to;
  for (size_t i = 0; i < questions.size(); ++i)
    for (const auto& estimator : estimators) {
      if (!estimator.entry->follow) continue;
      const Needs needs = estimator.needs();
      for (auto& f : estimator.entry->follow(questions[i], View(evidence[i], needs), estimator.params)) {
        const auto [place, is_new] = evidence[i].replies.emplace(f.id, Reply{});
        if (!is_new) continue;
        if (f.options.empty()) {
          asked.push_back(request_of(questions[i].style, {f.prompt, ""}));
          asked.back().sampling = {.temperature = f.temperature, .seed = options.seed};
          // noise by question and id, whatever else is asked
          asked.back().key = std::stoull(sha256(std::as_bytes(std::span(f.id))).substr(0, 4), nullptr, 16) << 32 |
                             (options.first_key + i);
          asked_to.push_back(&place->second);
        } else {
          scored.push_back({f.prompt, f.options, questions[i].style.tokens()});
          scored_to.push_back(&place->second);
        }
      }
    }
  const auto scores = score_options(model, scored, options.compute);
  for (size_t n = 0; n < scores.size(); ++n)
    for (const auto& option : scores[n]) scored_to[n]->logprobs.push_back(option.logprob);
  if (asked.empty()) return;
  auto replies = greedy_answers(model, asked, options.compute);
  for (size_t n = 0; n < replies.size(); ++n) asked_to[n]->text = std::move(replies[n].text);
}

}  // namespace

std::vector<Evidence> gather(const model::Model& model, const std::vector<generate::Request>& requests,
                             const Needs& needs, const GatherOptions& options) {
  auto evidence = answered(model, requests, needs, options);
  const data::PromptStyle plain;
  Gathering(model, requests, needs, options, plain, evidence).fill();
  return evidence;
}

std::vector<Evidence> gather(const model::Model& model, const std::vector<Question>& questions,
                             const std::vector<EstimatorSpec>& estimators, const GatherOptions& options) {
  Needs needs = options.also | Needs{.greedy = true};
  for (const auto& e : estimators) needs = needs | e.needs();
  std::vector<generate::Request> requests;
  for (const auto& q : questions) requests.push_back(q.request);
  auto evidence = answered(model, requests, needs, options);
  for (size_t i = 0; i < questions.size(); ++i) {
    if (!questions[i].fact.question.empty()) evidence[i].question = questions[i].fact.question;
    evidence[i].aliases = questions[i].fact.answers;
  }
  const data::PromptStyle style = questions.empty() ? data::PromptStyle() : questions[0].style;
  Gathering(model, requests, needs, options, style, evidence).fill();
  follow(model, questions, estimators, options, evidence);
  return evidence;
}

}  // namespace ken::evidence
