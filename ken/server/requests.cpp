#include "ken/server/requests.h"

#include <random>

#include "ken/base/error.h"
#include "ken/evidence/source.h"
#include "ken/server/controls.h"

namespace ken::server {
namespace {

using generate::Request;

std::string joined(const std::vector<std::string>& documents) {
  return fmt::format("{}", fmt::join(documents, "\n\n"));
}

std::string beside(const std::string& passage, const std::string& instruction, const std::string& text) {
  return passage + "\n\n" + (instruction.empty() ? "" : instruction + "\n") + text;
}

// The seed of a call that names none is drawn, and told with the answer.
uint64_t seed_of(const io::Call& call) {
  if (call.seed) return *call.seed;
  std::random_device device;
  return device();
}

// What is the same for every prompt of a call.
Request common_request(const io::Call& call, const model::Model& model, const Setup& setup) {
  Request request;
  request.sampling = {.temperature = call.temperature,
                      .top_k = call.top_k,
                      .top_p = call.top_p,
                      .min_p = call.min_p,
                      .seed = seed_of(call)};
  request.samples = call.best_of;
  request.stop = call.stop;
  request.ignore_eos = call.ignore_eos;
  request.alternatives = call.logprobs ? std::max<int64_t>(1, call.top_logprobs) : 0;
  request.controls = controls_from(call, model, setup);
  return request;
}

// The prompt with room behind it. `asked`: no more than this many tokens; without it, as many as fit up to `usual`.
void set_length(Asked& asked, const io::Call& call, int64_t usual, const model::Model& model, const Setup& setup) {
  const int64_t read = int64_t(asked.tokens.size()), room = model.config.context - read;
  if (room < 1 || (call.max_tokens && *call.max_tokens > room))
    io::fail_call("max_tokens", "the prompt has {} tokens and {} more are asked for; the model's context holds {}",
                  read, call.max_tokens.value_or(1), model.config.context);
  if (call.max_tokens && *call.max_tokens > setup.max_tokens)
    io::fail_call("max_tokens", "{} is more than the {} that this server gives", *call.max_tokens, setup.max_tokens);
  asked.request->max_tokens = std::max<int64_t>(1, call.max_tokens.value_or(std::min({usual, room, setup.max_tokens})));
}

std::vector<data::Message> messages_of(const io::Call& call) {
  std::vector<data::Message> messages;
  for (const auto& m : call.messages) messages.push_back({m.role, m.content});
  return messages;
}

size_t last_question(const io::Call& call) {
  size_t last = call.messages.size();
  for (size_t i = 0; i < call.messages.size(); ++i)
    if (call.messages[i].role == "user") last = i;
  if (last == call.messages.size()) io::fail_call("messages", "no message of a user");
  return last;
}

// Through the model's template; documents stand before the last question.
void render_chat(Asked& asked, const io::Call& call, const Setup& setup) {
  const auto messages = messages_of(call);
  const size_t last = last_question(call);
  const auto render = [chat = setup.chat, messages, last,
                       instruction = call.ken.instruction](const std::string& passage) {
    auto shown = messages;
    if (!passage.empty()) shown[last].content = beside(passage, instruction, shown[last].content);
    return chat->render(shown, {.today = true});
  };
  asked.request->prompt = {render(asked.passage), asked.passage.empty() ? "" : render(""), setup.chat->tokens()};
  asked.request->prompt.question = asked.question = messages[last].content;
  asked.request->prompt.beside = render;
  if (!call.ignore_eos) asked.request->ends = setup.chat->ends();
  const auto& stops = setup.chat->stops();
  asked.request->stop.insert(asked.request->stop.end(), stops.begin(), stops.end());
}

// A model without a template is asked in its own form, one question at a time.
void ask_plainly(Asked& asked, const io::Call& call, const Setup& setup) {
  if (call.messages.size() != 1)
    io::fail_call("messages",
                  "{} has no chat template, so that one question is asked at a time, without a system message",
                  setup.name);
  asked.question = call.messages[last_question(call)].content;
  if (asked.question.empty()) io::fail_call("messages[0].content", "empty; give at least one word");
  const Request plain = evidence::question_request(asked.question, asked.passage, call.ken.instruction, setup.style);
  asked.request->prompt = plain.prompt;
  if (!call.ignore_eos) asked.request->ends = plain.ends;
  asked.request->stop.insert(asked.request->stop.end(), plain.stop.begin(), plain.stop.end());
}

}  // namespace

std::vector<int32_t> prompt_tokens(const io::CallPrompt& prompt, const model::Model& model, const std::string& field) {
  if (prompt.tokens.empty()) return model::prompt_ids(model, prompt.text);
  for (const int32_t token : prompt.tokens)
    if (token >= model.config.vocab)
      io::fail_call(field, "token {} is outside the vocabulary of {}", token, model.config.vocab);
  return prompt.tokens;
}

std::vector<Asked> completion_requests(const io::Call& call, const model::Model& model, const Setup& setup) {
  constexpr int64_t usual = 16;  // OpenAI's
  const Request common = common_request(call, model, setup);
  const std::string passage = joined(call.ken.documents);
  std::vector<Asked> all;
  for (const auto& prompt : call.prompts) {
    Asked asked{std::make_shared<Request>(common), {}, prompt.text, passage};
    asked.request->key = all.size();
    if (!passage.empty() && !prompt.tokens.empty())
      io::fail_call("ken.context", "documents stand before a text, not before tokens");
    const auto render = [text = prompt.text, instruction = call.ken.instruction](const std::string& shown) {
      return shown.empty() ? text : beside(shown, instruction, text);
    };
    asked.tokens = prompt_tokens({render(passage), prompt.tokens}, model, "prompt");
    asked.request->prompt = {prompt.tokens.empty() ? render(passage) : "", passage.empty() ? "" : prompt.text};
    if (prompt.tokens.empty()) {
      asked.request->prompt.question = prompt.text;
      asked.request->prompt.beside = render;
    }
    asked.request->tokens = prompt.tokens;
    set_length(asked, call, usual, model, setup);
    all.push_back(std::move(asked));
  }
  return all;
}

Asked chat_request(const io::Call& call, const model::Model& model, const Setup& setup) {
  Asked asked{std::make_shared<Request>(common_request(call, model, setup)), {}, "", joined(call.ken.documents)};
  setup.chat ? render_chat(asked, call, setup) : ask_plainly(asked, call, setup);
  asked.tokens = generate::prompt_ids(model, asked.request->prompt.text, asked.request->prompt.chat.get());
  set_length(asked, call, setup.chat ? setup.max_tokens : setup.style.max_tokens, model, setup);
  return asked;
}

}  // namespace ken::server
