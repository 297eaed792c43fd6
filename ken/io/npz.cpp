// Zip as far as numpy writes it: the central directory at the end names the members; each has a local header before its
// bytes. ZIP64 extra fields are read where a size needs them. Formats: PKWARE's APPNOTE, NumPy's NEP 1.
#include "ken/io/npz.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "ken/base/error.h"
#include "ken/io/formats.h"

namespace ken::io {
namespace {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian and copied as they lie");

constexpr uint32_t end_mark = 0x06054b50, end64_mark = 0x06064b50, locator_mark = 0x07064b50, central_mark = 0x02014b50,
                   local_mark = 0x04034b50;
constexpr uint64_t most_bytes = uint64_t{1} << 36;  // of all arrays together
constexpr uint64_t most_ratio = 1100;               // deflate gives at most 1032 bytes for one
constexpr size_t most_members = 4096, most_header = 1 << 16, most_dimensions = 8;

// Bytes with a bound: every read says what it was for.
struct ZipReader {
  std::span<const std::byte> bytes;
  const std::string& name;

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail("npz", "{}: {}; the file is damaged or no NumPy archive", name,
         fmt::format(text, std::forward<Args>(args)...));
  }
  std::span<const std::byte> part(uint64_t at, uint64_t size, const char* what) const {
    if (at > bytes.size() || size > bytes.size() - at) refuse("{} ends beyond the file's {} bytes", what, bytes.size());
    return bytes.subspan(size_t(at), size_t(size));
  }
  template <typename T>
  T number(uint64_t at, const char* what) const {
    T value;
    std::memcpy(&value, part(at, sizeof(T), what).data(), sizeof(T));
    return value;
  }
};

struct Member {
  std::string name;
  uint16_t method = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, header = 0;
};

struct Directory {
  uint64_t count = 0, size = 0, begin = 0;
};

Directory directory_of(const ZipReader& file) {
  constexpr uint64_t length = 22, longest_comment = 0xffff;
  const uint64_t total = file.bytes.size();
  if (total < length) file.refuse("it has {} bytes", total);
  for (uint64_t at = total - length + 1; at-- > 0 && total - at <= length + longest_comment;) {
    if (file.number<uint32_t>(at, "its end record") != end_mark) continue;
    Directory d{file.number<uint16_t>(at + 10, "a count"), file.number<uint32_t>(at + 12, "a size"),
                file.number<uint32_t>(at + 16, "an offset")};
    if (d.count == 0xffff || d.size == 0xffffffff || d.begin == 0xffffffff) {
      if (at < 20 || file.number<uint32_t>(at - 20, "a locator") != locator_mark)
        file.refuse("it lacks ZIP64's locator");
      const auto end = file.number<uint64_t>(at - 12, "an offset");
      if (file.number<uint32_t>(end, "ZIP64's end record") != end64_mark) file.refuse("it lacks ZIP64's end record");
      d = {file.number<uint64_t>(end + 32, "a count"), file.number<uint64_t>(end + 40, "a size"),
           file.number<uint64_t>(end + 48, "an offset")};
    }
    if (d.count > most_members) file.refuse("it names {} members, more than {}", d.count, most_members);
    file.part(d.begin, d.size, "the directory");
    return d;
  }
  file.refuse("it has no end record of a zip");
}

// Sizes and the offset that stand in ZIP64's extra field where the plain ones are full.
void read_extra(const ZipReader& file, uint64_t at, uint64_t length, Member& member) {
  for (const uint64_t end = at + length; at + 4 <= end;) {
    const auto kind = file.number<uint16_t>(at, "an extra field"),
               size = file.number<uint16_t>(at + 2, "an extra field");
    if (kind == 1) {
      uint64_t from = at + 4;
      for (uint64_t* value : {&member.size, &member.packed, &member.header}) {
        if (*value != 0xffffffff) continue;
        if (from + 8 > at + 4 + size) file.refuse("a ZIP64 field is too short");
        *value = file.number<uint64_t>(from, "a ZIP64 field");
        from += 8;
      }
    }
    at += 4 + uint64_t(size);
  }
}

std::vector<Member> members_of(const ZipReader& file) {
  const Directory d = directory_of(file);
  std::vector<Member> members;
  uint64_t at = d.begin, total = 0;
  for (uint64_t i = 0; i < d.count; ++i) {
    if (file.number<uint32_t>(at, "a directory entry") != central_mark) file.refuse("entry {} has another mark", i);
    const auto flags = file.number<uint16_t>(at + 8, "flags");
    Member m;
    m.method = file.number<uint16_t>(at + 10, "a method");
    m.crc = file.number<uint32_t>(at + 16, "a checksum");
    m.packed = file.number<uint32_t>(at + 20, "a size");
    m.size = file.number<uint32_t>(at + 24, "a size");
    const auto name = file.number<uint16_t>(at + 28, "a length"), extra = file.number<uint16_t>(at + 30, "a length"),
               comment = file.number<uint16_t>(at + 32, "a length");
    m.header = file.number<uint32_t>(at + 42, "an offset");
    const auto text = file.part(at + 46, name, "a name");
    m.name.assign(reinterpret_cast<const char*>(text.data()), text.size());
    read_extra(file, at + 46 + name, extra, m);
    if (flags & 1) file.refuse("{} is encrypted", shown(m.name));
    if (m.size > most_bytes || (total += m.size) > most_bytes)
      file.refuse("its arrays would take more than {} bytes", most_bytes);
    if (m.method == 8 && m.size / most_ratio > m.packed) file.refuse("{} claims to be {} bytes", shown(m.name), m.size);
    members.push_back(std::move(m));
    at += 46 + uint64_t(name) + extra + comment;
  }
  return members;
}

std::vector<std::byte> inflated(const ZipReader& file, const Member& m, std::span<const std::byte> packed) {
  std::vector<std::byte> out(size_t(m.size));
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail("npz", "{}: zlib cannot start", file.name);
  const auto* in = reinterpret_cast<const Bytef*>(packed.data());
  size_t read = 0, written = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    constexpr size_t piece = size_t{1} << 30;
    Bytef none = 0;  // zlib wants a place even where nothing is to be written
    stream.next_in = const_cast<Bytef*>(in) + read;
    stream.avail_in = uInt(std::min(packed.size() - read, piece));
    stream.next_out = out.empty() ? &none : reinterpret_cast<Bytef*>(out.data()) + written;
    stream.avail_out = uInt(std::min(out.size() - written, piece));
    const uInt had_in = stream.avail_in, had_out = stream.avail_out;
    state = inflate(&stream, Z_NO_FLUSH);
    read += had_in - stream.avail_in;
    written += had_out - stream.avail_out;
    if (state == Z_OK && had_in == stream.avail_in && had_out == stream.avail_out) state = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || written != out.size()) file.refuse("{} cannot be inflated", shown(m.name));
  return out;
}

std::vector<std::byte> member_bytes(const ZipReader& file, const Member& m) {
  if (file.number<uint32_t>(m.header, "a local header") != local_mark)
    file.refuse("{} has no local header", shown(m.name));
  const uint64_t begin = m.header + 30 + file.number<uint16_t>(m.header + 26, "a length") +
                         file.number<uint16_t>(m.header + 28, "a length");
  const auto packed = file.part(begin, m.packed, "a member");
  std::vector<std::byte> out;
  if (m.method == 8)
    out = inflated(file, m, packed);
  else if (m.method == 0 && m.packed == m.size)
    out.assign(packed.begin(), packed.end());
  else
    file.refuse("{} is packed by method {}; stored and deflated members are read", shown(m.name), m.method);
  uLong crc = crc32(0, Z_NULL, 0);
  for (size_t at = 0; at < out.size(); at += size_t{1} << 30)
    crc = crc32(crc, reinterpret_cast<const Bytef*>(out.data()) + at, uInt(std::min(out.size() - at, size_t{1} << 30)));
  if (crc != m.crc) file.refuse("the checksum of {} does not agree", shown(m.name));
  return out;
}

struct NpyType {
  std::string_view descr;
  DType dtype;
};
constexpr NpyType npy_types[] = {{"<f4", DType::f32}, {"<f2", DType::f16}, {"<f8", DType::f64},
                                 {"<i2", DType::i16}, {"<i4", DType::i32}, {"<i8", DType::i64},
                                 {"|i1", DType::i8},  {"|u1", DType::u8},  {"|b1", DType::boolean}};

// The header is a Python dict: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
class NpyHeader {
 public:
  NpyHeader(std::string_view text, const ZipReader& file, const std::string& member)
      : text_(text), file_(file), member_(member) {}

  void read(TensorInfo& info) {
    const std::string_view descr = quoted("descr");
    const auto* row =
        std::find_if(std::begin(npy_types), std::end(npy_types), [&](const NpyType& t) { return t.descr == descr; });
    if (row == std::end(npy_types))
      file_.refuse("{} holds numbers of type {}, which is not read", shown(member_), shown(descr));
    info.dtype = row->dtype;
    const size_t order = after("fortran_order");
    if (text_.substr(order, 5) != "False") file_.refuse("{} is stored by columns; save it in C order", shown(member_));
    info.shape = shape();
  }

 private:
  size_t after(std::string_view key) const {
    const std::string wanted = "'" + std::string(key) + "':";
    const size_t at = text_.find(wanted);
    if (at == std::string_view::npos) file_.refuse("the header of {} lacks '{}'", shown(member_), key);
    const size_t value = text_.find_first_not_of(' ', at + wanted.size());
    if (value == std::string_view::npos) file_.refuse("the header of {} ends at '{}'", shown(member_), key);
    return value;
  }
  std::string_view quoted(std::string_view key) const {
    const size_t begin = after(key), end = text_.find('\'', begin + 1);
    if (text_[begin] != '\'' || end == std::string_view::npos)
      file_.refuse("'{}' of {} is no text", key, shown(member_));
    return text_.substr(begin + 1, end - begin - 1);
  }
  std::vector<int64_t> shape() const {
    std::vector<int64_t> result;
    size_t at = after("shape");
    if (text_[at] != '(') file_.refuse("the shape of {} is no tuple", shown(member_));
    for (++at; at < text_.size() && text_[at] != ')';) {
      if (text_[at] == ' ' || text_[at] == ',') {
        ++at;
        continue;
      }
      int64_t value = 0;
      const size_t first = at;
      for (; at < text_.size() && text_[at] >= '0' && text_[at] <= '9'; ++at)
        if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
            __builtin_add_overflow(value, text_[at] - '0', &value))
          file_.refuse("the shape of {} is too large", shown(member_));
      if (at == first || result.size() == most_dimensions)
        file_.refuse("the shape of {} cannot be read", shown(member_));
      result.push_back(value);
    }
    return result;
  }

  std::string_view text_;
  const ZipReader& file_;
  const std::string& member_;
};

TensorInfo array_of(const ZipReader& file, const std::string& member, std::span<const std::byte> bytes) {
  const ZipReader npy{bytes, file.name};
  constexpr std::string_view magic = "\x93NUMPY";
  const auto head = npy.part(0, 8, "an array's head");
  if (std::memcmp(head.data(), magic.data(), magic.size()) != 0) file.refuse("{} is no NumPy array", shown(member));
  const int version = int(head[6]);
  if (version < 1 || version > 3) file.refuse("{} is of NumPy's format {}", shown(member), version);
  const uint64_t wide = version == 1 ? 2 : 4;
  const uint64_t length = version == 1 ? npy.number<uint16_t>(8, "a length") : npy.number<uint32_t>(8, "a length");
  if (length > most_header) file.refuse("the header of {} has {} bytes", shown(member), length);
  const auto text = npy.part(8 + wide, length, "an array's header");
  TensorInfo info;
  info.name = member.ends_with(".npy") ? member.substr(0, member.size() - 4) : member;
  NpyHeader({reinterpret_cast<const char*>(text.data()), text.size()}, file, member).read(info);
  const auto elements = checked_elements(info.shape);
  const uint64_t width = find_type(info.dtype)->bytes, begin = 8 + wide + length;
  if (!elements || uint64_t(*elements) > most_bytes / width || uint64_t(*elements) * width != bytes.size() - begin)
    file.refuse("the bytes of {} are not those of its shape", shown(member));
  info.bytes = bytes.subspan(size_t(begin));
  return info;
}

std::string npy_header(const TensorOut& tensor) {
  std::string shape;
  for (const int64_t size : tensor.shape) shape += fmt::format("{}, ", size);
  if (tensor.shape.size() > 1) shape.resize(shape.size() - 2);
  if (tensor.shape.size() == 1) shape.pop_back();
  const auto* row = std::find_if(std::begin(npy_types), std::end(npy_types),
                                 [&](const NpyType& t) { return t.dtype == tensor.dtype; });
  if (row == std::end(npy_types))
    fail("npz", "{} is {}, which NumPy has not", shown(tensor.name), dtype_name(tensor.dtype));
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", row->descr, shape);
  dict.resize((10 + dict.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');  // the data begins aligned
  dict += '\n';
  const auto length = uint16_t(dict.size());
  std::string head = "\x93NUMPY\x01";
  head += '\0';
  head.append(reinterpret_cast<const char*>(&length), 2);
  return head + dict;
}

// A record of little-endian fields.
struct ZipRecord {
  std::string bytes;
  template <typename T>
  ZipRecord& add(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
};

}  // namespace

std::shared_ptr<const TensorFile> read_npz(std::span<const std::byte> bytes, const std::string& name) {
  const ZipReader file{bytes, name};
  auto result = std::make_shared<TensorFile>();
  auto kept = std::make_shared<std::vector<std::vector<std::byte>>>();
  result->name = name;
  result->format = "npz";
  result->metadata.name = name;
  const auto members = members_of(file);
  kept->reserve(members.size());
  for (const Member& member : members) {
    kept->push_back(member_bytes(file, member));
    result->tensors.push_back(array_of(file, member.name, kept->back()));
  }
  result->owner = kept;
  result->index();
  return result;
}

std::shared_ptr<const TensorFile> open_npz(const fs::path& path) {
  const MappedFile mapping(path);
  return read_npz(mapping.bytes(), path.string());
}

void write_npz(const fs::path& path, const std::vector<TensorOut>& tensors) {
  AtomicFile file(path);
  ZipRecord directory;
  uint64_t at = 0;
  for (const TensorOut& tensor : tensors) {
    check_to_write(tensor, "npz");
    const std::string head = npy_header(tensor), name = tensor.name + ".npy";
    const uint64_t size = head.size() + tensor.bytes.size();
    if (size >= 0xffffffff || at + size >= 0xffffffff)
      fail("npz", "{} would pass 4 GiB; write safetensors instead", path.string());
    uLong crc = crc32(0, reinterpret_cast<const Bytef*>(head.data()), uInt(head.size()));
    if (!tensor.bytes.empty())  // of a null pointer, zlib gives the checksum's beginning
      crc = crc32(crc, reinterpret_cast<const Bytef*>(tensor.bytes.data()), uInt(tensor.bytes.size()));
    // version, flags, method, time and date (1980-01-01), checksum, sizes, lengths of the name and extra field
    ZipRecord shared;
    shared.add<uint16_t>(20).add<uint16_t>(0).add<uint16_t>(0).add<uint16_t>(0).add<uint16_t>(0x21).add(uint32_t(crc));
    shared.add(uint32_t(size)).add(uint32_t(size)).add(uint16_t(name.size())).add<uint16_t>(0);
    ZipRecord local;
    local.add(local_mark);
    file.write(local.bytes + shared.bytes + name);
    file.write(head);
    file.write(tensor.bytes.data(), tensor.bytes.size());
    directory.add(central_mark).add<uint16_t>(20);
    directory.bytes += shared.bytes;
    directory.add<uint16_t>(0).add<uint16_t>(0).add<uint16_t>(0).add<uint32_t>(0).add(uint32_t(at));
    directory.bytes += name;
    at += local.bytes.size() + shared.bytes.size() + name.size() + size;
  }
  const auto count = uint16_t(tensors.size());
  ZipRecord end;
  end.add(end_mark).add<uint16_t>(0).add<uint16_t>(0).add(count).add(count).add(uint32_t(directory.bytes.size()));
  end.add(uint32_t(at)).add<uint16_t>(0);
  file.write(directory.bytes + end.bytes);
  file.commit();
}

}  // namespace ken::io
