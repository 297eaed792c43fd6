// The body of a request to the server, read and checked: OpenAI's fields, those that its clients and lm-evaluation-
// harness add, and ken's own under "ken". Nothing of a body is trusted: every field has a type and a range.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ken/base/error.h"
#include "ken/base/json.h"

namespace ken::io {

// A field that is wrong; `field` names it as the body does ("messages[2].content").
class CallError : public UsageError {
 public:
  CallError(std::string field, const std::string& what) : UsageError(what), field(std::move(field)) {}
  std::string field;
};

template <typename... Args>
[[noreturn]] void fail_call(const std::string& field, fmt::format_string<Args...> what, Args&&... args) {
  throw CallError(field, field + ": " + fmt::format(what, std::forward<Args>(args)...));
}

struct CallLimits {
  int64_t prompts = 2048, n = 128, stops = 16, biases = 1024, top_logprobs = 20, messages = 4096, max_tokens = 1 << 20;
  int64_t controls = 16, estimators = 16, captures = 64, documents = 64;
};

// A prompt as text, or as token ids.
struct CallPrompt {
  std::string text;
  std::vector<int32_t> tokens;
};

struct CallMessage {
  std::string role, content;
};

// One entry of an open set with its parameters: "cad:alpha=1" or {"name": "cad", "alpha": 1}.
struct CallMethod {
  std::string name;
  Json params = Json::object();
};

// What ken adds to a request.
struct CallKnowledge {
  std::vector<CallMethod> controls, confidence;
  std::vector<std::string> capture;    // names of tap points
  std::vector<std::string> documents;  // the passages to read beside the question, given apart
  std::string instruction;             // words between passages and question
  std::optional<double> abstain_under;
  Json steering;        // EasySteer's, if there is one
  bool source = false;  // say where the answer comes from
};

struct Call {
  std::string model, user;
  std::vector<CallPrompt> prompts;    // of a completion, an embedding
  std::vector<CallMessage> messages;  // of a chat
  std::optional<int64_t> max_tokens;
  int64_t n = 1, best_of = 1, top_k = 0;
  double temperature = 1, top_p = 1, min_p = 0, presence_penalty = 0, frequency_penalty = 0;
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;
  std::map<int32_t, double> logit_bias;
  bool stream = false, usage = false, echo = false;
  bool ignore_eos = false;         // no token ends the text
  bool logprobs = false;           // of each token
  int64_t top_logprobs = 0;        // of the likeliest tokens at each place
  std::string encoding = "float";  // of embeddings
  CallKnowledge ken;
};

// The body as a JSON object. CallError: it is none.
Json call_body(const std::string& body);

// CallError: a field is missing, of another type, out of range, or one that cannot be done.
Call completion_call(const Json& body, const CallLimits& limits);
Call chat_call(const Json& body, const CallLimits& limits);
Call embedding_call(const Json& body, const CallLimits& limits);
// A whole number of `object`, which stands at `path` in the body; `standard` where there is none.
int64_t call_integer(const Json& object, const std::string& path, const std::string& key, int64_t standard,
                     int64_t least, int64_t most);
double call_number(const Json& object, const std::string& path, const std::string& key, double standard, double least,
                   double most);

}  // namespace ken::io
