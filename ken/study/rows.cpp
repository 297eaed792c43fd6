#include "ken/study/rows.h"

#include "ken/base/error.h"
#include "ken/io/records.h"

namespace ken::study {

RowFile::RowFile(fs::path path, const Json& header, std::vector<size_t> blocks)
    : path_(std::move(path)), blocks_(std::move(blocks)) {
  const std::string first = io::jsonl_line(header);
  if (!fs::exists(path_)) {
    write_text(path_, first);
    return;
  }
  recover(read_text(path_), first);
}

void RowFile::recover(const std::string& text, const std::string& header) {
  if (text.substr(0, header.size()) != header) {
    fail_usage(
        "study",
        "{} belongs to another study (model, facts, seed or settings differ); name another folder with -o or remove it",
        path_.string());
  }
  size_t at = header.size(), kept = at;
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
    fail("study", "block {} has {} rows, not {}", finished_, rows.size(), blocks_[finished_]);
  std::string text;
  for (const Json& row : rows) text += io::jsonl_line(row);
  append_text(path_, text);
  rows_.insert(rows_.end(), rows.begin(), rows.end());
  ++finished_;
}

}  // namespace ken::study
