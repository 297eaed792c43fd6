// What a GGUF file would not say of a model. Private to save().
#pragma once
#include "ken/model/arch.h"

namespace ken::model {

// Reads `metadata` as a file's and throws where the config that comes out computes something else than the model's:
// GGUF has no keys for some windows, scales and activations, and its readers take each family's own.
void refuse_losses(const Model& model, const io::Metadata& metadata);

}  // namespace ken::model
