// From a call to what the engine is asked: prompts through the model's template or its own form, documents beside them.
#pragma once
#include "ken/generate/generate.h"
#include "ken/server/setup.h"

namespace ken::server {

struct Asked {
  std::shared_ptr<generate::Request> request;
  std::vector<int32_t> tokens;    // of the prompt
  std::string question, passage;  // the question alone; the documents, joined
};

// Errors: CallError where the call cannot be done with this model (a token that it does not have, a prompt that does
// not fit its context).
std::vector<Asked> completion_requests(const io::Call& call, const model::Model& model, const Setup& setup);
Asked chat_request(const io::Call& call, const model::Model& model, const Setup& setup);

// Tokens of a prompt that stands alone: an embedding's.
std::vector<int32_t> prompt_tokens(const io::CallPrompt& prompt, const model::Model& model, const std::string& field);

}  // namespace ken::server
