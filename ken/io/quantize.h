// A GGUF file with its matrices in another weight type: `ken quantize`.
#pragma once
#include "ken/base/progress.h"
#include "ken/io/tensors.h"

namespace ken::io {

struct Keep {
  DType dtype;
  std::string pattern;  // of tensor names; '*' stands for any text
};
Keep parse_keep(const std::string& text);  // "f32:blk.0.*"; UsageError

struct QuantizeOptions {
  DType dtype;
  std::vector<Keep> keep = {};  // the first that fits a tensor's name decides its type
  int threads = 1;
};

struct QuantizeResult {
  std::map<std::string, int64_t> tensors = {};  // how many of each type, by the type's name
  size_t bytes_before = 0, bytes = 0;           // of all tensors
  std::vector<std::string> notes = {};          // what was not stored in the type asked for, and why
};

// The rules are those of docs/quantize.md. Tensors are read, stored and written a few million values at a time; the
// file appears whole or not at all. A weight that is not finite, or that its type cannot hold, is an error that names
// the tensor, the row and the column.
QuantizeResult quantize(const TensorFile& source, const fs::path& path, const QuantizeOptions& options,
                        const Progress& progress = {});

}  // namespace ken::io
