// Tensor files (GGUF v3, safetensors) as {name, dtype, shape, byte span}: the bytes stay in the mapped file.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ken/base/files.h"
#include "ken/quant/format.h"

namespace ken::io {

// A type is GGUF's number of it; what GGUF lacks stands from 2^16 on. Only the plain types have names here: a block
// format is the DType of the number that its file in quant/ gives, so a new format is no edit here.
enum class DType : uint32_t {
  f32 = 0,
  f16 = 1,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  bf16 = 30,
  u8 = 0x10000,
  boolean
};

std::string_view dtype_name(DType dtype);        // "F32", "Q8_0"
DType weight_type(std::string_view name);        // "f32", "bf16", "f16", "q8_0", ...; UsageError with near names
std::vector<std::string> weight_types();         // those names, plain ones first
size_t bytes_of(DType dtype, int64_t elements);  // elements must be a multiple of the block
int64_t block_of(DType dtype);                   // elements that are stored together: 1, 32, 256
const quant::Format* format_of(DType dtype);     // null for a plain type

// Weights to and from f32. `bytes` hold n elements of any weight type; another type is an error that lists them.
void to_f32(DType dtype, const std::byte* bytes, float* x, int64_t n);
void from_f32(DType dtype, const float* x, std::byte* bytes, int64_t n);

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;        // outermost first, as in torch (GGUF's own order reversed)
  std::span<const std::byte> bytes;  // into the mapping; may be unaligned, so copy out or check before a cast
  int64_t elements() const;
};

// GGUF metadata; safetensors' "__metadata__" gives strings only. Integers of every width are read as int64_t, as
// uint64_t only from 2^63 on, so equal values compare equal whatever width the file chose.
using MetaValue = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                               std::vector<std::string>, std::vector<bool>>;

class Metadata {
 public:
  std::map<std::string, MetaValue> values;
  std::string name = {};  // of the file, for errors
  bool has(const std::string& key) const { return values.count(key) > 0; }
  // Required: throw Error naming the key and the type found. With a default: only a wrong type throws.
  std::string text(const std::string& key) const;
  std::string text(const std::string& key, std::string standard) const;
  int64_t integer(const std::string& key) const;
  int64_t integer(const std::string& key, int64_t standard) const;
  double number(const std::string& key) const;
  double number(const std::string& key, double standard) const;
  bool flag(const std::string& key, bool standard) const;
  const std::vector<std::string>& texts(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;  // also from an integer array
  std::vector<int64_t> integers(const std::string& key) const;
};

// An opened file. Spans stay valid as long as it lives.
struct TensorFile {
  std::string name;    // path, or the given name of embedded bytes
  std::string format;  // "gguf" or "safetensors"
  Metadata metadata;
  std::vector<TensorInfo> tensors;            // in file order
  std::vector<std::string> unsupported = {};  // "NAME: type Q2_K": left out of `tensors`, refused by name when used
  std::shared_ptr<const void> owner;          // keeps the mapping alive
  const TensorInfo* find(std::string_view tensor) const;
  // Throws with near names, or with the type that is not supported.
  const TensorInfo& at(std::string_view tensor) const;
  // Called by open_tensors once `tensors` is complete; refuses a name that appears twice.
  void index();

 private:
  std::map<std::string, size_t, std::less<>> index_;
};

// Sniffs the content, not the suffix. Every count, offset and shape is checked before it is used.
std::shared_ptr<const TensorFile> open_tensors(const fs::path& path);
// The same over bytes that outlive the result (the embedded organism).
std::shared_ptr<const TensorFile> open_tensors(std::span<const std::byte> bytes, const std::string& name);

// The safetensors of a Hugging Face folder as one file: model.safetensors, or the shards that
// model.safetensors.index.json names.
std::shared_ptr<const TensorFile> open_shards(const fs::path& folder);

// What a tensor will be, before its bytes are made.
struct TensorShape {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
};
// One tensor to write: `bytes` are row-major in `dtype`.
struct TensorOut {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};
// GGUF v3, alignment 32. Integers are written as u32, i32, i64 or u64 (the first that holds them; llama.cpp reads its
// keys as u32), integer arrays as i32 or i64; numbers as f32 when that is exact, else f64: give double(float(x)) for
// llama.cpp.
void write_gguf(const fs::path& path, const Metadata& metadata, const std::vector<TensorOut>& tensors);
// The same, tensor by tensor: nothing but the header is kept in memory. The file appears with commit().
class GgufWriter {
 public:
  GgufWriter(const fs::path& path, const Metadata& metadata, std::vector<TensorShape> tensors);
  void append(std::span<const std::byte> bytes);  // the next bytes, in the tensors' order; pieces may be of any size
  void commit();                                  // throws when bytes are missing

 private:
  std::vector<TensorShape> tensors_;
  std::optional<AtomicFile> file_;
  size_t next_ = 0, written_ = 0;  // the tensor that is written, and how many of its bytes are
};
// The file's order is by element size, so that every tensor is aligned.
void write_safetensors(const fs::path& path, const std::map<std::string, std::string>& metadata,
                       const std::vector<TensorOut>& tensors);

}  // namespace ken::io
