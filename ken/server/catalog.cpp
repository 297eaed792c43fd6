#include "ken/server/catalog.h"

#include "ken/evidence/evidence.h"
#include "ken/generate/control.h"
#include "ken/io/api_call.h"

namespace ken::server {
namespace {

constexpr const char* steer = "/ken/steer/";
constexpr const char* confidence = "/ken/confidence/";

// A parameter that names a file or a text cannot be set by a request, unless it is a lever's name.
bool settable(const Param& param) {
  return !param.standard.is_string() || !param.choices.empty() || param.name == "file";
}

Json param_json(const Param& param) {
  Json json{
      {"name", param.name}, {"default", param.standard}, {"meaning", param.meaning}, {"settable", settable(param)}};
  if (param.low > -1e300) json["minimum"] = param.low;
  if (param.high < 1e300) json["maximum"] = param.high;
  if (!param.choices.empty()) json["choices"] = param.choices;
  return json;
}

Json card_json(const MethodRoute& method, const std::string& route) {
  Json params = Json::array();
  for (const Param& param : method.card->params) params.push_back(param_json(param));
  Json json{{"id", method.card->id},
            {"kind", method.control ? "control" : "confidence"},
            {"route", route},
            {"title", method.card->title},
            {"paper", method.card->paper},
            {"sentence", method.card->sentence},
            {"params", params}};
  if (!method.card->direction.empty()) json["direction"] = method.card->direction;
  if (!method.card->null_setting.is_null()) json["null_setting"] = method.card->null_setting;
  return json;
}

template <typename Visit>
void each_method(const Visit& visit) {
  for (const auto* entry : Registry<generate::ControlEntry>::get().all())
    visit(MethodRoute{&entry->card, true}, steer + entry->card.id);
  for (const auto* entry : Registry<evidence::EstimatorEntry>::get().all())
    visit(MethodRoute{&entry->card, false}, confidence + entry->card.id);
}

Json schema_of(const Param& param) {
  Json schema{{"description", param.meaning}, {"default", param.standard}};
  schema["type"] = param.standard.is_boolean()          ? "boolean"
                   : param.standard.is_number_integer() ? "integer"
                   : param.standard.is_number()         ? "number"
                                                        : "string";
  if (param.low > -1e300) schema["minimum"] = param.low;
  if (param.high < 1e300) schema["maximum"] = param.high;
  if (!param.choices.empty()) schema["enum"] = param.choices;
  return schema;
}

Json operation(const std::string& summary, const std::string& description, Json schema) {
  Json json{{"summary", summary},
            {"responses",
             {{"200", {{"description", "done"}}},
              {"400", {{"description", "the request is wrong; error.param says where"}}}}}};
  if (!description.empty()) json["description"] = description;
  if (!schema.is_null())
    json["requestBody"] = {{"required", true}, {"content", {{"application/json", {{"schema", std::move(schema)}}}}}};
  return json;
}

// Either a completion's prompt or a chat's messages, and OpenAI's other fields.
Json body_schema(Json properties) {
  properties["messages"] = {{"type", "array"}, {"items", {{"type", "object"}}}};
  properties["prompt"] = {{"type", "string"}};
  properties["max_tokens"] = {{"type", "integer"}};
  properties["temperature"] = {{"type", "number"}};
  properties["stream"] = {{"type", "boolean"}};
  properties["ken"] = {{"$ref", "#/components/schemas/ken"}};
  return {{"type", "object"}, {"properties", std::move(properties)}};
}

Json ken_schema() {
  const Json text{{"type", "string"}};
  const auto list = [](Json items) { return Json{{"type", "array"}, {"items", std::move(items)}}; };
  const Json method{{"oneOf", {text, {{"type", "object"}, {"required", {"name"}}, {"properties", {{"name", text}}}}}}};
  return {{"type", "object"},
          {"additionalProperties", false},
          {"properties",
           {{"controls", list(method)},
            {"confidence", list(method)},
            {"capture", list(text)},
            {"context", list(text)},
            {"instruction", text},
            {"abstain_under", {{"type", "number"}, {"minimum", 0}, {"maximum", 1}}},
            {"source", {{"type", "boolean"}}},
            {"steering", {{"type", "object"}}}}}};
}

}  // namespace

std::optional<MethodRoute> find_method(const std::string& path) {
  std::optional<MethodRoute> found;
  each_method([&](const MethodRoute& method, const std::string& route) {
    if (route == path) found = method;
  });
  return found;
}

Json with_method(Json body, const MethodRoute& method) {
  Json named{{"name", method.card->id}};
  if (const auto params = body.find("params"); params != body.end()) {
    if (!params->is_object()) io::fail_call("params", "not an object");
    for (const auto& [key, value] : params->items()) named[key] = value;
    body.erase("params");
  }
  Json& ken = body["ken"];
  if (!ken.is_object()) ken = Json::object();
  Json& list = ken[method.control ? "controls" : "confidence"];
  if (!list.is_array()) list = list.is_null() ? Json::array() : Json::array({list});
  list.push_back(std::move(named));
  return body;
}

Json method_list() {
  Json data = Json::array();
  each_method([&](const MethodRoute& method, const std::string& route) { data.push_back(card_json(method, route)); });
  return {{"object", "list"}, {"data", std::move(data)}};
}

Json openapi(const std::string& model) {
  const Json any{{"type", "object"}};
  Json paths{
      {"/v1/models", {{"get", operation("The model that is served", "", nullptr)}}},
      {"/v1/completions",
       {{"post", operation("Complete a text or tokens", "OpenAI's API; echo and logprobs too.", body_schema({}))}}},
      {"/v1/chat/completions", {{"post", operation("Answer a conversation", "OpenAI's API.", body_schema({}))}}},
      {"/v1/embeddings", {{"post", operation("Mean states of texts, of length 1", "", any)}}},
      {"/tokenize", {{"post", operation("Tokens of a text or a conversation", "", any)}}},
      {"/detokenize", {{"post", operation("The text of tokens", "", any)}}},
      {"/tokenizer_info", {{"get", operation("The vocabulary's special tokens and chat template", "", nullptr)}}},
      {"/ken/lens",
       {{"post", operation("What each layer would say while the model answers", "", body_schema({{"params", any}}))}}},
      {"/ken/samples",
       {{"post", operation("Sampled answers, grouped by meaning", "", body_schema({{"params", any}}))}}},
      {"/ken/methods", {{"get", operation("Every method that a request can name", "", nullptr)}}},
      {"/health", {{"get", operation("Whether the server lives", "", nullptr)}}},
      {"/metrics", {{"get", operation("Figures for Prometheus", "", nullptr)}}}};
  each_method([&](const MethodRoute& method, const std::string& route) {
    Json params = Json::object();
    for (const Param& param : method.card->params)
      if (settable(param)) params[param.name] = schema_of(param);
    paths[route] = {
        {"post", operation(method.card->title, method.card->sentence,
                           body_schema({{"params", {{"type", "object"}, {"properties", std::move(params)}}}}))}};
  });
  return {{"openapi", "3.1.0"},
          {"info", {{"title", "ken serving " + model}, {"version", KEN_VERSION}}},
          {"paths", std::move(paths)},
          {"components", {{"schemas", {{"ken", ken_schema()}}}}}};
}

}  // namespace ken::server
