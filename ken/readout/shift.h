// Vectors added to states while a model answers, always or where a machine asks for it.
#pragma once
#include "ken/generate/control.h"
#include "ken/readout/svm.h"

namespace ken::readout {

struct Shift {
  std::string point;             // a tap's name
  Tensor offset;                 // [d]
  std::optional<Svm> flag = {};  // set: only where it scores above 0
};

// From the last prompt token on: at the last token of each pass over a row.
generate::ControlSpec shift_control(std::vector<Shift> shifts);
// The same with other sizes, of random directions and the same sizes, and without asking machines.
Tensor random_direction(int64_t d, uint64_t seed);  // [d] f64, of normal numbers
std::vector<Shift> in_random_directions(std::vector<Shift> shifts, uint64_t seed);
std::vector<Shift> scaled(std::vector<Shift> shifts, double by);
std::vector<Shift> without_flags(std::vector<Shift> shifts);

}  // namespace ken::readout
