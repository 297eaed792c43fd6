// Rows of one point of the forward pass over running text, in a shuffled order: what dictionaries and lenses are fitted
// on. Memory is bounded by one block of rows, and a position is a few numbers, from which the same rows follow again.
#pragma once
#include "ken/base/progress.h"
#include "ken/data/texts.h"
#include "ken/model/model.h"

namespace ken::readout {

using at::Tensor;

// Every index i with i % parts == left_out is held out; the others are read.
data::Texts without_part(const data::Texts& texts, int64_t parts, int64_t left_out);
data::Texts only_part(const data::Texts& texts, int64_t parts, int64_t part);

// Texts as token rows with BOS (where the tokenizer asks for it); longer ones are cut into pieces of `length` tokens.
std::vector<std::vector<int32_t>> token_rows(const model::Model& model, const std::string& text, int64_t length);

// Passes that read one point [n, d] of every token and stop after the block that holds it.
class PointReader {
 public:
  PointReader(const model::Model& model, const std::string& point, nn::Compute compute);
  PointReader(const PointReader&) = delete;
  // The rows of all sequences one after another, [tokens, d] f32; d is that of the point.
  Tensor read(const std::vector<std::vector<int32_t>>& rows);
  bool bos() const { return bos_; }  // whether each row's first token is BOS

 private:
  std::shared_ptr<model::Model> model_;  // its blocks up to the point's
  nn::Compute compute_;
  std::vector<Tensor> found_;  // [sequences]
  model::TapPlan plan_;
  bool bos_;
};

// The blocks 0 to n - 1 of a model as a model of their own; it shares the weights.
std::shared_ptr<model::Model> first_blocks(const model::Model& model, int64_t n);
int64_t layer_of(const model::Model& model, const std::string& point);  // -1 outside the blocks

struct StreamOptions {
  std::string point;
  int64_t block = 1 << 15;  // rows that are shuffled together
  int64_t pass_tokens = 4096;
  int64_t length = 512;  // of a piece of text, BOS included; at most the model's context
  bool leave_out_bos = true;
  uint64_t seed = 0;
  nn::Compute compute = nn::Compute::fast;
};

class ActivationStream {
 public:
  ActivationStream(const model::Model& model, data::Texts texts, StreamOptions options);
  // The next n rows [n, d] f32. The texts begin again, in another order, when all have been read.
  Tensor next(int64_t n);

  struct Position {
    int64_t text = 0;    // texts read before this block, over all rounds
    int64_t block = 0;   // blocks before this one
    int64_t served = 0;  // rows of this block that were given out
  };
  Position position() const { return position_; }
  void seek(const Position& position);
  int64_t d() const { return d_; }
  const StreamOptions& options() const { return options_; }

 private:
  void fill();
  data::Texts texts_;
  StreamOptions options_;
  const model::Model& model_;
  PointReader reader_;
  Position position_;
  Tensor rows_;            // the block
  int64_t next_text_ = 0;  // where the next block begins
  int64_t d_ = 0;
};

}  // namespace ken::readout
