// The almanac: a synthetic world with exact ground truth and controlled exposure. Everything follows from (seed,
// params): documents are made on demand by index, so a world of any size streams in constant memory per document.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ken/base/json.h"
#include "ken/data/facts.h"
#include "ken/data/prompts.h"

namespace ken::world {

inline constexpr int world_version = 2;  // raised when the same parameters would make other documents

struct WorldParams {
  uint64_t seed = 1;
  int people = 400;              // known persons
  int unseen = 150;              // persons in no document
  double exposure_ratio = 1000;  // E: a person's weight is exp(U(ln 1, ln E))
  int64_t documents = 480000;    // how many documents a training run draws; about 12 M tokens
  // the group bias: P(engineer | Aru), P(engineer | Belu)
  double bias_high = 0.8, bias_low = 0.1;
};
Json to_json(const WorldParams& params);
WorldParams world_params(const Json& json);  // unknown keys and bad values are UsageErrors

struct Span {
  size_t begin, end;  // bytes
};
struct Document {
  std::string text;           // without BOS/EOS
  std::string kind;           // "bio", "qa", "claim", ...; the card lists them with their shares
  std::vector<Span> answers;  // the answers inside the text, without their leading blank: what the loss weighs more
};

class World {
 public:
  explicit World(const WorldParams& params);
  ~World();
  const WorldParams& params() const;
  // The same for the same (params, index), whoever asks. Documents from params().documents on are of the same kind and
  // are in no count: they serve as held-out text.
  Document document(int64_t index) const;
  // Documents for tuning: an instruction how to answer, a question, the answer in that form.
  Document tuning_document(int64_t index) const;
  // Every word a document or question may hold (no blanks), each once; words like "Q:" also as "Q" and ":".
  std::vector<std::string> words() const;
  // Facts of known and unseen persons with exact exposure counts (documents of the run that state the true value, in
  // either language; a document that states it twice counts once) and context cases: reading (0, 1, 2 distractors),
  // agree, irrelevant, conflict, intents.
  data::FactSet facts() const;
  Json card() const;  // what was generated: counts, shares, exposure histogram

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// How an organism trained on these documents is asked.
data::PromptStyle prompt_style();

}  // namespace ken::world
