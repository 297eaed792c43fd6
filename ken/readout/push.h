// What is added to a model's stream, where and when: control vectors, probes' directions, or several vectors in a
// steering request. Shared by the control `vector` and whoever takes requests.
#pragma once
#include <optional>
#include <set>
#include <vector>

#include "ken/base/json.h"
#include "ken/model/taps.h"
#include "ken/readout/control_vector.h"

namespace ken::readout {

// Which rows of one phase: none, all, or those of these tokens or positions.
struct Trigger {
  bool all = false;
  std::set<int64_t> tokens = {}, positions = {};  // positions < 0 count from the prompt's end
  bool none() const { return !all && tokens.empty() && positions.empty(); }
};

// One vector as it is applied.
struct Push {
  ControlVector vector;
  std::string operation = "add";
  double strength = 1, above = -2;
  bool keep_norm = false, bos = false;
  Trigger prompt, decode;
};

// "4..8+11": ranges of whole numbers, both ends included; empty for an empty text.
std::vector<std::pair<int64_t, int64_t>> ranges_of(const std::string& text);

// Which rows of a sequence a push applies to.
struct PushedRows {
  std::vector<int32_t> prompt;                           // its tokens, as far as they are known
  const std::vector<int32_t>* chosen = nullptr;          // and what was decoded behind them
  bool has_bos = false;                                  // the first one is BOS
  std::vector<std::pair<int64_t, int64_t>> window = {};  // not empty: only these positions; < 0 from the prompt's end
  std::optional<int32_t> token = {};                     // set: only rows of this token
  bool applies(const Push& push, model::Phase phase, int64_t position) const;
};

// A control vector (GGUF), or linear probes of one place (safetensors), each of length 1.
ControlVector read_directions(const std::string& path);

// A steering request as EasySteer takes it: {path, scale, target_layers, prefill_trigger_tokens,
// prefill_trigger_positions, generate_trigger_tokens, normalize}, or several under `vector_configs`. [-1] as tokens
// means all of that phase; a request that names none is refused. Paths are opened: never pass on what a stranger sent.
std::vector<Push> read_request(const Json& request);

}  // namespace ken::readout
