// A Control is one influence on a generation. Several compose: each combines what the one before it left.
#pragma once
#include "ken/base/registry.h"
#include "ken/model/model.h"
#include "ken/text/chat_tokens.h"

namespace ken::generate {

using at::Tensor;
struct Sampling;

// What is asked, kept in parts so that a Control can ask for the same question without its passage, or beside another.
struct Prompt {
  std::string text;             // what the model reads
  std::string without_context;  // the same without the passage; empty where there was none
  // Set: the texts, a Control's own included, are rendered chats in which special tokens are read (guarded texts).
  std::shared_ptr<const text::ChatTokens> chat = {};
  // The bare question, and the prompt that asks it beside a passage; unset where the text is no question.
  std::string question = {};
  std::function<std::string(const std::string& passage)> beside = {};
};

// An extra stream: its prompt, and the model that reads it. Null: the row's own; another one has the same vocabulary.
struct Twin {
  Twin(std::string text, std::shared_ptr<const model::Model> model = {})  // implicit: a text is a twin
      : text(std::move(text)), model(std::move(model)) {}
  std::string text;
  std::shared_ptr<const model::Model> model;
};

// Tokens tried behind one of a row's streams: what would come after them, without choosing them.
struct Trial {
  size_t stream = 0;  // 0: the main one; i + 1: this Control's twin i
  std::vector<int32_t> tokens;
};

// Which of a Control's twins guesses the row's next tokens, and how many of them at a time.
struct Draft {
  size_t twin = 0;
  int64_t tokens = 0;  // 0: none
};

// What a row runs in.
struct Setting {
  const model::Model& model;
  nn::Compute compute;
};

// What a row may become: `token` behind it, ranked by `score` among all that the rows of its request propose.
struct Proposal {
  int32_t token = 0;
  double score = 0;
};

// One decoding step of one row: its streams' next-token logits, f32 [vocab] each.
struct Step {
  Tensor logits;              // of the main stream, after the Controls before this one
  std::vector<Tensor> twins;  // of this Control's twins, in the order it asked for them
  int64_t index = 0;          // tokens chosen so far
  const std::vector<int32_t>* chosen = nullptr;
  const std::vector<double>* logprobs = nullptr;  // of the chosen, nats
  bool finish = false;                            // set: the row ends before another token is chosen
  // What Controls read of this step, by name; Generated keeps one number a token. Nothing goes by it.
  std::map<std::string, double> notes = {};
  bool ahead = false;                  // the logits were read together with those before them: a draft was right
  std::vector<Tensor> tried = {};      // of this Control's trials, in their order: logits after each
  const Sampling* sampling = nullptr;  // how the token will be drawn, with the noise of this sequence
  uint64_t sequence = 0;
  Tensor noise = {};  // set, f32 [vocab]: in place of the sampler's own Gumbel noise
  // Set: no token is drawn. As many rows of the request as are in flight go on, with the best proposals of them all: a
  // row forks for each further proposal of its own that is among them, and is dropped if none is. Before the first
  // token the request's rows are copies, and only the first one's proposals count.
  std::vector<Proposal> proposals = {};
};

class Control {
 public:
  virtual ~Control() = default;
  // Once a row, before anything else.
  virtual void begin(const Setting&) {}
  virtual void rewrite(Prompt&) {}
  // Extra streams. Each has its own cache and positions; the chosen token is appended to all.
  virtual std::vector<Twin> twins(const Prompt&) { return {}; }
  // Taps on the main stream's rows (`sequences` is filled in by the loop), and on those of twin i.
  virtual std::vector<model::Tap> taps() { return {}; }
  virtual bool taps_all_streams() const { return false; }
  virtual std::vector<model::Tap> twin_taps(size_t) { return {}; }
  // Of a further sample of the same prompt, or of a row that forks: takes over what `first` has read and kept so far.
  virtual void follow(const Control&) {}
  // All streams read a draft in one pass, each token is chosen as it would be without, and the rest goes where one is
  // chosen that was not drafted: the same text in fewer passes (speculative decoding, Leviathan et al., arXiv
  // 2211.17192). The draft is drawn with the row's own noise, so that it agrees as often as the twin's choice does.
  // Rows with taps read no drafts, for a tap may count its passes.
  virtual Draft draft() const { return {}; }
  // Asked before combine, which then finds the logits in step.tried.
  virtual std::vector<Trial> trials(const Step&) { return {}; }
  // New logits for the step; the default changes nothing.
  virtual Tensor combine(Step& step) { return step.logits; }
};

using MakeControl = std::function<std::unique_ptr<Control>()>;

// `make` gives a row's Control; or `open` reads what all rows share (a file, a second model) once, and gives their
// maker.
struct ControlEntry {
  Card card;
  std::unique_ptr<Control> (*make)(const Json& params) = nullptr;  // params are complete and checked
  MakeControl (*open)(const Json& params) = nullptr;
};

// "cad:alpha=0.5" resolved against the registry; or a method's own Control, which holds what no parameter can say
// (directions that it has just fitted) and stands in no registry.
struct ControlSpec {
  const ControlEntry* entry = nullptr;
  Json params = {};
  MakeControl own = {};  // called once a row
  std::unique_ptr<Control> make() const { return own ? own() : entry->make(params); }
};
ControlSpec control_from(const std::string& text);
ControlSpec control_from(const std::string& id, const Json& params);

}  // namespace ken::generate
