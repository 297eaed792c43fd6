// JSON as ken uses it: keys keep the order in which they were written, so equal results are equal bytes.
#pragma once
#include <nlohmann/json.hpp>

namespace ken {

using Json = nlohmann::ordered_json;

// As text, on one line or indented; bytes that are no UTF-8 are replaced (U+FFFD).
std::string dumped(const Json& value, int indent = -1);

}  // namespace ken
