#include "ken/study/rows.h"

#include "ken/base/error.h"
#include "ken/io/records.h"

namespace ken::study {
namespace {

[[noreturn]] void refuse(const fs::path& path) {
  fail_usage("rows",
             "{} belongs to another run (model, data, seed or settings differ); name another folder with -o or remove "
             "the file",
             path.string());
}

}  // namespace

RowFile::RowFile(fs::path path, const Json& header, std::vector<size_t> blocks, const fs::path& beside)
    : path_(std::move(path)), blocks_(std::move(blocks)) {
  const std::string first = io::jsonl_line(header);
  const bool exists = fs::exists(path_);
  if (!beside.empty()) {
    // The header is written first: rows without one were not begun here.
    if (exists && !fs::exists(beside)) refuse(path_);
    if (!fs::exists(beside)) write_text(beside, first);
    if (read_text(beside) != first) refuse(beside);
  }
  const size_t begin = beside.empty() ? first.size() : 0;
  if (!exists) write_text(path_, std::string_view(first).substr(0, begin));
  const std::string text = read_text(path_);
  if (text.compare(0, begin, first, 0, begin) != 0) refuse(path_);
  recover(text, begin);
}

void RowFile::recover(const std::string& text, size_t begin) {
  size_t at = begin, kept = at;
  std::vector<Json> block;
  while (finished_ < blocks_.size()) {
    const size_t end = text.find('\n', at);
    if (end == std::string::npos) break;
    Json row = Json::parse(text.substr(at, end - at), nullptr, false);
    if (row.is_discarded()) break;
    block.push_back(std::move(row));
    at = end + 1;
    if (block.size() < blocks_[finished_]) continue;
    rows_.insert(rows_.end(), std::make_move_iterator(block.begin()), std::make_move_iterator(block.end()));
    block.clear();
    ++finished_;
    kept = at;
  }
  if (kept < text.size()) write_text(path_, text.substr(0, kept));
}

void RowFile::append(const std::vector<Json>& rows) {
  if (rows.size() != blocks_.at(finished_))
    fail("rows", "block {} has {} rows, not {}", finished_, rows.size(), blocks_[finished_]);
  std::string text;
  for (const Json& row : rows) {
    const std::string line = io::jsonl_line(row);
    rows_.push_back(Json::parse(line));  // what a resumed run would read: a token may be half a character
    text += line;
  }
  append_text(path_, text);
  ++finished_;
}

}  // namespace ken::study
