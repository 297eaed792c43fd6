// Which files hold a tokenizer of their own, beside a GGUF file's keys. tokenizer_metadata() (tokenizer.h) reads each:
// a Hugging Face folder (tokenizer.json, else tokenizer.model or spiece.model), or one of these files.
#pragma once
#include <optional>

#include "ken/base/read_json.h"

namespace ken::text {

// A folder, or a file whose name ends in .json, .model or a version of it (tokenizer.model.v3).
bool is_tokenizer_path(const fs::path& path);
// Whether a Hugging Face folder holds one of these files.
bool has_tokenizer(const fs::path& folder);
// A token of tokenizer_config.json, which is its text, or an object with the text as its content.
std::optional<std::string> config_token(const Json& config, const char* key);

}  // namespace ken::text
