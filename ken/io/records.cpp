// Records from JSONL, a JSON array, CSV or TSV (RFC 4180), told apart by content. Each record keeps its line. The text
// is cut into records first, with the nesting and the number of fields bounded, and only then parsed.
#include "ken/io/records.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>

#include "ken/base/error.h"

namespace ken::io {
namespace {

// Bounds of one record: nested JSON costs stack when it is written, fields cost a search each.
constexpr size_t deepest = 100, most_fields = 4096, longest_column_name = 256;

struct Source {
  std::string_view text;
  const std::string& name;

  template <typename... Args>
  [[noreturn]] void refuse(size_t line, fmt::format_string<Args...> text_, Args&&... args) const {
    fail("records", "{}:{}: {}", name, line, fmt::format(text_, std::forward<Args>(args)...));
  }
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

size_t newlines(std::string_view text) { return size_t(std::count(text.begin(), text.end(), '\n')); }

// The length of the valid UTF-8 sequence at `i`, 0 when there is none (RFC 3629: no surrogates, nothing overlong).
size_t utf8_length(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u; };
  const unsigned first = byte(0), second = byte(1);
  const auto follows = [&](size_t k) { return (byte(k) & 0xc0) == 0x80; };
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool fits = (first != 0xe0 || second >= 0xa0) && (first != 0xed || second <= 0x9f);
    return fits && follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool fits = (first != 0xf0 || second >= 0x90) && (first != 0xf4 || second <= 0x8f);
    return fits && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

void check_utf8(const Source& in) {
  for (size_t i = 0; i < in.text.size();) {
    const size_t length = utf8_length(in.text, i);
    if (length == 0) {
      in.refuse(1 + newlines(in.text.substr(0, i)),
                "the byte {:#04x} at offset {} is not UTF-8; convert the file, for instance with iconv -t utf-8",
                static_cast<unsigned char>(in.text[i]), i);
    }
    i += length;
  }
}

void refuse_other_formats(std::string_view text, const std::string& name) {
  if (text.starts_with("PAR1")) {
    fail("records",
         "{} is Parquet, which is not read; convert it: python3 -c \"import pandas as p; "
         "p.read_parquet('{}').to_json('records.jsonl', orient='records', lines=True)\"",
         name, name);
  }
  if (text.starts_with("\x1f\x8b")) fail("records", "{} is compressed; run gunzip on it first", name);
  if (text.starts_with("PK\3\4")) fail("records", "{} is a zip archive or a spreadsheet; save its table as CSV", name);
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    fail("records", "{} is UTF-16; convert it with iconv -f utf-16 -t utf-8", name);
  }
  if (text.starts_with("version https://git-lfs")) {
    fail("records", "{} is a Git LFS pointer, not the file itself; run git lfs pull", name);
  }
}

// JSON.

// Where the object that begins at `begin` ends (one past its brace), looking at brackets and strings only; the text's
// end when it does not close. Counts the fields of its outermost level.
struct Measured {
  size_t end = 0, fields = 0;
};
Measured measure_object(const Source& in, size_t begin, size_t line) {
  std::array<size_t, deepest> fields{};
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = begin; i < in.text.size(); ++i) {
    const char c = in.text[i];
    if (c == '\n' && !quoted) ++line;
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"' || c == '\n') quoted = false;  // a raw newline is refused by the parser, with its place
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (depth == deepest) in.refuse(line, "JSON is nested more than {} levels deep", deepest);
      fields[depth++] = 0;
    } else if (c == ':' && depth > 0 && ++fields[depth - 1] > most_fields) {
      in.refuse(line, "an object has more than {} fields", most_fields);
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return {i + 1, fields[0]};
    }
  }
  return {in.text.size(), fields[0]};
}

Record parse_object(const Source& in, size_t begin, const Measured& extent, size_t line) {
  const std::string_view text = in.text.substr(begin, extent.end - begin);
  Record record{nullptr, line};
  try {
    record.fields = Json::parse(text);
  } catch (const Json::parse_error& error) {
    const std::string_view before = text.substr(0, std::min(error.byte, text.size()));
    in.refuse(line + newlines(before), "no valid JSON ({})", std::string_view(error.what()).substr(0, 160));
  } catch (const Json::exception& error) {  // a number out of range
    in.refuse(line, "no valid JSON ({})", std::string_view(error.what()).substr(0, 160));
  }
  if (record.fields.size() != extent.fields) in.refuse(line, "a field name appears twice in one object");
  return record;
}

std::vector<Record> parse_jsonl(const Source& in) {
  std::vector<Record> records;
  size_t line = 0;
  for (size_t begin = 0; begin < in.text.size();) {
    const size_t end = std::min(in.text.find('\n', begin), in.text.size());
    const Source row{in.text.substr(0, end), in.name};
    ++line;
    while (begin < end && is_space(in.text[begin])) ++begin;
    if (begin < end) {
      if (in.text[begin] != '{') in.refuse(line, "expected one JSON object a line");
      const Measured extent = measure_object(row, begin, line);
      if (in.text[extent.end - 1] != '}' && newlines(in.text.substr(end)) > 0 && records.empty()) {
        in.refuse(line, "expected one JSON object a line; put a document of many lines into an array: [{{...}}, ...]");
      }
      records.push_back(parse_object(row, begin, extent, line));
      begin = extent.end;
      while (begin < end && is_space(in.text[begin])) ++begin;
      if (begin < end) in.refuse(line, "expected one JSON object a line, found more after it");
    }
    begin = end + 1;
  }
  return records;
}

std::vector<Record> parse_array(const Source& in, size_t begin) {
  std::vector<Record> records;
  size_t line = 1 + newlines(in.text.substr(0, begin));
  const auto next = [&](size_t i) {  // the next character that is no space
    for (; i < in.text.size() && is_space(in.text[i]); ++i) line += in.text[i] == '\n';
    if (i == in.text.size()) in.refuse(line, "the file ends inside its JSON array; it is truncated");
    return i;
  };
  size_t i = next(begin + 1);
  while (in.text[i] != ']' || !records.empty()) {
    if (in.text[i] != '{') in.refuse(line, "expected a JSON object as element {} of the array", records.size() + 1);
    const Measured extent = measure_object(in, i, line);
    records.push_back(parse_object(in, i, extent, line));
    line += newlines(in.text.substr(i, extent.end - i));
    i = next(extent.end);
    if (in.text[i] == ']') break;
    if (in.text[i] != ',') in.refuse(line, "expected ',' or ']' after element {} of the array", records.size());
    i = next(i + 1);
  }
  for (++i; i < in.text.size(); ++i)
    if (!is_space(in.text[i]))
      in.refuse(line + newlines(in.text.substr(0, i)), "expected nothing after the JSON array");
  return records;
}

// CSV and TSV.

class Table {
 public:
  Table(const Source& in, char separator) : in_(in), separator_(separator) {}

  // The fields of the next row that is not blank; none at the end.
  std::optional<std::vector<std::string>> row() {
    while (at_ < in_.text.size() && (peek() == '\n' || peek() == '\r')) step();
    if (at_ == in_.text.size()) return std::nullopt;
    row_line_ = line_;
    std::vector<std::string> fields;
    while (true) {
      if (fields.size() == most_fields) in_.refuse(line_, "a row has more than {} fields", most_fields);
      fields.push_back(at_ < in_.text.size() && peek() == '"' ? quoted() : plain());
      if (at_ == in_.text.size() || peek() != separator_) break;
      step();
    }
    if (at_ < in_.text.size()) end_row();
    return fields;
  }
  size_t row_line() const { return row_line_; }

 private:
  char peek() const { return in_.text[at_]; }
  void step() { line_ += in_.text[at_++] == '\n'; }
  bool at_break() const {
    return peek() == '\n' || (peek() == '\r' && at_ + 1 < in_.text.size() && in_.text[at_ + 1] == '\n');
  }

  void end_row() {
    if (!at_break()) in_.refuse(line_, "text follows a closing quote; inside quotes, write a quote twice");
    if (peek() == '\r') step();
    step();
  }
  std::string plain() {
    const size_t begin = at_;
    while (at_ < in_.text.size() && peek() != separator_ && !at_break()) ++at_;
    std::string field(in_.text.substr(begin, at_ - begin));
    if (at_ == in_.text.size() && field.ends_with('\r')) field.pop_back();
    return field;
  }
  std::string quoted() {
    const size_t opened = line_;
    std::string field;
    for (step(); at_ < in_.text.size(); step()) {
      if (peek() == '"') {
        step();
        if (at_ == in_.text.size() || peek() != '"') return field;
      }
      field += peek();
    }
    in_.refuse(opened, "a quoted field that opens here is not closed before the file ends");
  }

  const Source& in_;
  char separator_;
  size_t at_ = 0, line_ = 1, row_line_ = 1;
};

void check_columns(const Source& in, const std::vector<std::string>& columns, size_t line) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& column : columns) {
    if (column.size() > longest_column_name) {
      in.refuse(line, "the first row must name the columns, and a name of {} bytes is no name", column.size());
    }
    if (!seen.insert(column).second) in.refuse(line, "two columns are named '{}'", column);
  }
}

std::vector<Record> parse_table(const Source& in) {
  const std::string_view first = in.text.substr(0, in.text.find('\n', in.text.find_first_not_of("\r\n")));
  const auto occurs = [&](char c) { return std::count(first.begin(), first.end(), c); };
  Table table(in, occurs('\t') > 0 && occurs('\t') >= occurs(',') ? '\t' : ',');
  std::vector<Record> records;
  const auto columns = table.row();
  if (!columns) return records;
  check_columns(in, *columns, table.row_line());
  while (auto row = table.row()) {
    if (row->size() != columns->size()) {
      in.refuse(table.row_line(), "the row has {} fields, but the first row names {} columns", row->size(),
                columns->size());
    }
    Json::object_t fields;
    for (size_t i = 0; i < row->size(); ++i) fields.emplace_back((*columns)[i], std::move((*row)[i]));
    records.push_back({std::move(fields), table.row_line()});
  }
  return records;
}

}  // namespace

std::vector<Record> parse_records(std::string_view text, const std::string& name) {
  refuse_other_formats(text, name);
  const Source whole{text, name};
  check_utf8(whole);
  const Source in{text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text, name};
  const size_t begin = size_t(std::find_if_not(in.text.begin(), in.text.end(), is_space) - in.text.begin());
  if (begin == in.text.size()) return {};
  if (in.text[begin] == '{') return parse_jsonl(in);
  if (in.text[begin] == '[') return parse_array(in, begin);
  return parse_table(in);
}

std::vector<Record> read_records(const fs::path& path) { return parse_records(read_text(path), path.string()); }

bool holds_records(const fs::path& path, const std::string& text) {
  const size_t first = text.find_first_not_of(" \n\r\t");
  const std::string suffix = path.extension().string();
  return (first != std::string::npos && (text[first] == '{' || text[first] == '[')) || suffix == ".csv" ||
         suffix == ".tsv";
}

std::string jsonl_line(const Json& object) { return dumped(object) + '\n'; }

}  // namespace ken::io
