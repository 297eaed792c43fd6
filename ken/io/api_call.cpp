#include "ken/io/api_call.h"

#include <cmath>
#include <set>

#include <fmt/format.h>

namespace ken::io {
namespace {

// The fields of an object, by type. null is as good as absent: clients send it for what was not set.
class Fields {
 public:
  Fields(const Json& object, std::string path, const CallLimits& limits)
      : object_(object), path_(std::move(path)), limits_(limits) {
    if (!object.is_object()) fail_call(path_, "not an object");
  }
  const CallLimits& limits() const { return limits_; }
  std::string name(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  const Json* find(const std::string& key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  bool flag(const std::string& key, bool fallback) const {
    const Json* value = find(key);
    if (value && !value->is_boolean()) fail_call(name(key), "not true or false");
    return value ? value->get<bool>() : fallback;
  }
  double number(const std::string& key, double fallback, double least, double most) const {
    const Json* value = find(key);
    return value ? checked_number(*value, name(key), least, most) : fallback;
  }
  int64_t integer(const std::string& key, int64_t fallback, int64_t least, int64_t most) const {
    const Json* value = find(key);
    return value ? checked_integer(*value, name(key), least, most) : fallback;
  }
  std::string text(const std::string& key, const std::string& fallback = "") const {
    const Json* value = find(key);
    return value ? checked_text(*value, name(key)) : fallback;
  }
  // A list of texts; one text is a list of it.
  std::vector<std::string> texts(const std::string& key, int64_t most) const {
    const Json* value = find(key);
    if (!value) return {};
    if (value->is_string()) return {value->get<std::string>()};
    std::vector<std::string> result;
    for (const Json& one : list(*value, name(key), most))
      result.push_back(checked_text(one, fmt::format("{}[{}]", name(key), result.size())));
    return result;
  }

  static const Json& list(const Json& value, const std::string& field, int64_t most) {
    if (!value.is_array()) fail_call(field, "not a list");
    if (int64_t(value.size()) > most) fail_call(field, "{} entries, at most {} are taken", value.size(), most);
    return value;
  }
  static std::string checked_text(const Json& value, const std::string& field) {
    if (!value.is_string()) fail_call(field, "not a text");
    return value.get<std::string>();
  }
  static double checked_number(const Json& value, const std::string& field, double least, double most) {
    if (!value.is_number()) fail_call(field, "not a number");
    const double number = value.get<double>();
    if (!(number >= least && number <= most)) fail_call(field, "{} is not within {} to {}", number, least, most);
    return number;
  }
  static int64_t checked_integer(const Json& value, const std::string& field, int64_t least, int64_t most) {
    const double number = checked_number(value, field, double(least), double(most));
    if (number != std::floor(number)) fail_call(field, "{} is not a whole number", number);
    return value.is_number_integer() ? value.get<int64_t>() : int64_t(number);
  }

 private:
  const Json& object_;
  std::string path_;
  const CallLimits& limits_;
};

constexpr int64_t most_id = INT32_MAX;

std::vector<int32_t> token_ids(const Json& value, const std::string& field) {
  std::vector<int32_t> ids;
  ids.reserve(value.size());
  for (const Json& id : value)
    ids.push_back(int32_t(Fields::checked_integer(id, fmt::format("{}[{}]", field, ids.size()), 0, most_id)));
  if (ids.empty()) fail_call(field, "empty; give at least one token");
  return ids;
}

CallPrompt prompt_from(const Json& value, const std::string& field) {
  if (value.is_array()) return {"", token_ids(value, field)};
  CallPrompt prompt{Fields::checked_text(value, field), {}};
  if (prompt.text.empty()) fail_call(field, "empty; give at least one word");
  return prompt;
}

// A text, a list of token ids, or a list of either.
std::vector<CallPrompt> prompts_from(const Fields& fields, const std::string& key) {
  const Json* value = fields.find(key);
  if (!value) fail_call(fields.name(key), "missing");
  if (!value->is_array() || (!value->empty() && value->front().is_number())) return {prompt_from(*value, key)};
  if (value->empty()) fail_call(fields.name(key), "empty");
  std::vector<CallPrompt> prompts;
  for (const Json& one : Fields::list(*value, key, fields.limits().prompts))
    prompts.push_back(prompt_from(one, fmt::format("{}[{}]", key, prompts.size())));
  return prompts;
}

// A message's content: a text, or a list of parts of which only texts can be read.
std::string content_from(const Json& value, const std::string& field) {
  if (value.is_string()) return value.get<std::string>();
  std::string text;
  size_t i = 0;
  for (const Json& part : Fields::list(value, field, 4096)) {
    const std::string name = fmt::format("{}[{}]", field, i++);
    if (!part.is_object() || part.value("type", Json()) != "text")
      fail_call(name, "only parts of type \"text\" can be read");
    const auto found = part.find("text");
    if (found == part.end()) fail_call(name + ".text", "missing");
    text += Fields::checked_text(*found, name + ".text");
  }
  return text;
}

std::vector<CallMessage> messages_from(const Fields& fields) {
  const Json* value = fields.find("messages");
  if (!value) fail_call("messages", "missing");
  std::vector<CallMessage> messages;
  for (const Json& one : Fields::list(*value, "messages", fields.limits().messages)) {
    const std::string path = fmt::format("messages[{}]", messages.size());
    const Fields message(one, path, fields.limits());
    CallMessage result{message.text("role"), ""};
    if (result.role == "developer") result.role = "system";
    if (result.role != "system" && result.role != "user" && result.role != "assistant")
      fail_call(path + ".role", "\"{}\"; it is system, user or assistant", result.role);
    if (const Json* content = message.find("content"))
      result.content = content_from(*content, path + ".content");
    else if (result.role != "assistant")
      fail_call(path + ".content", "missing");
    messages.push_back(std::move(result));
  }
  if (messages.empty()) fail_call("messages", "empty");
  return messages;
}

std::map<int32_t, double> biases_from(const Fields& fields) {
  std::map<int32_t, double> biases;
  const Json* value = fields.find("logit_bias");
  if (!value) return biases;
  if (!value->is_object()) fail_call("logit_bias", "not an object of token ids and numbers");
  if (int64_t(value->size()) > fields.limits().biases)
    fail_call("logit_bias", "{} entries, at most {} are taken", value->size(), fields.limits().biases);
  for (const auto& [key, bias] : value->items()) {
    const bool digits = !key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) fail_call("logit_bias", "\"{}\" is no token id", key);
    biases[int32_t(std::stol(key))] = Fields::checked_number(bias, "logit_bias." + key, -100, 100);
  }
  return biases;
}

// "cad:alpha=1" is left to the method's own parser: the name holds all of it.
CallMethod method_from(const Json& value, const std::string& field) {
  if (value.is_string()) return {value.get<std::string>(), Json()};
  if (!value.is_object()) fail_call(field, "neither a text such as \"cad:alpha=1\" nor an object with a name");
  CallMethod method;
  for (const auto& [key, one] : value.items()) {
    if (key == "name")
      method.name = Fields::checked_text(one, field + ".name");
    else if (one.is_structured())
      fail_call(field + "." + key, "neither number, text, true nor false");
    else
      method.params[key] = one;
  }
  if (method.name.empty()) fail_call(field + ".name", "missing");
  return method;
}

std::vector<CallMethod> methods_from(const Fields& fields, const std::string& key, int64_t most) {
  std::vector<CallMethod> methods;
  const Json* value = fields.find(key);
  if (!value) return methods;
  if (!value->is_array()) return {method_from(*value, fields.name(key))};
  for (const Json& one : Fields::list(*value, fields.name(key), most))
    methods.push_back(method_from(one, fmt::format("{}[{}]", fields.name(key), methods.size())));
  return methods;
}

CallKnowledge knowledge_from(const Fields& fields) {
  CallKnowledge knowledge;
  if (const Json* steering = fields.find("steering")) knowledge.steering = *steering;
  const Json* value = fields.find("ken");
  if (!value) return knowledge;
  const Fields own(*value, "ken", fields.limits());
  static const std::set<std::string> known{"controls",    "confidence",    "capture", "context",
                                           "instruction", "abstain_under", "source",  "steering"};
  for (const auto& [key, unused] : value->items())
    if (!known.contains(key)) fail_call("ken." + key, "unknown; known are {}", fmt::join(known, ", "));
  knowledge.controls = methods_from(own, "controls", fields.limits().controls);
  knowledge.confidence = methods_from(own, "confidence", fields.limits().estimators);
  knowledge.capture = own.texts("capture", fields.limits().captures);
  knowledge.documents = own.texts("context", fields.limits().documents);
  knowledge.instruction = own.text("instruction");
  if (own.find("abstain_under")) knowledge.abstain_under = own.number("abstain_under", 0, 0, 1);
  if (const Json* steering = own.find("steering")) knowledge.steering = *steering;
  knowledge.source = own.flag("source", false);
  return knowledge;
}

void refuse(const Fields& fields, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const Json* value = fields.find(key); value && !(value->is_array() && value->empty()))
      fail_call(key, "cannot be done");
}

// What completions and chats have in common.
Call common_call(const Fields& fields) {
  const CallLimits& limits = fields.limits();
  refuse(fields, {"tools", "functions", "grammar", "suffix", "logits_processors"});
  if (const Json* format = fields.find("response_format"))
    if (!format->is_object() || format->value("type", Json()) != "text")
      fail_call("response_format", "only type \"text\" can be written");
  Call call;
  call.model = fields.text("model");
  call.user = fields.text("user");
  for (const char* key : {"max_tokens", "max_completion_tokens"})
    if (fields.find(key)) call.max_tokens = fields.integer(key, 0, 0, limits.max_tokens);
  call.n = fields.integer("n", 1, 1, limits.n);
  call.best_of = fields.integer("best_of", call.n, 1, limits.n);
  if (call.best_of < call.n) fail_call("best_of", "{} is less than n, {}", call.best_of, call.n);
  call.temperature = fields.number("temperature", 1, 0, 100);
  call.top_p = fields.number("top_p", 1, 1e-9, 1);
  call.min_p = fields.number("min_p", 0, 0, 1);
  call.top_k = std::max<int64_t>(0, fields.integer("top_k", 0, -1, most_id));
  call.presence_penalty = fields.number("presence_penalty", 0, -2, 2);
  call.frequency_penalty = fields.number("frequency_penalty", 0, -2, 2);
  if (fields.find("seed")) call.seed = uint64_t(fields.integer("seed", 0, -(int64_t{1} << 53), int64_t{1} << 53));
  call.stop = fields.texts("stop", limits.stops);
  for (const auto& stop : call.stop)
    if (stop.empty()) fail_call("stop", "an empty text stops everything");
  call.logit_bias = biases_from(fields);
  call.ignore_eos = fields.flag("ignore_eos", false);
  call.stream = fields.flag("stream", false);
  if (const Json* options = fields.find("stream_options"))
    call.usage = Fields(*options, "stream_options", limits).flag("include_usage", false);
  if (call.stream && call.best_of > call.n) fail_call("best_of", "cannot be streamed: the best is known at the end");
  call.ken = knowledge_from(fields);
  return call;
}

}  // namespace

Json call_body(const std::string& body) {
  Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded()) throw CallError("", "the body is not JSON");
  if (!json.is_object()) throw CallError("", "the body is no JSON object");
  return json;
}

Call completion_call(const Json& body, const CallLimits& limits) {
  const Fields fields(body, "", limits);
  Call call = common_call(fields);
  call.prompts = prompts_from(fields, "prompt");
  call.echo = fields.flag("echo", false);
  if (fields.find("logprobs")) {
    call.logprobs = true;
    call.top_logprobs = fields.integer("logprobs", 0, 0, limits.top_logprobs);
  }
  if (call.echo && call.stream) fail_call("echo", "cannot be streamed");
  if (int64_t(call.prompts.size()) * call.best_of > limits.prompts)
    fail_call("prompt", "{} prompts with {} answers each; at most {} answers are given", call.prompts.size(),
              call.best_of, limits.prompts);
  return call;
}

Call chat_call(const Json& body, const CallLimits& limits) {
  const Fields fields(body, "", limits);
  Call call = common_call(fields);
  call.messages = messages_from(fields);
  call.logprobs = fields.flag("logprobs", false);
  call.top_logprobs = fields.integer("top_logprobs", 0, 0, limits.top_logprobs);
  if (call.top_logprobs > 0 && !call.logprobs) fail_call("top_logprobs", "needs logprobs to be true");
  return call;
}

Call embedding_call(const Json& body, const CallLimits& limits) {
  const Fields fields(body, "", limits);
  Call call;
  call.model = fields.text("model");
  call.prompts = prompts_from(fields, "input");
  call.encoding = fields.text("encoding_format", "float");
  if (call.encoding != "float" && call.encoding != "base64")
    fail_call("encoding_format", "\"{}\"; it is float or base64", call.encoding);
  refuse(fields, {"dimensions"});
  return call;
}

int64_t call_integer(const Json& object, const std::string& path, const std::string& key, int64_t standard,
                     int64_t least, int64_t most) {
  return Fields(object, path, {}).integer(key, standard, least, most);
}

double call_number(const Json& object, const std::string& path, const std::string& key, double standard, double least,
                   double most) {
  return Fields(object, path, {}).number(key, standard, least, most);
}

}  // namespace ken::io
