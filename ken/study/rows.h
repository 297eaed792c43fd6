// The rows of a run on disk: one JSON object a line, written in whole blocks, so that a killed run goes on where the
// last finished block ended and gives the same bytes.
#pragma once
#include <functional>
#include <vector>

#include "ken/base/files.h"
#include "ken/base/json.h"

namespace ken::study {

class RowFile {
 public:
  // Opens or creates `path`. The first line is `header`; a file with another header belongs to another run: an Error.
  // With `beside`, the header stands in that file and `path` holds nothing but rows, for readers of other programs.
  // A torn last line and the rows after the last whole block are cut away.
  RowFile(fs::path path, const Json& header, std::vector<size_t> blocks, const fs::path& beside = {});
  size_t finished_blocks() const { return finished_; }
  void append(const std::vector<Json>& rows);  // exactly the next block
  const std::vector<Json>& rows() const { return rows_; }

 private:
  void recover(const std::string& text, size_t begin);
  fs::path path_;
  std::vector<size_t> blocks_;  // rows in each block
  std::vector<Json> rows_;
  size_t finished_ = 0;
};

}  // namespace ken::study
