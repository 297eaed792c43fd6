// GGUF: reads versions 2 and 3, writes version 3 (ggml/docs/gguf.md). The header is parsed with every count checked
// against the bytes that remain; tensor bytes are never touched, only their place is checked.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <type_traits>
#include <unordered_set>

#include "ken/base/error.h"
#include "ken/io/formats.h"

namespace ken::io {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF numbers are copied as they lie in the file");

constexpr uint64_t gguf_header_limit = 100'000'000;  // real headers hold a vocabulary: some 10 MB
constexpr uint32_t standard_alignment = 32;
constexpr size_t longest_written_name = 63;  // ggml refuses longer ones

enum ValueType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

// ggml's other tensor types: listed by name and size, so that a file is checked whole, but not opened.
struct ClosedType {
  uint32_t id;
  TypeSize row;
};
constexpr std::array closed_types{
    ClosedType{9, {"Q8_1", 32, 36}},      ClosedType{10, {"Q2_K", 256, 84}},    ClosedType{11, {"Q3_K", 256, 110}},
    ClosedType{15, {"Q8_K", 256, 292}},   ClosedType{16, {"IQ2_XXS", 256, 66}}, ClosedType{17, {"IQ2_XS", 256, 74}},
    ClosedType{18, {"IQ3_XXS", 256, 98}}, ClosedType{19, {"IQ1_S", 256, 50}},   ClosedType{20, {"IQ4_NL", 32, 18}},
    ClosedType{21, {"IQ3_S", 256, 110}},  ClosedType{22, {"IQ2_S", 256, 82}},   ClosedType{23, {"IQ4_XS", 256, 136}},
    ClosedType{29, {"IQ1_M", 256, 56}},   ClosedType{34, {"TQ1_0", 256, 54}},   ClosedType{35, {"TQ2_0", 256, 66}},
    ClosedType{39, {"MXFP4", 32, 17}},
};

// The types that GGUF has and that are opened.
std::optional<TypeSize> open_type(uint32_t id) {
  return id < uint32_t(DType::u8) ? find_type(DType(id)) : std::nullopt;
}

std::optional<TypeSize> known_type(uint32_t id) {
  for (const ClosedType& type : closed_types)
    if (type.id == id) return type.row;
  return open_type(id);
}

// Reads forward through the header. `item` is what is being read, for the error of a file that ends too soon.
class GgufReader {
 public:
  GgufReader(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::string item = "the file header";

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail("gguf", "{}: {} (at byte {})", file_, fmt::format(text, std::forward<Args>(args)...), offset_);
  }

  // The next `count` units of `unit` bytes exist and the header stays within its limit; nothing is allocated before.
  void need(uint64_t count, uint64_t unit = 1) const {
    if (count > remaining() / unit) {
      refuse("the file ends inside {}: {} x {} bytes are needed and {} remain; it is truncated, download it again",
             item, count, unit, remaining());
    }
    if (offset_ + count * unit > gguf_header_limit)
      refuse("{} takes the header past {} bytes; it is damaged", item, gguf_header_limit);
  }

  template <typename T>
  T number() {
    T value;
    copy(&value, 1);
    return value;
  }
  template <typename T>
  void copy(T* out, uint64_t count) {
    need(count, sizeof(T));
    if (count > 0) std::memcpy(out, bytes_.data() + offset_, count * sizeof(T));
    offset_ += count * sizeof(T);
  }
  std::string string() {
    const auto length = number<uint64_t>();
    need(length);
    std::string value(reinterpret_cast<const char*>(bytes_.data()) + offset_, size_t(length));
    offset_ += length;
    return value;
  }
  bool flag() {
    const auto value = number<uint8_t>();
    if (value > 1) refuse("{} is a flag of value {}, neither 0 nor 1; the file is damaged", item, value);
    return value == 1;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& file_;
  uint64_t offset_ = 0;
};

// Calls f with a value of the C++ type of a numeric value type; false when the type is no number.
template <typename F>
bool with_number(uint32_t type, F f) {
  const auto taken = [&](uint32_t number, auto zero) {
    if (type == number) f(zero);
    return type == number;
  };
  return taken(u8, uint8_t{}) || taken(i8, int8_t{}) || taken(u16, uint16_t{}) || taken(i16, int16_t{}) ||
         taken(u32, uint32_t{}) || taken(i32, int32_t{}) || taken(u64, uint64_t{}) || taken(i64, int64_t{}) ||
         taken(f32, float{}) || taken(f64, double{});
}

template <typename T>
constexpr bool past_int64(T value) {
  if constexpr (std::is_same_v<T, uint64_t>) return value > uint64_t(std::numeric_limits<int64_t>::max());
  return false;
}

template <typename T>
MetaValue widen(T value) {
  if constexpr (std::is_floating_point_v<T>) return double(value);
  return past_int64(value) ? MetaValue(uint64_t(value)) : MetaValue(int64_t(value));
}

template <typename T>
MetaValue number_array(GgufReader& in, uint64_t count) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
  in.need(count, sizeof(T));
  std::vector<T> raw(static_cast<size_t>(count));
  in.copy(raw.data(), count);
  for (const T value : raw)
    if (past_int64(value)) in.refuse("{} holds {}, which is past 2^63 - 1", in.item, value);
  return std::vector<Wide>(raw.begin(), raw.end());
}

MetaValue read_array(GgufReader& in) {
  const auto type = in.number<uint32_t>();
  const auto count = in.number<uint64_t>();
  MetaValue result;
  if (with_number(type, [&](auto zero) { result = number_array<decltype(zero)>(in, count); })) return result;
  if (type == text) {
    in.need(count, 8);  // each text has at least its length
    std::vector<std::string> values;
    for (uint64_t i = 0; i < count; ++i) values.push_back(in.string());
    return values;
  }
  if (type == boolean) {
    in.need(count);
    std::vector<bool> values;
    for (uint64_t i = 0; i < count; ++i) values.push_back(in.flag());
    return values;
  }
  if (type == array) in.refuse("{} is an array of arrays, which is not read", in.item);
  in.refuse("{} is an array of the unknown type {}; the file is damaged or newer than this program", in.item, type);
}

MetaValue read_value(GgufReader& in) {
  const auto type = in.number<uint32_t>();
  MetaValue result;
  if (with_number(type, [&](auto zero) { result = widen(in.number<decltype(zero)>()); })) return result;
  if (type == text) return in.string();
  if (type == boolean) return in.flag();
  if (type == array) return read_array(in);
  in.refuse("{} has the unknown type {}; the file is damaged or newer than this program", in.item, type);
}

void read_metadata(GgufReader& in, uint64_t count, Metadata& metadata) {
  in.item = "the metadata";
  if (count > most_metadata_keys) in.refuse("the metadata has {} keys, the limit is {}", count, most_metadata_keys);
  in.need(count, 8 + 4 + 1);  // a key's length, a type, a byte
  for (uint64_t i = 0; i < count; ++i) {
    in.item = fmt::format("metadata key {} of {}", i + 1, count);
    std::string key = in.string();
    in.item = fmt::format("the value of metadata key {}", shown(key));
    if (metadata.has(key)) in.refuse("the metadata key {} appears twice; the file is damaged", shown(key));
    metadata.values.emplace(std::move(key), read_value(in));
  }
}

uint64_t read_alignment(const GgufReader& in, const Metadata& metadata) {
  if (!metadata.has("general.alignment")) return standard_alignment;
  const int64_t alignment = metadata.integer("general.alignment");
  if (alignment <= 0 || alignment > (int64_t{1} << 30) || !std::has_single_bit(uint64_t(alignment))) {
    in.refuse("general.alignment is {}, not a power of two up to 2^30", alignment);
  }
  return uint64_t(alignment);
}

// One entry of the tensor table, before its place in the file is known.
struct TableEntry {
  std::string name;
  std::vector<int64_t> shape;  // outermost first
  uint32_t type = 0;
  uint64_t offset = 0, bytes = 0;  // in the data section; 0 bytes when the type is unknown
};

std::vector<int64_t> read_shape(GgufReader& in) {
  const auto rank = in.number<uint32_t>();
  if (rank > 4) in.refuse("{} has {} dimensions, more than 4; the file is damaged", in.item, rank);
  std::vector<int64_t> shape(rank);
  in.copy(shape.data(), rank);
  std::reverse(shape.begin(), shape.end());
  if (!checked_elements(shape)) in.refuse("the shape of {} is negative or too large; the file is damaged", in.item);
  return shape;
}

uint64_t entry_bytes(const GgufReader& in, const TableEntry& entry) {
  const auto type = known_type(entry.type);
  if (!type) return 0;
  const int64_t elements = *checked_elements(entry.shape);
  const int64_t row = entry.shape.empty() ? 1 : entry.shape.back();
  if (row % type->block != 0) {
    in.refuse("rows of {} elements do not fill the blocks of {} ({}) of {}", row, type->block, type->name, in.item);
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(uint64_t(elements / type->block), type->bytes, &bytes) || bytes > uint64_t(INT64_MAX)) {
    in.refuse("the shape of {} is too large; the file is damaged", in.item);
  }
  return bytes;
}

std::vector<TableEntry> read_table(GgufReader& in, uint64_t count, uint64_t alignment) {
  in.item = "the tensor table";
  in.need(count, 8 + 4 + 4 + 8);
  std::vector<TableEntry> table;
  for (uint64_t i = 0; i < count; ++i) {
    TableEntry entry;
    in.item = fmt::format("tensor {} of {}", i + 1, count);
    entry.name = in.string();
    if (entry.name.size() > longest_tensor_name)
      in.refuse("the name of {} is {} bytes long", in.item, entry.name.size());
    in.item = fmt::format("tensor {}", shown(entry.name));
    entry.shape = read_shape(in);
    entry.type = in.number<uint32_t>();
    entry.offset = in.number<uint64_t>();
    if (entry.offset % alignment != 0) {
      in.refuse("the offset {} of {} is no multiple of the alignment {}", entry.offset, in.item, alignment);
    }
    entry.bytes = entry_bytes(in, entry);
    table.push_back(std::move(entry));
  }
  return table;
}

// Every tensor lies inside the file and none shares bytes with another, of a supported type or not.
void check_places(const std::vector<TableEntry>& table, uint64_t data, uint64_t size, const std::string& file) {
  std::vector<Extent> extents;
  std::unordered_set<std::string_view> names;
  for (const TableEntry& entry : table) {
    const uint64_t room = size > data ? size - data : 0;
    if (entry.offset > room || entry.bytes > room - entry.offset) {
      fail("gguf",
           "{}: the bytes of tensor {} ({} at {} of the data section, which begins at byte {}) pass the end of the "
           "file at {}; it is truncated, download it again",
           file, shown(entry.name), entry.bytes, entry.offset, data, size);
    }
    if (!names.insert(entry.name).second) {
      fail("gguf", "{}: the tensor {} appears twice; the file is damaged", file, shown(entry.name));
    }
    extents.push_back({entry.name, entry.offset, entry.offset + entry.bytes});
  }
  refuse_overlaps(extents, "gguf", file);
}

void check_version(const GgufReader& in, uint32_t version) {
  if (version == 2 || version == 3) return;
  if (version == 1) in.refuse("GGUF version 1 is not read; convert the file with a current llama.cpp");
  if (version != 0 && version << 16 == 0) in.refuse("the file is big-endian; convert it to little-endian");
  in.refuse("GGUF version {} is not known; versions 2 and 3 are", version);
}

}  // namespace

void read_gguf(std::span<const std::byte> bytes, TensorFile& file) {
  file.format = "gguf";
  GgufReader in(bytes, file.name);
  in.number<uint32_t>();  // the magic, seen by the caller
  check_version(in, in.number<uint32_t>());
  const auto tensors = in.number<uint64_t>();
  const auto keys = in.number<uint64_t>();
  read_metadata(in, keys, file.metadata);
  const uint64_t alignment = read_alignment(in, file.metadata);
  std::vector<TableEntry> table = read_table(in, tensors, alignment);
  const uint64_t data = (in.offset() + alignment - 1) / alignment * alignment;
  check_places(table, data, bytes.size(), file.name);
  for (TableEntry& entry : table) {
    if (!open_type(entry.type)) {
      const auto type = known_type(entry.type);
      const std::string name = type ? std::string(type->name) : std::to_string(entry.type);
      file.unsupported.push_back(fmt::format("{}: type {}", entry.name, name));
      continue;
    }
    // An empty tensor may stand at the end of a file that has no data section.
    const auto span =
        entry.bytes == 0 ? bytes.first(0) : bytes.subspan(size_t(data + entry.offset), size_t(entry.bytes));
    file.tensors.push_back({std::move(entry.name), DType(entry.type), std::move(entry.shape), span});
  }
}

// Writing.
namespace {

class Writer {
 public:
  std::string bytes;

  template <typename T>
  void number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void string(std::string_view value) {
    number(uint64_t(value.size()));
    bytes += value;
  }
  void pad(size_t alignment) { bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0'); }
};

template <typename T>
bool fits_type(int64_t value) {
  return value >= int64_t(std::numeric_limits<T>::min()) && value <= int64_t(std::numeric_limits<T>::max());
}
bool is_float(double value) { return value != value || double(float(value)) == value; }

struct ValueWriter {
  Writer& out;

  template <typename T>
  void typed(ValueType type, T value) const {
    out.number(uint32_t(type));
    out.number(value);
  }
  void begin_array(ValueType type, size_t count) const {
    out.number(uint32_t(array));
    out.number(uint32_t(type));
    out.number(uint64_t(count));
  }
  template <typename Narrow, typename Wide>
  void numbers(const std::vector<Wide>& values, bool narrow, ValueType narrow_type, ValueType wide_type) const {
    begin_array(narrow ? narrow_type : wide_type, values.size());
    for (const Wide value : values) narrow ? out.number(Narrow(value)) : out.number(value);
  }

  void operator()(bool value) const { typed(boolean, uint8_t(value)); }
  void operator()(int64_t value) const {
    if (fits_type<uint32_t>(value)) return typed(u32, uint32_t(value));
    fits_type<int32_t>(value) ? typed(i32, int32_t(value)) : typed(i64, value);
  }
  void operator()(uint64_t value) const {
    value <= std::numeric_limits<uint32_t>::max() ? typed(u32, uint32_t(value)) : typed(u64, value);
  }
  void operator()(double value) const { is_float(value) ? typed(f32, float(value)) : typed(f64, value); }
  void operator()(const std::string& value) const {
    out.number(uint32_t(text));
    out.string(value);
  }
  void operator()(const std::vector<int64_t>& values) const {
    numbers<int32_t>(values, std::all_of(values.begin(), values.end(), fits_type<int32_t>), i32, i64);
  }
  void operator()(const std::vector<double>& values) const {
    numbers<float>(values, std::all_of(values.begin(), values.end(), is_float), f32, f64);
  }
  void operator()(const std::vector<std::string>& values) const {
    begin_array(text, values.size());
    for (const auto& value : values) out.string(value);
  }
  void operator()(const std::vector<bool>& values) const {
    begin_array(boolean, values.size());
    for (const bool value : values) out.number(uint8_t(value));
  }
};

uint32_t gguf_type(std::string_view tensor, DType dtype) {
  if (open_type(uint32_t(dtype))) return uint32_t(dtype);
  fail("gguf", "tensor {} is {}, which GGUF cannot hold; convert it to I8 or F32", shown(tensor), dtype_name(dtype));
}

void check_tensors(const std::vector<TensorShape>& tensors) {
  std::set<std::string_view> names;
  for (const TensorShape& tensor : tensors) {
    bytes_to_write(tensor, "gguf");
    if (tensor.shape.size() > 4) fail("gguf", "tensor {} has more than 4 dimensions", shown(tensor.name));
    if (tensor.name.size() > longest_written_name) {
      fail("gguf", "the name {} is longer than {} bytes", shown(tensor.name), longest_written_name);
    }
    if (!names.insert(tensor.name).second) fail("gguf", "two tensors are named {}", shown(tensor.name));
  }
}

size_t padded(size_t size) { return (size + standard_alignment - 1) / standard_alignment * standard_alignment; }

std::string gguf_header(const Metadata& metadata, const std::vector<TensorShape>& tensors) {
  Writer out;
  out.bytes = "GGUF";
  out.number(uint32_t{3});
  out.number(uint64_t(tensors.size()));
  out.number(uint64_t(metadata.values.size() - metadata.values.count("general.alignment")));
  for (const auto& [key, value] : metadata.values) {
    if (key == "general.alignment") continue;  // of the file the metadata came from; here it is the standard
    out.string(key);
    std::visit(ValueWriter{out}, value);
  }
  uint64_t offset = 0;
  for (const TensorShape& tensor : tensors) {
    out.string(tensor.name);
    out.number(uint32_t(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size) out.number(*size);
    out.number(gguf_type(tensor.name, tensor.dtype));
    out.number(offset);
    offset += padded(bytes_to_write(tensor, "gguf"));
  }
  out.pad(standard_alignment);
  return out.bytes;
}

}  // namespace

GgufWriter::GgufWriter(const fs::path& path, const Metadata& metadata, std::vector<TensorShape> tensors)
    : tensors_(std::move(tensors)) {
  check_tensors(tensors_);
  const std::string head = gguf_header(metadata, tensors_);
  file_.emplace(path);
  file_->write(head);
}

void GgufWriter::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (next_ == tensors_.size()) fail("gguf", "{} bytes are left after the last tensor", bytes.size());
    const size_t whole = bytes_to_write(tensors_[next_], "gguf"), part = std::min(bytes.size(), whole - written_);
    file_->write(bytes.data(), part);
    bytes = bytes.subspan(part);
    written_ += part;
    if (written_ < whole) return;
    file_->write(std::string(padded(whole) - whole, '\0'));
    ++next_, written_ = 0;
  }
}

void GgufWriter::commit() {
  while (next_ < tensors_.size() && written_ == 0 && bytes_to_write(tensors_[next_], "gguf") == 0) ++next_;
  if (next_ < tensors_.size()) fail("gguf", "tensor {} was not given all its bytes", shown(tensors_[next_].name));
  file_->commit();
}

void write_gguf(const fs::path& path, const Metadata& metadata, const std::vector<TensorOut>& tensors) {
  std::vector<TensorShape> shapes;
  for (const TensorOut& tensor : tensors) {
    check_to_write(tensor, "gguf");
    shapes.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  GgufWriter file(path, metadata, std::move(shapes));
  for (const TensorOut& tensor : tensors) file.append(tensor.bytes);
  file.commit();
}

}  // namespace ken::io
