// tokenizer.model, SentencePiece's own file, as tokenizer.ggml.* keys. Private to text/ and its fuzzer.
#pragma once
#include <string_view>

#include "ken/io/tensors.h"

namespace ken::text {

// `bytes` is a ModelProto of SentencePiece. Throws Error with what is damaged or not supported.
io::Metadata sentencepiece_metadata(std::string_view bytes);

}  // namespace ken::text
