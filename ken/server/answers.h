// What the server answers, apart from HTTP: OpenAI's routes, ken's own, and what they say of themselves.
#pragma once
#include "ken/server/answering.h"

namespace ken::server {

class Answers {
 public:
  Answers(Engine& engine, Setup setup) : engine_(engine), setup_(std::move(setup)) {}
  // Never throws: what is wrong is said in the reply.
  Reply operator()(const HttpRequest& request) const;

 private:
  Reply route(const HttpRequest& request) const;
  Exchange completion_exchange(const Json& body) const;
  Exchange chat_exchange(const Json& body) const;
  Exchange exchange_of(const Json& body) const;  // of a chat where it holds messages
  Reply completions(const Json& body) const;
  Reply chat(const Json& body) const;
  Reply lens(const Json& body) const;
  Reply samples(const Json& body) const;
  Reply embeddings(const Json& body) const;
  Reply tokenize(const Json& body) const;
  Reply detokenize(const Json& body) const;
  Reply metrics() const;
  Reply answer(Exchange exchange) const;
  Json model_card() const;
  Json tokenizer_info() const;
  void check_model(const std::string& name) const;

  Engine& engine_;
  const Setup setup_;
};

}  // namespace ken::server
