// The parts of libtorch that ken uses everywhere, and the one precompiled header of every torch target. GCC
// instantiates the templates behind such a header's inline functions anew in every file, so what few files use stays
// out: autograd is ken/nn/autograd.h, the dispatcher ken/kernels/dispatch.h. Never include torch/torch.h: it costs
// 15-19 s a file.
#pragma once
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ken/base/json.h"
