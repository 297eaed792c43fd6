// Tensor files whatever their format: the dtype table, metadata access, the index of names, and which reader a file
// gets.
#include "ken/io/tensors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ken/base/error.h"
#include "ken/io/formats.h"

namespace ken::io {
namespace {

struct PlainType {
  DType dtype;
  TypeSize row;
};
constexpr std::array plain_types{
    PlainType{DType::f32, {"F32", 1, 4}},   PlainType{DType::f16, {"F16", 1, 2}},
    PlainType{DType::bf16, {"BF16", 1, 2}}, PlainType{DType::f64, {"F64", 1, 8}},
    PlainType{DType::i8, {"I8", 1, 1}},     PlainType{DType::i16, {"I16", 1, 2}},
    PlainType{DType::i32, {"I32", 1, 4}},   PlainType{DType::i64, {"I64", 1, 8}},
    PlainType{DType::u8, {"U8", 1, 1}},     PlainType{DType::boolean, {"BOOL", 1, 1}},
};

TypeSize row(DType dtype) {
  if (const auto found = find_type(dtype)) return *found;
  fail("tensors", "{} is no dtype", uint32_t(dtype));
}

std::string_view kind(const MetaValue& value) {
  static constexpr std::array<std::string_view, 9> kinds{
      "a flag",          "an integer",     "an integer", "a number", "text", "a list of integers", "a list of numbers",
      "a list of texts", "a list of flags"};
  static_assert(kinds.size() == std::variant_size_v<MetaValue>);
  return kinds[value.index()];
}

const MetaValue& required(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.values.find(key);
  if (found == metadata.values.end()) {
    fail("metadata", "{}: the key '{}' is missing; the file is incomplete or of another kind", metadata.name, key);
  }
  return found->second;
}

[[noreturn]] void wrong_kind(const Metadata& metadata, const std::string& key, std::string_view wanted) {
  fail("metadata", "{}: the key '{}' must be {}, but the file has {}", metadata.name, key, wanted,
       kind(required(metadata, key)));
}

template <typename T>
const T& required_as(const Metadata& metadata, const std::string& key, std::string_view wanted) {
  if (const T* value = std::get_if<T>(&required(metadata, key))) return *value;
  wrong_kind(metadata, key, wanted);
}

bool begins(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

// A file cut short inside its magic is still named for what it was.
bool is_gguf(std::span<const std::byte> bytes) {
  const size_t n = std::min<size_t>(bytes.size(), 4);
  return n > 0 && std::memcmp(bytes.data(), "GGUF", n) == 0;
}

// Eight bytes of length, which text never looks like, then a JSON object; a file cut after the length is still named.
bool is_safetensors(std::span<const std::byte> bytes) {
  if (bytes.size() < 8) return false;
  uint64_t header;
  std::memcpy(&header, bytes.data(), 8);
  return header > 0 && header >> 40 == 0 && (bytes.size() == 8 || bytes[8] == std::byte{'{'});
}

[[noreturn]] void refuse_unknown(std::span<const std::byte> bytes, const std::string& name) {
  struct Known {
    std::string_view magic, advice;
  };
  static constexpr std::array known{
      Known{"PK\3\4", "a zip archive, such as a PyTorch checkpoint or an npz; convert it to safetensors"},
      Known{"\x80\2", "a Python pickle, which can run code and is never opened; convert it to safetensors"},
      Known{"\x93NUMPY", "a NumPy array; convert it to safetensors"},
      Known{"version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"},
      Known{"lmgg", "a file from before GGUF; convert it with llama.cpp"},
      Known{"tjgg", "a file from before GGUF; convert it with llama.cpp"},
      Known{"fmgg", "a file from before GGUF; convert it with llama.cpp"},
      Known{"PAR1", "a Parquet table; tensors are read from GGUF and safetensors"},
      Known{"{", "JSON text; open the model's folder or its .safetensors file"},
      Known{"<", "a web page or XML, not a model; download the file again"},
  };
  if (bytes.empty()) fail("tensors", "{} is empty; download it again", name);
  for (const Known& entry : known)
    if (begins(bytes, entry.magic)) fail("tensors", "{} is {}", name, entry.advice);
  fail("tensors", "{} ({} bytes) is neither GGUF nor safetensors", name, bytes.size());
}

std::shared_ptr<TensorFile> open_bytes(std::span<const std::byte> bytes, const std::string& name) {
  auto file = std::make_shared<TensorFile>();
  file->name = file->metadata.name = name;
  if (is_gguf(bytes)) {
    read_gguf(bytes, *file);
  } else if (is_safetensors(bytes)) {
    read_safetensors(bytes, *file);
  } else {
    refuse_unknown(bytes, name);
  }
  file->index();
  return file;
}

}  // namespace

std::optional<TypeSize> find_type(DType dtype) {
  for (const PlainType& plain : plain_types)
    if (plain.dtype == dtype) return plain.row;
  const quant::Format* format = format_of(dtype);
  if (!format) return std::nullopt;
  return TypeSize{format->card.title, format->block, format->bytes};
}

const quant::Format* format_of(DType dtype) { return quant::find_format(uint32_t(dtype)); }

std::string_view dtype_name(DType dtype) { return row(dtype).name; }

int64_t block_of(DType dtype) { return row(dtype).block; }

size_t bytes_of(DType dtype, int64_t elements) {
  const TypeSize type = row(dtype);
  size_t bytes = 0;
  if (elements < 0 || elements % type.block != 0) {
    fail("tensors", "{} elements of {} do not fill blocks of {}", elements, type.name, type.block);
  }
  if (__builtin_mul_overflow(size_t(elements / type.block), type.bytes, &bytes) || bytes > size_t(INT64_MAX)) {
    fail("tensors", "{} elements of {} are more bytes than can be counted", elements, type.name);
  }
  return bytes;
}

int64_t TensorInfo::elements() const { return checked_elements(shape).value_or(0); }

std::string Metadata::text(const std::string& key) const { return required_as<std::string>(*this, key, "text"); }
std::string Metadata::text(const std::string& key, std::string standard) const {
  return has(key) ? text(key) : standard;
}

int64_t Metadata::integer(const std::string& key) const {
  const MetaValue& value = required(*this, key);
  if (const auto* v = std::get_if<int64_t>(&value)) return *v;
  const auto* v = std::get_if<uint64_t>(&value);
  if (!v) wrong_kind(*this, key, "an integer");
  if (*v > uint64_t(INT64_MAX)) fail("metadata", "{}: the key '{}' is {}, past 2^63 - 1", name, key, *v);
  return int64_t(*v);
}
int64_t Metadata::integer(const std::string& key, int64_t standard) const { return has(key) ? integer(key) : standard; }

double Metadata::number(const std::string& key) const {
  const MetaValue& value = required(*this, key);
  if (const auto* v = std::get_if<double>(&value)) return *v;
  if (const auto* v = std::get_if<int64_t>(&value)) return double(*v);
  if (const auto* v = std::get_if<uint64_t>(&value)) return double(*v);
  wrong_kind(*this, key, "a number");
}
double Metadata::number(const std::string& key, double standard) const { return has(key) ? number(key) : standard; }

bool Metadata::flag(const std::string& key, bool standard) const {
  return has(key) ? required_as<bool>(*this, key, "a flag") : standard;
}

const std::vector<std::string>& Metadata::texts(const std::string& key) const {
  return required_as<std::vector<std::string>>(*this, key, "a list of texts");
}

std::vector<double> Metadata::numbers(const std::string& key) const {
  const MetaValue& value = required(*this, key);
  if (const auto* v = std::get_if<std::vector<double>>(&value)) return *v;
  if (const auto* v = std::get_if<std::vector<int64_t>>(&value)) return {v->begin(), v->end()};
  wrong_kind(*this, key, "a list of numbers");
}

std::vector<int64_t> Metadata::integers(const std::string& key) const {
  return required_as<std::vector<int64_t>>(*this, key, "a list of integers");
}

void TensorFile::index() {
  index_.clear();
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!index_.emplace(tensors[i].name, i).second) {
      fail(format, "{}: the tensor {} appears twice; the file is damaged", name, shown(tensors[i].name));
    }
  }
}

const TensorInfo* TensorFile::find(std::string_view tensor) const {
  const auto found = index_.find(tensor);
  return found == index_.end() ? nullptr : &tensors[found->second];
}

const TensorInfo& TensorFile::at(std::string_view tensor) const {
  if (const TensorInfo* found = find(tensor)) return *found;
  const std::string prefix = std::string(tensor) + ": type ";
  for (const std::string& entry : unsupported) {
    if (entry.compare(0, prefix.size(), prefix) != 0) continue;
    fail(format, "{}: the tensor {} is of type {}, which is not supported; convert the file to one of {}", name,
         shown(tensor), entry.substr(prefix.size()), fmt::join(weight_types(), ", "));
  }
  constexpr size_t most = 10000;  // a search for near names over more would be felt
  std::vector<std::string> known;
  for (size_t i = 0; i < std::min(tensors.size(), most); ++i) known.push_back(tensors[i].name);
  fail(format, "{}: {}", name, unknown_name("tensor", tensor, known));
}

std::shared_ptr<const TensorFile> open_tensors(const fs::path& path) {
  const auto mapping = std::make_shared<const MappedFile>(path);
  auto file = open_bytes(mapping->bytes(), path.string());
  file->owner = mapping;
  return file;
}

std::shared_ptr<const TensorFile> open_tensors(std::span<const std::byte> bytes, const std::string& name) {
  return open_bytes(bytes, name);
}

// Shared by the formats.

std::string shown(std::string_view name) {
  constexpr size_t most = 80;
  std::string result = "'";
  for (const char c : name.substr(0, most)) result += static_cast<unsigned char>(c) < 32 ? '?' : c;
  return result + (name.size() > most ? "...'" : "'");
}

void refuse_overlaps(std::vector<Extent>& extents, std::string_view format, const std::string& file) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  for (size_t i = 1; i < extents.size(); ++i) {
    const Extent &before = extents[i - 1], &after = extents[i];
    if (before.end <= after.begin) continue;
    fail(format, "{}: the tensors {} and {} overlap (data bytes {} to {} and {} to {}); the file is damaged", file,
         shown(before.name), shown(after.name), before.begin, before.end, after.begin, after.end);
  }
}

std::optional<int64_t> checked_elements(std::span<const int64_t> shape) {
  int64_t product = 1;
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      empty = true;  // the other dimensions are still checked: strides are computed from them
    } else if (__builtin_mul_overflow(product, size, &product)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : product;
}

size_t bytes_to_write(const TensorShape& tensor, std::string_view format) {
  const auto elements = checked_elements(tensor.shape);
  if (!elements) fail(format, "the shape of tensor {} is negative or too large", shown(tensor.name));
  const int64_t block = block_of(tensor.dtype);
  if (block > 1 && (tensor.shape.empty() || tensor.shape.back() % block != 0)) {
    fail(format, "the rows of tensor {} do not fill blocks of {} ({})", shown(tensor.name), block,
         dtype_name(tensor.dtype));
  }
  return bytes_of(tensor.dtype, *elements);
}

void check_to_write(const TensorOut& tensor, std::string_view format) {
  const size_t wanted = bytes_to_write({tensor.name, tensor.dtype, tensor.shape}, format);
  if (wanted != tensor.bytes.size()) {
    fail(format, "tensor {} is given {} bytes, but its shape and {} need {}", shown(tensor.name), tensor.bytes.size(),
         dtype_name(tensor.dtype), wanted);
  }
}

}  // namespace ken::io
