// JSON objects from files that nobody vouches for.
#pragma once
#include <string_view>

#include "ken/base/files.h"
#include "ken/base/json.h"

namespace ken {

// The object in a file of at most `limit` bytes and 64 levels; errors are tagged `where` and name the file. Values are
// copied and printed by recursion, so a deeper file could end the program; a key that appears twice is refused. The
// time is linear in the file's size, where Json::parse needs the square of an object's size.
Json read_json(const fs::path& path, size_t limit, std::string_view where);

// Any value in a text, within the same bounds; discarded (Json::is_discarded) where there is none, `broken` then says
// why: "no valid JSON: line 3 ...".
Json parse_json(std::string_view text, std::string* broken = nullptr);

}  // namespace ken
