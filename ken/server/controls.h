// What a request changes while it is answered, as Controls: methods by name, biases, penalties, and what it captures.
#pragma once
#include "ken/generate/control.h"
#include "ken/server/setup.h"

namespace ken::server {

// Activations of one row, by the name of their point, a tensor for each pass.
struct Captured {
  size_t bytes = 0, most = 0;
  int64_t last = INT64_MAX;  // of the prompt's rows, only so many
  std::map<std::string, std::vector<at::Tensor>> rows = {};
};
// The rows of each point one after another, as a safetensors file in base64.
std::string encoded(const Captured& captured);
std::string base64(std::span<const std::byte> bytes);

// The Controls of a call in their order: steering, methods, biases, penalties. Errors: CallError or UsageError, for an
// unknown name, a parameter that would open a file, or one that is a free text.
std::vector<generate::ControlSpec> controls_from(const io::Call& call, const model::Model& model, const Setup& setup);
generate::ControlSpec capturing(const std::vector<std::string>& points, const model::Model& model,
                                std::shared_ptr<Captured> captured);

// A method's parameters as a request may set them: numbers, switches, words from a list, and as `file` one of the
// operator's levers. A CallError names `field`.
struct SafeMethod {
  std::string id;
  Json params = Json::object();
};
SafeMethod parsed(const io::CallMethod& method);  // "cad:alpha=1" taken apart
Json safe_params(const SafeMethod& method, const Card& card, const std::string& field, const Setup& setup);

}  // namespace ken::server
