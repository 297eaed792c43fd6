// The states from which a row's next token is chosen, kept by reading taps while they are computed: for Controls that
// look into other layers (early exits, logits of the middle).
#pragma once
#include <map>

#include "ken/model/model.h"

namespace ken::readout {

using at::Tensor;

class LastRows {
 public:
  explicit LastRows(std::vector<std::string> points) : points_(std::move(points)) {}
  // For a Control's taps(); they refer to this object.
  std::vector<model::Tap> taps();
  // [points, d] f32, of the token that step `index` (tokens chosen so far) goes on from. Tokens that were only tried
  // behind it do not count.
  Tensor at(int64_t index) const;
  // Of a further sample of the same prompt.
  void follow(const LastRows& first) { first_ = first.first_, kept_ = first.kept_; }

 private:
  std::vector<std::string> points_;
  int64_t first_ = -1;                           // position of the prompt's last token
  std::map<int64_t, std::vector<Tensor>> kept_;  // by position
};

}  // namespace ken::readout
