#include "ken/server/frame.h"

#include <random>

#include "ken/base/error.h"
#include "ken/stats/finite.h"

namespace ken::server {

using generate::Generated;

Reply json_reply(const Json& json) { return {.body = dumped(json)}; }

Failure failure_of(const std::exception_ptr& error) {
  const auto failure = [](int status, const std::string& message, const char* type, const std::string& field = "") {
    return Failure{status, error_json(message, type, field.empty() ? Json() : Json(field), status)};
  };
  try {
    std::rethrow_exception(error);
  } catch (const io::CallError& e) {
    return failure(400, e.what(), "invalid_request_error", e.field);
  } catch (const Stopping& e) {
    return failure(503, e.what(), "server_error");
  } catch (const Busy& e) {
    return failure(429, e.what(), "rate_limit_error");
  } catch (const Error& e) {  // of the prompt, a control or the model under it: no other request's
    return failure(400, e.what(), "invalid_request_error");
  } catch (const std::exception& e) {
    // torch's errors carry a stack trace after the first line.
    const std::string text = e.what();
    return failure(500, text.substr(0, text.find('\n')), "server_error");
  }
}

std::string new_id(const char* prefix) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("{}{:016x}{:08x}", prefix, random(), uint32_t(random()));
}

Json Frame::with(Json choices) const {
  return {{"id", id}, {"object", object}, {"created", created}, {"model", model}, {"choices", std::move(choices)}};
}

std::shared_ptr<Captured> add_capture(Exchange& exchange, const Engine& engine, const Setup& setup) {
  if (exchange.call.ken.capture.empty()) return nullptr;
  if (exchange.call.best_of > 1 || exchange.asked.size() > 1)
    io::fail_call("ken.capture", "activations are those of one answer; ask for one");
  auto captured = std::make_shared<Captured>(Captured{0, setup.capture_bytes});
  exchange.asked[0].request->controls.push_back(capturing(exchange.call.ken.capture, engine.model(), captured));
  return captured;
}

namespace {

// What ken says of an answer: its probability, that of each token, and what Controls noted.
Json knowledge_of(const Generated& answer) {
  Json tokens = Json::array(), entropies = Json::array();
  for (const double l : answer.logprobs) tokens.push_back(std::exp(l));
  for (const double e : answer.entropies) entropies.push_back(e);
  Json result{{"probability", stats::finite_or_null(std::exp(answer.logprob()))},
              {"token_probabilities", std::move(tokens)},
              {"entropies", std::move(entropies)}};
  for (const auto& [name, values] : answer.notes) {
    Json& list = result["notes"][name] = Json::array();
    for (const double value : values) list.push_back(stats::finite_or_null(value));
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

}  // namespace

Json knowledge_of_call(const Exchange& exchange, const Engine& engine) {
  Json ken{{"seed", exchange.asked[0].request->sampling.seed},
           {"compute", engine.compute() == nn::Compute::f32 ? "f32" : "fast"}};
  if (const Json steered = controls_of(exchange.call); !steered.empty()) ken["steered"] = steered;
  return ken;
}

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

std::string_view message_text(const Exchange& exchange, const Setup& setup, std::string_view text) {
  if (!exchange.chat || setup.chat) return text;
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

}  // namespace ken::server
