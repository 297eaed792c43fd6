// A Control is one influence on a generation. Several compose: each combines what the one before it left.
#pragma once
#include "ken/base/registry.h"
#include "ken/model/model.h"
#include "ken/text/chat_tokens.h"

namespace ken::generate {

using at::Tensor;

// What is asked, kept in parts so that a Control can ask for the same question without its passage.
struct Prompt {
  std::string text;             // what the model reads
  std::string without_context;  // the same without the passage; empty where there was none
  // Set: the texts, a Control's own included, are rendered chats in which special tokens are read (guarded texts).
  std::shared_ptr<const text::ChatTokens> chat = {};
};

// One decoding step of one row: its streams' next-token logits, f32 [vocab] each.
struct Step {
  Tensor logits;              // of the main stream, after the Controls before this one
  std::vector<Tensor> twins;  // of this Control's twins, in the order it asked for them
  int64_t index = 0;          // tokens chosen so far
  const std::vector<int32_t>* chosen = nullptr;
  bool finish = false;  // set: the row ends before another token is chosen
  // What Controls read of this step, by name; Generated keeps one number a token. Nothing goes by it.
  std::map<std::string, double> notes = {};
};

class Control {
 public:
  virtual ~Control() = default;
  virtual void rewrite(Prompt&) {}
  // Extra streams by their prompts. Each has its own cache and positions; the chosen token is appended to all.
  virtual std::vector<std::string> twins(const Prompt&) { return {}; }
  // Taps on the main stream's rows (`sequences` is filled in by the loop).
  virtual std::vector<model::Tap> taps() { return {}; }
  virtual bool taps_all_streams() const { return false; }
  // New logits for the step; the default changes nothing.
  virtual Tensor combine(Step& step) { return step.logits; }
};

struct ControlEntry {
  Card card;
  std::unique_ptr<Control> (*make)(const Json& params);  // params are complete and checked
};

// "cad:alpha=0.5" resolved against the registry; or a method's own Control, which holds what no parameter can say
// (directions that it has just fitted) and stands in no registry.
struct ControlSpec {
  const ControlEntry* entry = nullptr;
  Json params = {};
  std::function<std::unique_ptr<Control>()> own = {};  // called once a row
  std::unique_ptr<Control> make() const { return own ? own() : entry->make(params); }
};
ControlSpec control_from(const std::string& text);
ControlSpec control_from(const std::string& id, const Json& params);

}  // namespace ken::generate
