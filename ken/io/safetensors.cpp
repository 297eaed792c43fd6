// safetensors, as its reference implementation reads it: u64 header length, a JSON header of at most 100 MB, then
// tensor bytes without gaps, overlaps or a tail. The header goes through a SAX reader, so nothing but its entries is
// built.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>
#include <unordered_set>
#include <utility>

#include "ken/base/error.h"
#include "ken/base/json.h"
#include "ken/io/formats.h"

namespace ken::io {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and copied as it lies");

constexpr uint64_t header_limit = 100'000'000;
constexpr size_t rank_limit = 8;

// The format's dtypes; those without one of ours are listed but not opened.
struct TypeRow {
  std::string_view name;
  uint64_t bytes;
  std::optional<DType> dtype = std::nullopt;
};
constexpr std::array types{
    TypeRow{"F64", 8, DType::f64},
    TypeRow{"F32", 4, DType::f32},
    TypeRow{"F16", 2, DType::f16},
    TypeRow{"BF16", 2, DType::bf16},
    TypeRow{"I64", 8, DType::i64},
    TypeRow{"I32", 4, DType::i32},
    TypeRow{"I16", 2, DType::i16},
    TypeRow{"I8", 1, DType::i8},
    TypeRow{"U8", 1, DType::u8},
    TypeRow{"BOOL", 1, DType::boolean},
    TypeRow{"U16", 2},
    TypeRow{"U32", 4},
    TypeRow{"U64", 8},
    TypeRow{"F8_E4M3", 1},
    TypeRow{"F8_E5M2", 1},
    TypeRow{"F8_E8M0", 1},
    TypeRow{"C64", 8},
};

const TypeRow* type_named(std::string_view name) {
  for (const TypeRow& type : types)
    if (type.name == name) return &type;
  return nullptr;
}

struct Entry {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::array<uint64_t, 2> place{};  // begin, end
  size_t places = 0;                // how many of them were given
  unsigned seen = 0;                // a bit for each of `fields`
};
constexpr std::array<std::string_view, 3> fields{"dtype", "shape", "data_offsets"};

// {"NAME": {"dtype": text, "shape": [..], "data_offsets": [begin, end]}, ..., "__metadata__": {text: text}} and no
// more.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(const std::string& file, Metadata& metadata) : file_(file), metadata_(metadata) {}
  std::vector<Entry> entries;

  bool key(std::string& name) override {
    if (depth_ == 1) {
      in_metadata_ = name == "__metadata__";
      if (in_metadata_ && std::exchange(had_metadata_, true)) refuse("\"__metadata__\" appears twice");
      if (!in_metadata_) begin_entry(name);
    } else if (!in_metadata_) {
      see_field(name);
    } else if (metadata_.has(name)) {
      refuse("the metadata key {} appears twice", shown(name));
    }
    key_ = name;
    return true;
  }
  bool start_object(size_t) override {
    if (depth_ == 2 || in_array_) refuse("{} is nested too deeply", item());
    ++depth_;
    return true;
  }
  bool end_object() override {
    --depth_;
    if (depth_ == 1 && !in_metadata_ && entries.back().seen != 7) {
      refuse("{} lacks one of dtype, shape and data_offsets", item());
    }
    return true;
  }
  bool string(std::string& value) override {
    if (depth_ == 2 && in_metadata_ && !in_array_) {
      if (metadata_.values.size() == most_metadata_keys) refuse("more than {} metadata keys", most_metadata_keys);
      metadata_.values.emplace(key_, value);
    } else if (depth_ == 2 && key_ == "dtype" && !in_array_) {
      entries.back().dtype = value;
    } else {
      unexpected("text");
    }
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || in_array_ || key_ == "dtype") unexpected("a list");
    in_array_ = true;
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    if (key_ == "data_offsets" && entries.back().places != 2) refuse("the data_offsets of {} are not two", item());
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (!in_array_) unexpected("a number");
    Entry& entry = entries.back();
    if (key_ == "data_offsets") {
      if (entry.places == 2) refuse("the data_offsets of {} are not two", item());
      entry.place[entry.places++] = value;
      return true;
    }
    if (entry.shape.size() == rank_limit) refuse("{} has more than {} dimensions", item(), rank_limit);
    if (value > uint64_t(INT64_MAX)) refuse("the shape of {} is too large", item());
    entry.shape.push_back(int64_t(value));
    return true;
  }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a flag"); }
  bool number_integer(int64_t) override { unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { unexpected("a fraction"); }
  bool binary(Json::binary_t&) override { unexpected("bytes"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    refuse("its header is no JSON at byte {}: {}", position + 8, std::string_view(error.what()).substr(0, 160));
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail("safetensors", "{}: {}; the file is damaged", file_, fmt::format(text, std::forward<Args>(args)...));
  }
  [[noreturn]] void unexpected(std::string_view found) const {
    refuse("{} holds {} where none may stand", item(), found);
  }
  std::string item() const {
    if (depth_ == 0 || (depth_ == 1 && entries.empty())) return "the header";
    return in_metadata_ ? "\"__metadata__\"" : "tensor " + shown(entries.back().name);
  }
  void begin_entry(const std::string& name) {
    if (name.size() > longest_tensor_name) refuse("a tensor name is {} bytes long", name.size());
    entries.emplace_back().name = name;
  }

  void see_field(const std::string& name) {
    const auto field = std::find(fields.begin(), fields.end(), name);
    if (field == fields.end()) refuse("{} has the unknown field {}", item(), shown(name));
    const unsigned bit = 1u << (field - fields.begin());
    if (entries.back().seen & bit) refuse("{} has the field {} twice", item(), name);
    entries.back().seen |= bit;
  }

  const std::string& file_;
  Metadata& metadata_;
  std::string key_;
  int depth_ = 0;
  bool in_metadata_ = false, had_metadata_ = false, in_array_ = false;
};

void check_entry(const Entry& entry, uint64_t size, const std::string& file) {
  const uint64_t begin = entry.place[0], end = entry.place[1];
  if (begin > end)
    fail("safetensors", "{}: tensor {} ends before it begins; the file is damaged", file, shown(entry.name));
  if (end > size) {
    fail("safetensors",
         "{}: the bytes of tensor {} end at {} of the data section, which has {}; the file is truncated, "
         "download it again",
         file, shown(entry.name), end, size);
  }
  const auto elements = checked_elements(entry.shape);
  if (!elements) fail("safetensors", "{}: the shape of tensor {} is too large", file, shown(entry.name));
  const TypeRow* type = type_named(entry.dtype);
  if (type && (uint64_t(*elements) > size / type->bytes || uint64_t(*elements) * type->bytes != end - begin)) {
    fail("safetensors", "{}: tensor {} has {} bytes, but its shape and {} need {} x {}; the file is damaged", file,
         shown(entry.name), end - begin, type->name, *elements, type->bytes);
  }
}

// The data section is exactly filled: no gap, no overlap, no tail.
void check_layout(const std::vector<Entry>& entries, uint64_t size, const std::string& file) {
  std::vector<Extent> extents;
  std::unordered_set<std::string_view> names;
  for (const Entry& entry : entries) {
    if (!names.insert(entry.name).second) {
      fail("safetensors", "{}: the tensor {} appears twice; the file is damaged", file, shown(entry.name));
    }
    extents.push_back({entry.name, entry.place[0], entry.place[1]});
  }
  refuse_overlaps(extents, "safetensors", file);
  uint64_t end = 0;
  for (const Extent& extent : extents) {
    if (extent.begin != end) {
      fail("safetensors", "{}: the data bytes {} to {} before tensor {} belong to no tensor; the file is damaged", file,
           end, extent.begin, shown(extent.name));
    }
    end = extent.end;
  }
  if (end != size) fail("safetensors", "{}: {} bytes follow the last tensor; the file is damaged", file, size - end);
}

uint64_t header_length(std::span<const std::byte> bytes, const std::string& file) {
  uint64_t length = 0;
  if (bytes.size() < 8) fail("safetensors", "{}: the file ends inside its first 8 bytes; download it again", file);
  std::memcpy(&length, bytes.data(), 8);
  if (length > header_limit) {
    fail("safetensors", "{}: the header claims {} bytes, the limit is {}; the file is damaged", file, length,
         header_limit);
  }
  if (length > bytes.size() - 8) {
    fail("safetensors",
         "{}: the file ends inside its header of {} bytes, at byte {}; it is truncated, download it again", file,
         length, bytes.size());
  }
  return length;
}

}  // namespace

void read_safetensors(std::span<const std::byte> bytes, TensorFile& file) {
  file.format = "safetensors";
  const uint64_t length = header_length(bytes, file.name);
  HeaderReader reader(file.name, file.metadata);
  const char* begin = reinterpret_cast<const char*>(bytes.data()) + 8;
  if (length == 0 || *begin != '{')
    fail("safetensors", "{}: the header is no JSON object; the file is damaged", file.name);
  Json::sax_parse(begin, begin + length, &reader);
  std::vector<Entry>& entries = reader.entries;
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.place < b.place; });
  const auto data = bytes.subspan(size_t(8 + length));
  for (const Entry& entry : entries) check_entry(entry, data.size(), file.name);
  check_layout(entries, data.size(), file.name);
  for (Entry& entry : entries) {
    const TypeRow* type = type_named(entry.dtype);
    if (!type || !type->dtype) {
      file.unsupported.push_back(
          fmt::format("{}: type {}", entry.name, type ? std::string(type->name) : shown(entry.dtype)));
      continue;
    }
    const auto span = data.subspan(size_t(entry.place[0]), size_t(entry.place[1] - entry.place[0]));
    file.tensors.push_back({std::move(entry.name), *type->dtype, std::move(entry.shape), span});
  }
}

namespace {

const TypeRow& written_type(const TensorOut& tensor) {
  for (const TypeRow& type : types)
    if (type.dtype == tensor.dtype) return type;
  fail("safetensors", "tensor {} is {}, which safetensors cannot hold; write GGUF or widen it", shown(tensor.name),
       dtype_name(tensor.dtype));
}

std::vector<const TensorOut*> in_file_order(const std::vector<TensorOut>& tensors) {
  std::set<std::string_view> names;
  std::vector<const TensorOut*> order;
  for (const TensorOut& tensor : tensors) {
    check_to_write(tensor, "safetensors");
    if (tensor.shape.size() > rank_limit)
      fail("safetensors", "tensor {} has more than {} dimensions", shown(tensor.name), rank_limit);
    if (tensor.name == "__metadata__" || tensor.name.size() > longest_tensor_name) {
      fail("safetensors", "{} cannot be a tensor's name", shown(tensor.name));
    }
    if (!names.insert(tensor.name).second) fail("safetensors", "two tensors are named {}", shown(tensor.name));
    order.push_back(&tensor);
  }
  std::stable_sort(order.begin(), order.end(), [](const TensorOut* a, const TensorOut* b) {
    return written_type(*a).bytes > written_type(*b).bytes;
  });
  return order;
}

std::string json_text(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    fail("safetensors", "{} is not UTF-8 and cannot stand in the header", shown(text));
  }
}

std::string header(const std::map<std::string, std::string>& metadata, const std::vector<const TensorOut*>& tensors) {
  std::string text;
  const auto add = [&](const std::string& entry) { text += (text.empty() ? "{" : ",") + entry; };
  if (!metadata.empty()) {
    std::string pairs;
    for (const auto& [key, value] : metadata) {
      pairs += (pairs.empty() ? "" : ",") + json_text(key) + ":" + json_text(value);
    }
    add("\"__metadata__\":{" + pairs + "}");
  }
  uint64_t offset = 0;
  for (const TensorOut* tensor : tensors) {
    const uint64_t end = offset + tensor->bytes.size();
    add(fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}", json_text(tensor->name),
                    written_type(*tensor).name, Json(tensor->shape).dump(), offset, end));
    offset = end;
  }
  text += text.empty() ? "{}" : "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins aligned
  if (text.size() > header_limit)
    fail("safetensors", "the header would have {} bytes, the limit is {}", text.size(), header_limit);
  return text;
}

}  // namespace

void write_safetensors(const fs::path& path, const std::map<std::string, std::string>& metadata,
                       const std::vector<TensorOut>& tensors) {
  const auto order = in_file_order(tensors);
  const std::string head = header(metadata, order);
  const uint64_t length = head.size();
  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(head);
  for (const TensorOut* tensor : order) file.write(tensor->bytes.data(), tensor->bytes.size());
  file.commit();
}

}  // namespace ken::io
