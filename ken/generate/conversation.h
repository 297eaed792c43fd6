// A conversation with a model: messages through its template, or a text that is written on, with the keys and values of
// what was read kept from turn to turn.
#pragma once
#include "ken/data/chat.h"
#include "ken/generate/scheduler.h"

namespace ken::generate {

struct ConversationOptions {
  std::string system;  // of a chat; empty: none
  Sampling sampling;
  int64_t max_tokens = 512;  // of an answer
  nn::Compute compute = nn::Compute::fast;
};

struct Turn {
  Generated answer;
  int64_t read = 0;  // tokens that were computed anew before the answer began
  int64_t used = 0;  // tokens of the conversation so far, the answer included
};

class Conversation {
 public:
  // Without `chat` what is said is put behind the text so far, and the model writes on.
  Conversation(const model::Model& model, std::shared_ptr<const data::Chat> chat, ConversationOptions options);

  // Errors: nothing was said, or the conversation does not fit the model's context any more (it is as before then).
  // `interrupted` is asked before each token; an answer that it ends stays in the conversation as far as it came.
  Turn say(const std::string& text, const std::function<void(const std::string&)>& on_text = {},
           const std::function<bool()>& interrupted = {});
  void reset();  // forgets what was said
  int64_t context() const { return model_.config.context; }

 private:
  Request request(const std::string& text) const;
  const model::Model& model_;
  std::shared_ptr<const data::Chat> chat_;
  ConversationOptions options_;
  std::vector<data::Message> messages_;
  std::string written_;  // without a chat
  uint64_t turns_ = 0;
  Scheduler scheduler_;
};

}  // namespace ken::generate
