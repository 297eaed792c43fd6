// Models that hold no knowledge, of named sizes: for timing and for tests of memory, where only the shape matters.
#pragma once
#include "ken/model/model.h"

namespace ken::model {

// Sizes that engines are compared on: llama-125m, llama-1b (TinyLlama's), gpt2-124m; and llama-2m, which
// takes no time. UsageError with near names.
Config named_shape(const std::string& name);
std::vector<std::string> shape_names();

// Weights of the `index`th of Model::matrices(), [out, in] f32: normal, with the scales of make_random.
Tensor random_weights(const Config& config, const std::string& name, const nn::Matrix& shape, uint64_t seed,
                      uint64_t index);
// Writes the GGUF of make_random's model matrix by matrix, in the memory of the largest.
void save_random(const Config& config, const io::Metadata& metadata, uint64_t seed, const fs::path& path,
                 io::DType dtype);
// A byte-level tokenizer of the shape's size: bytes, <s>, </s>, and tokens that no text gives.
io::Metadata byte_tokenizer(const Config& config);

}  // namespace ken::model
