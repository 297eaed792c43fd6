// The loops over a vocabulary that a step of generation takes; their kernels under the names of this room.
#pragma once
#include "ken/kernels/sampling.h"

namespace ken::nn {

using kernels::largest;
using kernels::logit_sums;
using kernels::LogitSums;
using kernels::philox_words;

}  // namespace ken::nn
