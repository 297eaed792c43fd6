// From requests to the JSON of their answers: at once or as a stream of chunks, with what ken knows about them.
#pragma once
#include "ken/server/controls.h"
#include "ken/server/engine.h"
#include "ken/server/http.h"
#include "ken/server/requests.h"

namespace ken::server {

// How often a connection that waits looks whether its client is still there.
constexpr std::chrono::milliseconds look_up{200};

// A call with what it asks the engine.
struct Exchange {
  Engine::Place place;
  io::Call call;
  bool chat = false;
  bool greedy = false;  // the call names no temperature: it may be taken as 0 where confidence is wanted
  std::vector<Asked> asked;
  std::function<bool()> gone = {};  // whether the client has left
  bool has_left() const { return gone && gone(); }
};

// Errors: Busy; what the engine or the model say.
Reply answer_whole(Engine& engine, const Setup& setup, Exchange exchange);
Reply answer_streaming(Engine& engine, const Setup& setup, Exchange exchange);
// Where confidence, source or a calibration is asked for: the greedy answer, with evidence gathered about it.
bool wants_evidence(const Exchange& exchange);
Reply answer_measured(Engine& engine, const Setup& setup, Exchange exchange);

// What an exception means for the client: a status, and a message with OpenAI's fields.
struct Failure {
  int status;
  Json json;
};
Failure failure_of(const std::exception_ptr& error);

// The results of an exchange's only request, waited for.
std::vector<generate::Generated> compute_only(Engine& engine, const Exchange& exchange);

std::string new_id(const char* prefix);

}  // namespace ken::server
