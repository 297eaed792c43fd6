// The readers behind open_tensors and the checks they share. Private to io/ and its fuzzers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ken/io/tensors.h"

namespace ken::io {

// Fill format, metadata, tensors and unsupported; `file.name` is set.
void read_gguf(std::span<const std::byte> bytes, TensorFile& file);
void read_safetensors(std::span<const std::byte> bytes, TensorFile& file);

inline constexpr size_t longest_tensor_name = 1024;
inline constexpr size_t most_metadata_keys = 1 << 14;  // real files have some hundred

// One type that is read and written: `block` elements take `bytes` bytes.
struct TypeSize {
  std::string_view name;
  int64_t block = 0;
  size_t bytes = 0;
};
std::optional<TypeSize> find_type(DType dtype);

// A name from a file as it may stand in an error: quoted, at most 80 bytes, control bytes as '?'.
std::string shown(std::string_view name);

// [begin, end) of one tensor in the data section; the name points into the file's own table.
struct Extent {
  std::string_view name;
  uint64_t begin = 0, end = 0;
};
// Sorts by place and throws when two extents share bytes.
void refuse_overlaps(std::vector<Extent>& extents, std::string_view format, const std::string& file);

// The product of a shape without its overflow; no value when a dimension is negative or the product passes 2^63 - 1.
std::optional<int64_t> checked_elements(std::span<const int64_t> shape);

// The bytes that a shape takes; throws when it cannot be written: a row must be whole blocks.
size_t bytes_to_write(const TensorShape& tensor, std::string_view format);
// Throws unless the tensor's shape and dtype agree with its bytes; used before writing.
void check_to_write(const TensorOut& tensor, std::string_view format);

}  // namespace ken::io
