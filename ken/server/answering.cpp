#include "ken/server/answering.h"

#include <random>

#include "ken/base/error.h"
#include "ken/evidence/source.h"
#include "ken/server/openai.h"
#include "ken/server/stream.h"

namespace ken::server {
namespace {

using generate::Generated;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

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
  void wait() {
    std::unique_lock lock(mutex_);
    over_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  size_t left_;
};

// What the exchange captures, filled while its answer is computed; null: nothing.
std::shared_ptr<Captured> add_capture(Exchange& exchange, const Engine& engine, const Setup& setup) {
  if (exchange.call.ken.capture.empty()) return nullptr;
  if (exchange.call.best_of > 1 || exchange.asked.size() > 1)
    io::fail_call("ken.capture", "activations are those of one answer; ask for one");
  auto captured = std::make_shared<Captured>(Captured{0, setup.capture_bytes});
  exchange.asked[0].request->controls.push_back(capturing(exchange.call.ken.capture, engine.model(), captured));
  return captured;
}

std::vector<Answered> compute(Engine& engine, const Exchange& exchange) {
  const auto& asked = exchange.asked;
  std::vector<Answered> answers(asked.size());
  Countdown countdown(asked.size());
  for (size_t i = 0; i < asked.size(); ++i) {
    Answered& answer = answers[i];
    answer.texts.resize(size_t(asked[i].request->samples));
    asked[i].request->on_text = [&answer](const generate::Piece& piece) { answer.texts[piece.sample] += piece.text; };
    engine.submit(exchange.place, asked[i].request, [&answer, &countdown](generate::Outcome outcome) {
      answer.outcome = std::move(outcome);
      countdown.down();
    });
  }
  countdown.wait();
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

// What ken says of an answer: its probability, that of each token, and what Controls noted.
Json knowledge_of(const Generated& answer) {
  Json tokens = Json::array(), entropies = Json::array();
  for (const double l : answer.logprobs) tokens.push_back(std::exp(l));
  for (const double e : answer.entropies) entropies.push_back(e);
  Json result{{"probability", number(std::exp(answer.logprob()))},
              {"token_probabilities", std::move(tokens)},
              {"entropies", std::move(entropies)}};
  for (const auto& [name, values] : answer.notes) {
    Json& list = result["notes"][name] = Json::array();
    for (const double value : values) list.push_back(number(value));
  }
  return result;
}

Json controls_of(const io::Call& call) {
  Json list = Json::array();
  for (const auto& method : call.ken.controls) {
    const SafeMethod safe = parsed(method);
    list.push_back({{"name", safe.id}, {"params", safe.params}});
  }
  if (!call.ken.steering.is_null()) list.push_back({{"name", "vector"}, {"params", {{"steering", call.ken.steering}}}});
  return list;
}

Json knowledge_of_call(const Exchange& exchange, const Engine& engine) {
  Json ken{{"seed", exchange.asked[0].request->sampling.seed},
           {"compute", engine.compute() == nn::Compute::f32 ? "f32" : "fast"}};
  if (const Json steered = controls_of(exchange.call); !steered.empty()) ken["steered"] = steered;
  return ken;
}

// The frame of a reply or of a chunk.
struct Frame {
  std::string id, object, model;
  std::time_t created = std::time(nullptr);
  Json with(Json choices) const {
    return {{"id", id}, {"object", object}, {"created", created}, {"model", model}, {"choices", std::move(choices)}};
  }
};

Frame frame_of(const Exchange& exchange, const Setup& setup, bool chunks) {
  return {new_id(exchange.chat ? "chatcmpl-" : "cmpl-"),
          exchange.chat ? (chunks ? "chat.completion.chunk" : "chat.completion") : "text_completion", setup.name};
}

const text::Tokenizer& tokenizer_of(const Engine& engine) { return *engine.model().tokenizer; }

Json logprobs_of(const Engine& engine, const Exchange& exchange, const Generated& answer, Span span, const Echo* echo,
                 size_t offset) {
  const io::Call& call = exchange.call;
  if (!call.logprobs) return nullptr;
  if (exchange.chat) return chat_logprobs(tokenizer_of(engine), answer, span, call.top_logprobs);
  return completion_logprobs(tokenizer_of(engine), echo, answer, span, call.top_logprobs, offset);
}

Json choice_of(const Engine& engine, const Exchange& exchange, size_t index, const std::string& text,
               const Generated& answer, const Echo* echo, const std::string& echoed) {
  Json choice{{"index", index}};
  const Json logprobs = logprobs_of(engine, exchange, answer, {0, scored_tokens(answer)}, echo,
                                    echo || echoed.empty() ? 0 : echoed.size());
  if (exchange.chat)
    choice["message"] = {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}};
  else
    choice["text"] = echoed + text;
  choice["logprobs"] = logprobs;
  choice["finish_reason"] = finish_reason(answer);
  choice["ken"] = knowledge_of(answer);
  return choice;
}

// The prompts' own probabilities, for completions that echo them.
std::vector<evidence::TextScores> echo_scores(Engine& engine, const Exchange& exchange) {
  if (!exchange.call.echo || !exchange.call.logprobs) return {};
  std::vector<std::vector<int32_t>> texts;
  for (const Asked& asked : exchange.asked) texts.push_back(asked.tokens);
  std::vector<evidence::TextScores> scores;
  engine.run(exchange.place, [&] {
    scores = evidence::score_texts(engine.model(), texts, std::max<int64_t>(1, exchange.call.top_logprobs),
                                   engine.compute());
  });
  return scores;
}

std::string echoed(const Engine& engine, const Asked& asked) {
  return asked.request->tokens.empty() ? asked.request->prompt.text : tokenizer_of(engine).decode(asked.tokens);
}

// A request for the prompt alone: its probabilities, no answer.
bool prompt_alone(const Exchange& exchange) { return exchange.call.max_tokens == 0; }

// Without a chat template an answer begins with the blank that its prompt's form leaves to it; it is no part of a
// message.
std::string_view message_text(const Exchange& exchange, const Setup& setup, std::string_view text) {
  if (!exchange.chat || setup.chat) return text;
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

Reply json_reply(const Json& json) { return {.body = dumped(json)}; }

}  // namespace

std::string new_id(const char* prefix) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("{}{:016x}{:08x}", prefix, random(), uint32_t(random()));
}

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
  size_t read = 0, written = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    const Asked& asked = exchange.asked[i];
    const std::string before = exchange.call.echo ? echoed(engine, asked) : "";
    std::optional<Echo> echo;
    if (!scores.empty()) echo.emplace(Echo{asked.tokens, scores[i]});
    read += asked.tokens.size();
    for (const auto& result : answers[i].outcome.results) written += result.tokens.size();
    for (const size_t j : best(answers[i].outcome.results, exchange.call.n)) {
      const Generated& result = answers[i].outcome.results[j];
      const std::string& raw = std::isnan(result.score) ? answers[i].texts[j] : result.text;
      const std::string text(message_text(exchange, setup, raw));
      choices.push_back(choice_of(engine, exchange, choices.size(), text, result, echo ? &*echo : nullptr, before));
    }
  }
  Json body = frame_of(exchange, setup, false).with(std::move(choices));
  body["usage"] = usage(read, written);
  body["ken"] = knowledge_of_call(exchange, engine);
  if (captured) body["ken"]["captured"] = encoded(*captured);
  return json_reply(body);
}

namespace {

// A stream's chunks are made where the tokens are, on the computing thread, and written by the connection's.
class Chunks {
 public:
  Chunks(Engine& engine, const Setup& setup, Exchange exchange)
      : engine_(engine),
        setup_(setup),
        exchange_(std::move(exchange)),
        frame_(frame_of(exchange_, setup, true)),
        left_(exchange_.asked.size()),
        sent_(exchange_.asked.size() * size_t(exchange_.call.n)) {}

  // What is wrong with the request comes out of here, before a byte is written.
  static void begin(const std::shared_ptr<Chunks>& self) {
    self->captured_ = add_capture(self->exchange_, self->engine_, self->setup_);
    for (size_t i = 0; i < self->exchange_.asked.size(); ++i) {
      Asked& asked = self->exchange_.asked[i];
      // The request is held by the engine and holds this no longer than its end.
      asked.request->on_text = [raw = self.get(), i](const generate::Piece& piece) { raw->piece(i, piece); };
      self->tickets_.push_back(
          self->engine_.submit(self->exchange_.place, asked.request,
                               [self, i](generate::Outcome outcome) { self->over(i, std::move(outcome)); }));
    }
  }
  void write(const Write& write) {
    while (const auto piece = channel_.take())
      if (!write(*piece)) {
        for (const uint64_t ticket : tickets_) engine_.cancel(ticket);
        return;
      }
  }

 private:
  size_t index(size_t asked, size_t sample) const { return asked * size_t(exchange_.call.n) + sample; }
  void put(const Json& json) { channel_.put("data: " + dumped(json) + "\n\n"); }

  Json choice(size_t index, const std::string& text, const Generated& answer, size_t to, Json finish) {
    Json choice{{"index", index}};
    Sent& sent = sent_[index];
    if (exchange_.chat) {
      choice["delta"] = Json::object();
      if (!sent.begun) choice["delta"]["role"] = "assistant";
      if (!text.empty() || !sent.begun) choice["delta"]["content"] = text;
    } else {
      choice["text"] = text;
    }
    choice["logprobs"] = logprobs_of(engine_, exchange_, answer, {sent.tokens, to}, nullptr, sent.bytes);
    choice["finish_reason"] = std::move(finish);
    Json tokens = Json::array();
    for (size_t t = sent.tokens; t < to; ++t) tokens.push_back(std::exp(answer.logprobs[t]));
    choice["ken"] = {{"token_probabilities", tokens}};
    sent = {true, to, sent.bytes + text.size()};
    return choice;
  }

  void piece(size_t asked, const generate::Piece& piece) {
    const size_t i = index(asked, piece.sample);
    // A token's text may come in a later piece; its probability goes with the first piece after it.
    const std::string text(sent_[i].begun ? piece.text : message_text(exchange_, setup_, piece.text));
    put(frame_.with(Json::array({choice(i, text, piece.so_far, piece.so_far.logprobs.size(), nullptr)})));
  }

  void over(size_t asked, generate::Outcome outcome) {
    read_ += exchange_.asked[asked].tokens.size();
    if (outcome.error) {
      put(error_of(outcome.error));
    } else {
      for (size_t j = 0; j < outcome.results.size(); ++j) {
        const Generated& result = outcome.results[j];
        written_ += result.tokens.size();
        Json last = choice(index(asked, j), "", result, scored_tokens(result), finish_reason(result));
        last["ken"]["probability"] = number(std::exp(result.logprob()));
        put(frame_.with(Json::array({std::move(last)})));
      }
    }
    if (--left_ > 0) return;
    if (exchange_.call.usage) {
      Json body = frame_.with(Json::array());
      body["usage"] = usage(read_, written_);
      body["ken"] = knowledge_of_call(exchange_, engine_);
      if (captured_) body["ken"]["captured"] = encoded(*captured_);
      put(body);
    }
    channel_.put("data: [DONE]\n\n");
    channel_.close();
  }

  static Json error_of(const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      return error_json(e.what(), "server_error", nullptr, 500);
    }
  }

  struct Sent {
    bool begun = false;
    size_t tokens = 0, bytes = 0;
  };
  Engine& engine_;
  const Setup& setup_;
  Exchange exchange_;
  const Frame frame_;
  size_t left_, read_ = 0, written_ = 0;
  std::vector<Sent> sent_;
  std::shared_ptr<Captured> captured_;
  std::vector<uint64_t> tickets_;
  Channel channel_;
};

}  // namespace

Reply answer_streaming(Engine& engine, const Setup& setup, Exchange exchange) {
  const auto chunks = std::make_shared<Chunks>(engine, setup, std::move(exchange));
  Chunks::begin(chunks);
  return {.type = "text/event-stream", .stream = [chunks](const Write& write) { chunks->write(write); }};
}

bool wants_evidence(const Exchange& exchange) {
  const auto& ken = exchange.call.ken;
  return !ken.confidence.empty() || ken.abstain_under || ken.source;
}

namespace {

void check_measured(const Exchange& exchange, const Setup& setup) {
  const io::Call& call = exchange.call;
  if (exchange.asked.size() != 1) io::fail_call("prompt", "confidence is measured of one prompt at a time");
  if (call.best_of != 1 || call.echo) io::fail_call("n", "confidence is measured of one answer, without echo");
  if (!exchange.greedy && call.temperature != 0)
    io::fail_call("temperature",
                  "confidence is measured of the likeliest answer; leave temperature out or set it to 0");
  if (call.ken.abstain_under && !setup.calibration)
    io::fail_call("ken.abstain_under",
                  "this server has no calibration; its operator gives one with --calibration FILE");
  if (call.ken.source && call.ken.documents.empty())
    io::fail_call("ken.source", "a source is told where documents are given apart, as ken.context");
  if (!call.ken.capture.empty()) io::fail_call("ken.capture", "capture an answer without confidence");
}

std::vector<evidence::EstimatorSpec> estimators_from(const io::Call& call, const Setup& setup) {
  std::vector<evidence::EstimatorSpec> estimators;
  for (const auto& method : call.ken.confidence) {
    const SafeMethod safe = parsed(method);
    const auto& entry = Registry<evidence::EstimatorEntry>::get().at("estimator", safe.id);
    const Json params = resolve_params(entry.card, safe_params(safe, entry.card, "ken.confidence", setup));
    estimators.push_back({&entry, params, safe.id});
  }
  return estimators;
}

Json source_json(const evidence::Source& source) {
  // How far apart the two sources are: the passage's answer is likelier for it by so much.
  return {{"name", source.name},
          {"closed_book_answer", source.without.text},
          {"conflict",
           source.without.text.empty() ? Json(nullptr) : number(std::log(source.p_with) - std::log(source.p_without))},
          {"probabilities", evidence::probabilities(source)}};
}

}  // namespace

Reply answer_measured(Engine& engine, const Setup& setup, Exchange exchange) {
  check_measured(exchange, setup);
  const io::Call& call = exchange.call;
  Asked& asked = exchange.asked[0];
  asked.request->sampling.temperature = 0;
  const auto scores = estimators_from(call, setup);
  auto wanted = scores;
  if (setup.calibration) wanted.push_back(setup.calibration->estimator);
  data::Fact fact;
  fact.question = asked.question;
  std::vector<evidence::Question> questions{{*asked.request, setup.style, fact}};
  if (call.ken.source) {
    questions.push_back(questions[0]);
    questions[1].request = evidence::without_passage(questions[0].request);
  }
  Json ken = knowledge_of_call(exchange, engine);
  evidence::Evidence found;
  engine.run(exchange.place, [&] {
    auto all = evidence::gather(engine.model(), questions, wanted,
                                {engine.compute(),
                                 asked.request->sampling.seed,
                                 0,
                                 {.greedy = true, .alternatives = asked.request->alternatives}});
    for (const auto& estimator : scores)
      ken["confidence"][estimator.name] = {{"score", number(estimator.score(all[0]))},
                                           {"direction", estimator.entry->card.direction}};
    if (call.ken.source)
      ken["source"] = source_json(evidence::trace(engine.model(), *asked.request, all[0].greedy, all[1].greedy,
                                                  asked.passage, engine.compute()));
    found = std::move(all[0]);
  });
  std::string text = found.greedy.text;
  if (setup.calibration) {
    const double sure = setup.calibration->confidence(found);
    ken["calibrated"] = {{"confidence", number(sure)}, {"estimator", setup.calibration->estimator.definition()}};
    ken["abstained"] = call.ken.abstain_under && !(sure >= *call.ken.abstain_under);
    if (ken["abstained"].get<bool>()) text = "I don't know.";
  }
  Json body = frame_of(exchange, setup, call.stream)
                  .with(Json::array({choice_of(engine, exchange, 0, text, found.greedy, nullptr, "")}));
  body["usage"] = usage(asked.tokens.size(), found.greedy.tokens.size());
  body["ken"] = ken;
  if (!call.stream) return json_reply(body);
  Json& choice = body["choices"][0];
  if (exchange.chat) choice["delta"] = choice["message"], choice.erase("message");
  return {.type = "text/event-stream", .stream = [body](const Write& write) {
            if (write("data: " + dumped(body) + "\n\n")) write("data: [DONE]\n\n");
          }};
}

}  // namespace ken::server
