// Functions with a derivative of their own, and derivatives asked for by name.
#pragma once
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ken/nn/torch.h"
