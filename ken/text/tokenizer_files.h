// Which files hold a tokenizer of their own, beside a GGUF file's keys. tokenizer_metadata() (tokenizer.h) reads each:
// a Hugging Face folder (tokenizer.json, else tokenizer.model), a tokenizer.json or a tokenizer.model.
#pragma once
#include "ken/base/files.h"

namespace ken::text {

// A folder, or a file that ends in .json or .model.
bool is_tokenizer_path(const fs::path& path);
// Whether a Hugging Face folder holds one of the two files.
bool has_tokenizer(const fs::path& folder);

}  // namespace ken::text
