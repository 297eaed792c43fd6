// JSON as ken uses it: keys keep the order in which they were written, so equal results are equal bytes.
#pragma once
#include <nlohmann/json.hpp>

namespace ken {
using Json = nlohmann::ordered_json;
}
