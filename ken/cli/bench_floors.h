// Floors of speed: what a pass must at least read or multiply, over how fast this machine does either.
#pragma once
#include "ken/model/model.h"

namespace ken::cli {

struct Peaks {
  double bytes = 0;  // a second, read from memory by all threads
  double flops = 0;  // a second, of bf16 products: a product of two numbers and its sum count as two
};
double read_bandwidth();  // half a second
Peaks measured_peaks();   // a second or two; with the threads that torch is set to

// The matrices that one token is multiplied with: no table of embeddings, and of a layer's experts as many as are used.
struct Weights {
  double parameters = 0, output = 0;  // output: those of the output matrix, which are among `parameters`
  double bytes = 0;                   // as they are stored
  std::string type;                   // of most of the bytes: "q8_0", "bf16", ...
};
Weights read_weights(const model::Model& model);

// Seconds. The output matrix makes the logits of a prompt's last token only; a row of a step reads the same weights.
inline double prefill_floor(const Weights& w, const Peaks& peaks, double tokens) {
  return 2 * ((w.parameters - w.output) * tokens + w.output) / peaks.flops;
}
inline double step_floor(const Weights& w, const Peaks& peaks, double cached_bytes) {
  return (w.bytes + cached_bytes) / peaks.bytes;
}
inline double train_floor(const Weights& w, const Peaks& peaks, double tokens) {
  return 6 * w.parameters * tokens / peaks.flops;
}

// The least seconds of `repeat` calls, after one that is not counted.
double best_seconds(int repeat, const std::function<void()>& fn);

}  // namespace ken::cli
