#include "ken/server/answers.h"

#include "ken/base/error.h"
#include "ken/readout/collect.h"
#include "ken/server/answering.h"
#include "ken/server/catalog.h"
#include "ken/server/looking.h"
#include "ken/server/openai.h"
#include "ken/server/page.h"

namespace ken::server {
namespace {

Reply reply(const Json& json) { return {.body = dumped(json)}; }

Reply refusal(int status, const std::string& message, const char* type) {
  return {.status = status, .body = dumped(error_json(message, type, nullptr, status))};
}

// Mean of the last layer's states after the final norm, of length 1.
std::vector<float> embedding(const model::Model& model, const std::vector<int32_t>& tokens, nn::Compute compute) {
  const at::NoGradGuard no_gradients;
  const model::Batch batch = model::pack({{tokens}}, model.config.vocab);
  at::Tensor mean = model::forward(model, batch, {.compute = compute, .logits = model::ForwardOptions::Logits::none})
                        .hidden.to(at::kCPU, at::kFloat)
                        .mean(0);
  mean = (mean / mean.norm().clamp_min(1e-12)).contiguous();
  return {mean.data_ptr<float>(), mean.data_ptr<float>() + mean.numel()};
}

std::vector<int32_t> ids_from(const Json& body, const model::Model& model) {
  const auto found = body.find("tokens");
  if (found == body.end() || !found->is_array()) io::fail_call("tokens", "not a list of token ids");
  std::vector<int32_t> ids;
  for (const Json& id : *found) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= model.config.vocab)
      throw io::CallError("tokens",
                          fmt::format("tokens[{}]: {} is no token of {}", ids.size(), dumped(id), model.config.vocab));
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

}  // namespace

Reply Answers::operator()(const HttpRequest& request) const {
  try {
    return route(request);
  } catch (...) {
    const Failure failure = failure_of(std::current_exception());
    Reply reply{.status = failure.status, .body = dumped(failure.json)};
    if (failure.status == 429 || failure.status == 503) reply.headers.push_back({"Retry-After", "1"});
    return reply;
  }
}

Reply Answers::route(const HttpRequest& request) const {
  const std::string& path = request.path;
  if (request.method == "GET") {
    if (path == "/") return {.type = "text/html; charset=utf-8", .body = std::string(workbench_page())};
    if (path == "/health") return reply({{"status", "ok"}});
    if (path == "/metrics") return metrics();
    if (path == "/v1/models") return reply({{"object", "list"}, {"data", Json::array({model_card()})}});
    if (path == "/v1/models/" + setup_.name) return reply(model_card());
    if (path == "/tokenizer_info") return reply(tokenizer_info());
    if (path == "/ken/methods") return reply(method_list());
    if (path == "/openapi.json") return reply(openapi(setup_.name));
    return refusal(404, fmt::format("no such page: {}; GET /openapi.json lists what there is", path),
                   "not_found_error");
  }
  using Answer = Reply (Answers::*)(const Posted&) const;
  static const std::map<std::string, Answer> routes{
      {"/v1/completions", &Answers::completions}, {"/v1/chat/completions", &Answers::chat},
      {"/v1/embeddings", &Answers::embeddings},   {"/tokenize", &Answers::tokenize},
      {"/detokenize", &Answers::detokenize},      {"/ken/lens", &Answers::lens},
      {"/ken/samples", &Answers::samples}};
  if (const auto found = routes.find(path); found != routes.end())
    return (this->*found->second)({io::call_body(request.body), request.gone});
  if (const auto method = find_method(path))
    return answer(exchange_of({with_method(io::call_body(request.body), *method), request.gone}));
  return refusal(404, fmt::format("no such route: POST {}; GET /openapi.json lists what there is", path),
                 "not_found_error");
}

void Answers::check_model(const std::string& name) const {
  if (!name.empty() && name != setup_.name)
    io::fail_call("model", "\"{}\" is not served here; \"{}\" is", name, setup_.name);
}

Json Answers::model_card() const {
  return {{"id", setup_.name},
          {"object", "model"},
          {"created", setup_.started},
          {"owned_by", "ken"},
          {"max_model_len", engine_.model().config.context},
          {"ken",
           {{"sha256", engine_.model().sha256()},
            {"chat_template", setup_.chat != nullptr},
            {"calibrated", setup_.calibration.has_value()},
            {"n_layers", engine_.model().config.n_layers},
            {"d_model", engine_.model().config.d_model},
            {"vocab", engine_.model().config.vocab}}}};
}

Exchange Answers::completion_exchange(const Posted& posted) const {
  Exchange exchange{.place = engine_.enter(),
                    .call = io::completion_call(posted.body, setup_.limits),
                    .greedy = !posted.body.contains("temperature"),
                    .gone = posted.gone};
  check_model(exchange.call.model);
  if (exchange.call.max_tokens == 0 && !exchange.call.echo)
    io::fail_call("max_tokens", "0 makes sense with echo alone");
  exchange.asked = completion_requests(exchange.call, engine_.model(), setup_);
  return exchange;
}

Exchange Answers::chat_exchange(const Posted& posted) const {
  Exchange exchange{.place = engine_.enter(),
                    .call = io::chat_call(posted.body, setup_.limits),
                    .chat = true,
                    .greedy = !posted.body.contains("temperature"),
                    .gone = posted.gone};
  check_model(exchange.call.model);
  if (exchange.call.max_tokens == 0) io::fail_call("max_tokens", "0; an answer needs one at least");
  exchange.asked.push_back(chat_request(exchange.call, engine_.model(), setup_));
  return exchange;
}

Exchange Answers::exchange_of(const Posted& posted) const {
  return posted.body.contains("messages") ? chat_exchange(posted) : completion_exchange(posted);
}

Reply Answers::completions(const Posted& posted) const { return answer(completion_exchange(posted)); }
Reply Answers::chat(const Posted& posted) const { return answer(chat_exchange(posted)); }
Reply Answers::lens(const Posted& posted) const {
  return reply(look_inside(engine_, setup_, exchange_of(posted), posted.body.value("params", Json::object())));
}
Reply Answers::samples(const Posted& posted) const {
  return reply(look_at_samples(engine_, setup_, exchange_of(posted), posted.body.value("params", Json::object())));
}

Reply Answers::answer(Exchange exchange) const {
  if (wants_evidence(exchange)) return answer_measured(engine_, setup_, std::move(exchange));
  if (exchange.call.stream) return answer_streaming(engine_, setup_, std::move(exchange));
  return answer_whole(engine_, setup_, std::move(exchange));
}

Reply Answers::embeddings(const Posted& posted) const {
  const io::Call call = io::embedding_call(posted.body, setup_.limits);
  check_model(call.model);
  std::vector<std::vector<int32_t>> prompts;
  size_t read = 0;
  for (const auto& prompt : call.prompts) {
    prompts.push_back(prompt_tokens(prompt, engine_.model(), "input"));
    read += prompts.back().size();
    if (int64_t(prompts.back().size()) > engine_.model().config.context)
      io::fail_call("input", "{} tokens; the model's context holds {}", prompts.back().size(),
                    engine_.model().config.context);
  }
  Json data = Json::array();
  const auto place = engine_.enter();
  // One text at a time, so that answers are not kept waiting.
  for (const auto& prompt : prompts) {
    if (posted.gone && posted.gone()) break;
    std::vector<float> values;
    engine_.run(place, [&] { values = embedding(engine_.model(), prompt, engine_.compute()); });
    Json vector = call.encoding == "base64" ? Json(base64(std::as_bytes(std::span(values)))) : Json(values);
    data.push_back({{"object", "embedding"}, {"index", data.size()}, {"embedding", std::move(vector)}});
  }
  return reply({{"object", "list"},
                {"data", std::move(data)},
                {"model", setup_.name},
                {"usage", {{"prompt_tokens", read}, {"total_tokens", read}}}});
}

// As vLLM's: {"prompt": text} or {"messages": [...]}, and back.
Reply Answers::tokenize(const Posted& posted) const {
  const Json& body = posted.body;
  std::vector<int32_t> ids;
  if (body.contains("messages")) {
    const io::Call call = io::chat_call(body, setup_.limits);
    ids = chat_request(call, engine_.model(), setup_).tokens;
  } else {
    const auto found = body.find("prompt");
    if (found == body.end() || !found->is_string()) io::fail_call("prompt", "not a text");
    const auto text = found->get<std::string>();
    const bool special = body.value("add_special_tokens", Json(true)) != false;
    ids = special ? model::prompt_ids(engine_.model(), text) : engine_.model().tokenizer->encode(text);
  }
  Json texts = Json::array();
  for (const int32_t id : ids) texts.push_back(token_text(*engine_.model().tokenizer, id));
  return reply({{"tokens", ids},
                {"token_strs", texts},
                {"count", ids.size()},
                {"max_model_len", engine_.model().config.context}});
}

Reply Answers::detokenize(const Posted& posted) const {
  return reply({{"prompt", engine_.model().tokenizer->decode(ids_from(posted.body, engine_.model()))}});
}

Json Answers::tokenizer_info() const {
  const auto& tokenizer = *engine_.model().tokenizer;
  const auto piece = [&](const std::optional<int32_t>& id) {
    return id ? Json(tokenizer.pieces[size_t(*id)]) : Json(nullptr);
  };
  const auto& metadata = engine_.model().metadata;
  const std::string source = metadata.text("tokenizer.chat_template", "");
  return {{"vocab_size", tokenizer.vocab_size()},
          {"bos_token", piece(tokenizer.bos)},
          {"eos_token", piece(tokenizer.eos)},
          {"unk_token", piece(tokenizer.unk)},
          {"bos_token_id", tokenizer.bos ? Json(*tokenizer.bos) : Json(nullptr)},
          {"eos_token_id", tokenizer.eos ? Json(*tokenizer.eos) : Json(nullptr)},
          {"add_bos_token", tokenizer.add_bos},
          {"model_max_length", engine_.model().config.context},
          {"chat_template", source.empty() ? Json(nullptr) : Json(source)}};
}

Reply Answers::metrics() const {
  const EngineFigures f = engine_.figures();
  std::string text;
  const auto add = [&](const char* name, const char* kind, const char* help, double value) {
    text += fmt::format("# HELP ken_{0} {2}\n# TYPE ken_{0} {1}\nken_{0} {3}\n", name, kind, help, value);
  };
  add("requests_in_flight", "gauge", "Requests under way or waiting.", double(f.requests));
  add("rows", "gauge", "Rows of the last pass.", double(f.rows));
  add("requests_waiting", "gauge", "Requests that wait for a place in a pass.", double(f.waiting));
  add("steps_total", "counter", "Passes over all rows.", double(f.steps));
  add("step_seconds_total", "counter", "Time spent in passes.", f.seconds);
  add("generated_tokens_total", "counter", "Tokens chosen.", double(f.generated_tokens));
  add("requests_done_total", "counter", "Requests answered to their end.", double(f.done));
  add("requests_failed_total", "counter", "Requests ended by an error.", double(f.failed));
  add("requests_cancelled_total", "counter", "Requests ended by their client or by the server's end.",
      double(f.cancelled));
  return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = text};
}

}  // namespace ken::server
