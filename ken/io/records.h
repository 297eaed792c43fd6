// Records (JSONL, CSV, TSV) as JSON objects with their line, so that an error can say where. Content is sniffed.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ken/base/files.h"
#include "ken/base/json.h"

namespace ken::io {

struct Record {
  Json fields;      // an object
  size_t line = 0;  // 1-based, of the record's first line
};

// All records of a file: JSONL, one JSON array of objects, CSV or TSV. Blank lines are passed over; a bad line is an
// Error with file, line and what was expected. CSV and TSV follow RFC 4180 quoting, the first row names the columns,
// values stay text. Parquet is recognised by its magic and refused with the conversion to run. Invalid UTF-8 is an
// Error with its byte offset.
std::vector<Record> read_records(const fs::path& path);
std::vector<Record> parse_records(std::string_view text, const std::string& name);
// Whether a file's name or its first character says that it holds records, where it may also be plain text.
bool holds_records(const fs::path& path, const std::string& text);

// The object on one line that ends with a newline; invalid UTF-8 is replaced (U+FFFD).
std::string jsonl_line(const Json& object);

}  // namespace ken::io
