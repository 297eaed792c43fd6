// tokenizer.json and tokenizer_config.json as tokenizer.ggml.* keys. Private to text/ and its fuzzer.
#pragma once
#include "ken/base/json.h"
#include "ken/io/tensors.h"

namespace ken::text {

// Throws Error with what is damaged or not supported.
io::Metadata tokenizer_metadata(const Json& tokenizer, const Json& tokenizer_config);

}  // namespace ken::text
