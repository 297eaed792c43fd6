// tokenizer.json and tokenizer_config.json as tokenizer.ggml.* keys. Private to text/ and its fuzzer.
#pragma once
#include "ken/base/json.h"
#include "ken/io/tensors.h"

namespace ken::text {

// Throws Error with what is damaged or not supported.
io::Metadata tokenizer_metadata(const Json& tokenizer, const Json& tokenizer_config);

// What a folder says of a tokenizer.model beside it: tokens that were added (added_tokens.json, added_tokens_decoder of
// tokenizer_config.json), BOS and EOS, the chat template.
void add_folder_tokens(io::Metadata& metadata, const Json& tokenizer_config, const Json& added_tokens);

}  // namespace ken::text
