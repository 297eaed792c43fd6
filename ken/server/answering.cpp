#include "ken/server/answering.h"

#include "ken/server/frame.h"

namespace ken::server {
namespace {

using generate::Generated;

// One prompt's results; the texts are as they were written, blanks included, cut at a stop text.
struct Answered {
  generate::Outcome outcome;
  std::vector<std::string> texts;
};

// Counts answers down, for the connection that waits for all of them.
class Countdown {
 public:
  explicit Countdown(size_t n) : left_(n) {}
  void down() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) over_.notify_all();
  }
  bool wait_for(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return over_.wait_for(lock, patience, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  size_t left_;
};

std::vector<Answered> compute(Engine& engine, const Exchange& exchange) {
  const auto& asked = exchange.asked;
  std::vector<Answered> answers(asked.size());
  Countdown countdown(asked.size());
  std::vector<uint64_t> tickets;
  for (size_t i = 0; i < asked.size(); ++i) {
    Answered& answer = answers[i];
    answer.texts.resize(size_t(asked[i].request->samples));
    asked[i].request->on_text = [&answer](const generate::Piece& piece) { answer.texts[piece.sample] += piece.text; };
    tickets.push_back(engine.submit(exchange.place, asked[i].request, [&answer, &countdown](generate::Outcome outcome) {
      answer.outcome = std::move(outcome);
      countdown.down();
    }));
  }
  for (bool here = true; !countdown.wait_for(look_up);) {
    if (!here || !exchange.has_left()) continue;
    here = false;
    for (const uint64_t ticket : tickets) engine.cancel(ticket);
  }
  for (const auto& answer : answers)
    if (answer.outcome.error) std::rethrow_exception(answer.outcome.error);
  return answers;
}

}  // namespace

std::vector<Generated> compute_only(Engine& engine, const Exchange& exchange) {
  return std::move(compute(engine, exchange).at(0).outcome.results);
}

namespace {

// The `n` answers of the best mean logprob, where more were asked for.
std::vector<size_t> best(const std::vector<Generated>& results, int64_t n) {
  std::vector<size_t> order(results.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (int64_t(order.size()) <= n) return order;
  const auto mean = [&](size_t i) {
    double sum = 0;
    for (const double l : results[i].logprobs) sum += l;
    return results[i].logprobs.empty() ? -1e300 : sum / double(results[i].logprobs.size());
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return mean(a) > mean(b); });
  order.resize(size_t(n));
  return order;
}

// The prompts' own probabilities, for completions that echo them.
std::vector<evidence::TextScores> echo_scores(Engine& engine, const Exchange& exchange) {
  if (!exchange.call.echo || !exchange.call.logprobs) return {};
  constexpr size_t at_once = 16;  // so that answers of others are not kept waiting
  const auto& asked = exchange.asked;
  std::vector<evidence::TextScores> scores;
  for (size_t first = 0; first < asked.size() && !exchange.has_left(); first += at_once) {
    std::vector<std::vector<int32_t>> texts;
    for (size_t i = first; i < std::min(asked.size(), first + at_once); ++i) texts.push_back(asked[i].tokens);
    engine.run(exchange.place, [&] {
      for (auto& score : evidence::score_texts(engine.model(), texts, std::max<int64_t>(1, exchange.call.top_logprobs),
                                               engine.compute()))
        scores.push_back(std::move(score));
    });
  }
  scores.resize(asked.size());
  return scores;
}

std::string echoed(const Engine& engine, const Asked& asked) {
  return asked.request->tokens.empty() ? asked.request->prompt.text : tokenizer_of(engine).decode(asked.tokens);
}

// A request for the prompt alone: its probabilities, no answer.
bool prompt_alone(const Exchange& exchange) { return exchange.call.max_tokens == 0; }

}  // namespace

Reply answer_whole(Engine& engine, const Setup& setup, Exchange exchange) {
  const auto captured = add_capture(exchange, engine, setup);
  const auto scores = echo_scores(engine, exchange);
  std::vector<Answered> answers(exchange.asked.size());
  if (prompt_alone(exchange))
    for (auto& answer : answers) {
      answer.outcome.results.assign(size_t(exchange.call.n), {});
      for (auto& result : answer.outcome.results) result.finish = "length";
      answer.texts.resize(size_t(exchange.call.n));
    }
  else
    answers = compute(engine, exchange);
  Json choices = Json::array();
  size_t read = 0, written = 0, reused = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    const Asked& asked = exchange.asked[i];
    const std::string before = exchange.call.echo ? echoed(engine, asked) : "";
    std::optional<Echo> echo;
    if (!scores.empty()) echo.emplace(Echo{asked.tokens, scores[i]});
    read += asked.tokens.size();
    reused += size_t(answers[i].outcome.results[0].reused);
    for (const auto& result : answers[i].outcome.results) written += result.tokens.size();
    for (const size_t j : best(answers[i].outcome.results, exchange.call.n)) {
      const Generated& result = answers[i].outcome.results[j];
      const std::string& raw = std::isnan(result.score) ? answers[i].texts[j] : result.text;
      const std::string text(message_text(exchange, setup, raw));
      choices.push_back(choice_of(engine, exchange, choices.size(), text, result, echo ? &*echo : nullptr, before));
    }
  }
  Json body = frame_of(exchange, setup, false).with(std::move(choices));
  body["usage"] = usage(read, written, reused);
  body["ken"] = knowledge_of_call(exchange, engine);
  if (captured) body["ken"]["captured"] = encoded(*captured);
  return json_reply(body);
}

}  // namespace ken::server
