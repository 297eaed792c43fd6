#include "ken/generate/conversation.h"

#include <algorithm>

#include "ken/base/error.h"

namespace ken::generate {

Conversation::Conversation(const model::Model& model, std::shared_ptr<const data::Chat> chat,
                           ConversationOptions options)
    : model_(model),
      chat_(std::move(chat)),
      options_(std::move(options)),
      scheduler_(model, {.compute = options_.compute, .keep_tokens = model.config.context}) {
  reset();
}

void Conversation::reset() {
  messages_.clear();
  written_.clear();
  if (chat_ && !options_.system.empty()) messages_.push_back({"system", options_.system});
}

Request Conversation::request(const std::string& text) const {
  Request request{.sampling = options_.sampling, .key = turns_};
  if (!chat_) {
    request.prompt.text = written_ + text;
    request.tokens = prompt_ids(model_, request.prompt.text, nullptr);
    return request;
  }
  std::vector<data::Message> messages = messages_;
  messages.push_back({"user", text});
  request.prompt = {chat_->render(messages, {.thinking = true, .today = true}), "", chat_->tokens()};
  request.tokens = prompt_ids(model_, request.prompt.text, chat_->tokens().get());
  request.ends = chat_->ends();
  request.stop = chat_->stops();
  return request;
}

Turn Conversation::say(const std::string& text, const std::function<void(const std::string&)>& on_text,
                       const std::function<bool()>& interrupted) {
  if (text.empty()) fail_usage("chat", "nothing was said");
  Request next = request(text);
  const int64_t length = int64_t(next.tokens.size()), room = context() - length;
  if (room < 1)
    fail("chat", "the conversation has {} tokens with this, but the model's context holds {}; say less, or begin anew",
         length, context());
  next.max_tokens = std::min(options_.max_tokens, room);
  if (on_text) next.on_text = [&on_text](const Piece& piece) { on_text(piece.text); };
  Turn turn;
  turn.answer = generate::generate(scheduler_, {next}, {.interrupted = interrupted})[0][0];
  turn.read = length - turn.answer.reused;
  turn.used = length + int64_t(turn.answer.tokens.size());
  ++turns_;
  if (!chat_) {
    written_ += text + model_.tokenizer->decode(turn.answer.tokens);
  } else if (!turn.answer.text.empty()) {
    messages_.push_back({"user", text});
    messages_.push_back({"assistant", turn.answer.text});
  }
  return turn;
}

}  // namespace ken::generate
