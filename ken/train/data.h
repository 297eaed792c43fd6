// Training samples by index, packed into steps by order: step boundaries follow only from the samples' lengths.
#pragma once
#include <memory>

#include "ken/base/files.h"
#include "ken/train/objective.h"
#include "ken/world/world.h"

namespace ken::train {

// tokens: BOS, text, EOS. weights[i] is how much predicting tokens[i] counts; weights[0] is not used.
struct Sample {
  std::vector<int32_t> tokens;
  std::vector<float> weights;
};

// The same sample for the same index, whichever thread asks.
struct SampleSource {
  virtual ~SampleSource() = default;
  virtual int64_t size() const = 0;
  virtual Sample at(int64_t index) const = 0;
  virtual std::string identity() const { return {}; }  // a resumed run must find the same data: hash or parameters
};

// BOS and EOS where the tokenizer has them; tokens that touch one of `answers` weigh `answer_weight`.
Sample make_sample(const text::Tokenizer& tokenizer, std::string_view text, const std::vector<world::Span>& answers,
                   float answer_weight);

std::unique_ptr<SampleSource> world_source(std::shared_ptr<const world::World> world,
                                           std::shared_ptr<const text::Tokenizer> tokenizer, float answer_weight);
// Records with "text" (optional "answers": [[begin, end], ...] in bytes), or "tokens" (optional "weights").
std::unique_ptr<SampleSource> records_source(const fs::path& path, std::shared_ptr<const text::Tokenizer> tokenizer,
                                             float answer_weight);

struct PackOptions {
  int64_t tokens = 2048;           // of a rank's step; a step of all ranks holds up to world times as many
  int64_t vocab = 0, context = 0;  // a sample that does not fit is an Error with its index
  int rank = 0, world = 1;
  int64_t epochs = 1;
  bool shuffle = false;  // a new order for each epoch, from `seed`; otherwise by index
  uint64_t seed = 0;
};

struct Step {
  TrainBatch batch;                   // this rank's documents; no token when it has none
  int64_t position = 0;               // samples used up to here, of all epochs
  int64_t documents = 0, tokens = 0;  // of all ranks
};

// Steps from `position` on, made ahead of time by one background thread.
class StepStream {
 public:
  StepStream(std::shared_ptr<const SampleSource> source, const PackOptions& options, int64_t position);
  ~StepStream();
  std::optional<Step> next();  // none: all samples are used
  int64_t total() const;       // samples in all epochs

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ken::train
