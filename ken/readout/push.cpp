#include "ken/readout/push.h"

#include <algorithm>
#include <charconv>

#include "ken/base/error.h"
#include "ken/io/tensors.h"
#include "ken/readout/probe.h"

namespace ken::readout {
namespace {

// Probes of one place as directions: their weights, at the layers of their points.
ControlVector from_probes(const std::string& path) {
  ControlVector vector;
  const auto probes = load_probes(path);
  for (const auto& probe : probes) {
    int64_t layer = -1;
    const size_t dot = probe.point.find('.', 7);
    if (!probe.hidden.empty() || !probe.point.starts_with("blocks.") || dot == std::string::npos) continue;
    std::from_chars(probe.point.data() + 7, probe.point.data() + dot, layer);
    if (probe.place != probes.front().place || layer < 0) continue;
    vector.point = probe.point.substr(dot + 1);
    vector.directions[layer] = probe.weight / probe.weight.norm().clamp_min(1e-12);
  }
  if (vector.directions.empty()) fail("vector", "{} holds no linear probe of a layer", path);
  return vector;
}

std::set<int64_t> numbers_of(const Json& request, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const Json value = request.value(name, Json());
    if (value.is_null()) continue;
    std::set<int64_t> result;
    if (!value.is_array()) fail_usage("vector", "'{}' must be a list of numbers; it is {}", name, value.dump());
    for (const Json& v : value) {
      if (!v.is_number_integer()) fail_usage("vector", "'{}' must hold whole numbers; it holds {}", name, v.dump());
      result.insert(v.get<int64_t>());
    }
    return result;
  }
  return {};
}

// One vector of an EasySteer request: [-1] as a trigger means every token of the phase.
Push from_request(const Json& r) {
  const std::string algorithm = r.value("algorithm", std::string("direct"));
  if (algorithm != "direct") fail_usage("vector", "algorithm '{}' is no control vector; only 'direct' is", algorithm);
  const std::string path = r.value("path", r.value("steer_vector_local_path", std::string()));
  if (path.empty()) fail_usage("vector", "a steering request needs 'path': a .gguf control vector");
  Push push{read_directions(path)};
  push.strength = r.value("scale", 1.0);
  push.keep_norm = r.value("normalize", false);
  push.bos = true;
  if (const auto layers = numbers_of(r, {"target_layers"}); !layers.empty())
    std::erase_if(push.vector.directions, [&](const auto& entry) { return layers.count(entry.first) == 0; });
  push.prompt = {false, numbers_of(r, {"prefill_trigger_tokens", "prefill_trigger_token_ids"}),
                 numbers_of(r, {"prefill_trigger_positions"})};
  push.decode = {false, numbers_of(r, {"generate_trigger_tokens", "generate_trigger_token_ids"}), {}};
  for (Trigger* trigger : {&push.prompt, &push.decode}) trigger->all = trigger->tokens.count(-1) > 0;
  if (push.prompt.none() && push.decode.none())
    fail_usage("vector", "the steering request of {} names no token; give prefill_trigger_tokens: [-1] for all", path);
  return push;
}

}  // namespace

bool PushedRows::applies(const Push& push, model::Phase phase, int64_t position) const {
  const auto n = int64_t(prompt.size());
  const auto read = [&] {  // -1: not known
    if (position < n) return prompt[size_t(position)];
    return chosen && position - n < int64_t(chosen->size()) ? (*chosen)[size_t(position - n)] : -1;
  };
  if (position == 0 && has_bos && !push.bos) return false;
  if (token && read() != *token) return false;
  const auto inside = [&](const auto& range) {
    const auto at = [n](int64_t end) { return end < 0 ? end + n : end; };
    return position >= at(range.first) && position <= at(range.second);
  };
  if (!window.empty() && std::none_of(window.begin(), window.end(), inside)) return false;
  const Trigger& t = phase == model::Phase::prefill ? push.prompt : push.decode;
  return t.all || t.positions.count(position) > 0 || t.positions.count(position - n) > 0 ||
         (!t.tokens.empty() && t.tokens.count(read()) > 0);
}

std::vector<std::pair<int64_t, int64_t>> ranges_of(const std::string& text) {
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('+', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const auto number = [&](const std::string& digits) {
      int64_t value = 0;
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (read.ec != std::errc() || read.ptr != digits.data() + digits.size())
        fail_usage("vector", "'{}' is no list such as 4..8+11", text);
      return value;
    };
    const size_t dots = part.find("..");
    const int64_t first = number(part.substr(0, dots));
    ranges.emplace_back(first, dots == std::string::npos ? first : number(part.substr(dots + 2)));
    begin = end + 1;
  }
  return ranges;
}

ControlVector read_directions(const std::string& path) {
  return io::open_tensors(path)->format == "gguf" ? load_control_vector(path) : from_probes(path);
}

std::vector<Push> read_request(const Json& request) try {
  if (!request.is_object()) fail_usage("vector", "a steering request must be a JSON object");
  if (!request.contains("vector_configs")) return {from_request(request)};
  const Json& several = request["vector_configs"];
  if (!several.is_array() || several.empty()) fail_usage("vector", "'vector_configs' must be a list of vectors");
  std::vector<Push> pushes;
  for (const Json& one : several) {
    if (!one.is_object()) fail_usage("vector", "'vector_configs' holds {}; an object is needed", one.dump());
    pushes.push_back(from_request(one));
  }
  return pushes;
} catch (const Json::exception& error) {
  fail_usage("vector", "a field of the steering request has the wrong type: {}", error.what());
}

}  // namespace ken::readout
