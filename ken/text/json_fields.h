// Reading the JSON of tokenizer files: members that may be missing, and lists of steps. Private to text/.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ken/base/read_json.h"

namespace ken::text {

// A member of an object: null, or the standard, where it is missing or of another type.
const Json& member(const Json& object, const char* key);
std::string text_of(const Json& object, const char* key, const std::string& standard = "");
bool flag_of(const Json& object, const char* key, bool standard = false);

// The steps of a normalizer, pre-tokenizer or decoder in order: those of nested Sequences, which stand under `list`, or
// the one. Null gives none.
std::vector<Json> steps_of(const Json& step, const char* list);
// Throws that the step ("the normaliser Xyz") is not supported.
[[noreturn]] void refuse_step(const char* what, const Json& step);

}  // namespace ken::text
