// What the server answers, apart from HTTP: OpenAI's routes, ken's own, and what they say of themselves.
#pragma once
#include "ken/server/answering.h"

namespace ken::server {

// A request's body, and who sent it.
struct Posted {
  Json body;
  std::function<bool()> gone;
};

class Answers {
 public:
  Answers(Engine& engine, Setup setup) : engine_(engine), setup_(std::move(setup)) {}
  // Never throws: what is wrong is said in the reply.
  Reply operator()(const HttpRequest& request) const;

 private:
  Reply route(const HttpRequest& request) const;
  Exchange completion_exchange(const Posted& posted) const;
  Exchange chat_exchange(const Posted& posted) const;
  Exchange exchange_of(const Posted& posted) const;  // of a chat where it holds messages
  Reply completions(const Posted& posted) const;
  Reply chat(const Posted& posted) const;
  Reply lens(const Posted& posted) const;
  Reply samples(const Posted& posted) const;
  Reply embeddings(const Posted& posted) const;
  Reply tokenize(const Posted& posted) const;
  Reply detokenize(const Posted& posted) const;
  Reply metrics() const;
  Reply answer(Exchange exchange) const;
  Json model_card() const;
  Json tokenizer_info() const;
  void check_model(const std::string& name) const;

  Engine& engine_;
  const Setup setup_;
};

}  // namespace ken::server
