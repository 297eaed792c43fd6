#include "ken/io/quantize.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <future>
#include <limits>

#include "ken/base/error.h"
#include "ken/io/formats.h"

namespace ken::io {
namespace {

constexpr int64_t part_values = int64_t{1} << 18;  // of one thread at a time: 1 MB of f32
constexpr int64_t quantization_version = 2;        // ggml's number for the block layouts of today

// Matrices by shape that are not multiplied as such, or too small and too sharp to lose bits: as llama.cpp has it.
constexpr std::array<std::string_view, 5> left_alone{"*ffn_gate_inp*", "position_embd*", "token_types*", "*ssm_conv1d*",
                                                     "*.rel_b*"};
// The ends of the model, where an error reaches every token: in Q6_K when the others get fewer bits.
constexpr std::array<std::string_view, 2> ends{"output.weight", "token_embd.weight"};

// '*' stands for any text. Only the last star is ever tried again, so no pattern is slow.
bool fits(std::string_view name, std::string_view pattern) {
  size_t at = 0, p = 0, star = std::string_view::npos, tried = 0;
  while (at < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, tried = at;
    } else if (p < pattern.size() && pattern[p] == name[at]) {
      ++p, ++at;
    } else if (star != std::string_view::npos) {
      p = star + 1, at = ++tried;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool fits_any(std::string_view name, std::span<const std::string_view> patterns) {
  return std::ranges::any_of(patterns, [name](auto pattern) { return fits(name, pattern); });
}

double bits(DType dtype) {
  const int64_t block = block_of(dtype);
  return 8.0 * double(bytes_of(dtype, block)) / double(block);
}

bool is_weights(DType dtype) {
  return format_of(dtype) || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

// The type that the rules ask for, whatever the length of the rows.
DType wanted_type(const TensorInfo& tensor, const QuantizeOptions& options) {
  for (const Keep& keep : options.keep)
    if (fits(tensor.name, keep.pattern)) return is_weights(tensor.dtype) ? keep.dtype : tensor.dtype;
  if (!is_weights(tensor.dtype)) return tensor.dtype;
  if (tensor.shape.size() < 2) return DType::f32;
  if (!tensor.name.ends_with(".weight") || fits_any(tensor.name, left_alone)) return tensor.dtype;
  const DType finer = weight_type("q6_k");
  return fits_any(tensor.name, ends) && bits(options.dtype) < bits(finer) ? finer : options.dtype;
}

// The first type whose blocks fill the rows: the wanted one, Q8_0 (blocks of 32), F16.
DType fitting_type(const TensorInfo& tensor, DType wanted) {
  const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  for (const DType dtype : {wanted, weight_type("q8_0")})
    if (row % block_of(dtype) == 0) return dtype;
  return DType::f16;
}

// "rows of 128 do not fill Q4_K's blocks of 256; stored as Q8_0: 'blk.0.attn_q.weight' and 29 more"
class Notes {
 public:
  void add(const TensorInfo& tensor, DType wanted, DType given) {
    if (wanted == given) return;
    auto& names = groups_[{tensor.shape.empty() ? 1 : tensor.shape.back(), wanted, given}];
    names.push_back(tensor.name);
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> result;
    for (const auto& [group, names] : groups_) {
      const auto& [row, wanted, given] = group;
      result.push_back(fmt::format("rows of {} do not fill {}'s blocks of {}; stored as {}: {}{}", row,
                                   dtype_name(wanted), block_of(wanted), dtype_name(given), shown(names[0]),
                                   names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : ""));
    }
    return result;
  }

 private:
  std::map<std::tuple<int64_t, DType, DType>, std::vector<std::string>> groups_;
};

float largest_of(DType dtype) {
  if (const quant::Format* format = format_of(dtype)) return format->largest;
  return dtype == DType::f16 ? 65504.0f : std::numeric_limits<float>::max();
}

// `from` is the place of the first value in the tensor.
void check_values(const TensorInfo& tensor, DType dtype, std::span<const float> values, int64_t from) {
  const float largest = largest_of(dtype);
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::fabs(values[i]) <= largest) continue;
    const int64_t place = from + int64_t(i), row = std::max<int64_t>(1, tensor.shape.empty() ? 1 : tensor.shape.back());
    const std::string where = fmt::format("tensor {}, row {}, column {}", shown(tensor.name), place / row, place % row);
    if (!std::isfinite(values[i])) fail("quantize", "{} is {}; the file is damaged", where, values[i]);
    fail("quantize", "{} is {}, past the limit of {} for {}; keep the tensor with --keep f32:{}", where, values[i],
         largest, dtype_name(dtype), tensor.name);
  }
}

// Values [from, from + n) of a tensor in their new type.
std::vector<std::byte> converted(const TensorInfo& tensor, DType dtype, int64_t from, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  to_f32(tensor.dtype, tensor.bytes.data() + bytes_of(tensor.dtype, from), values.data(), n);
  check_values(tensor, dtype, values, from);
  std::vector<std::byte> bytes(bytes_of(dtype, n));
  from_f32(dtype, values.data(), bytes.data(), n);
  return bytes;
}

void write_tensor(GgufWriter& out, const TensorInfo& tensor, DType dtype, int threads) {
  if (dtype == tensor.dtype) return out.append(tensor.bytes);
  const int64_t n = tensor.elements();
  for (int64_t from = 0; from < n;) {
    std::vector<std::future<std::vector<std::byte>>> parts;  // written in order, so threads change no byte
    for (; from < n && int(parts.size()) < threads; from += part_values) {
      parts.push_back(
          std::async(std::launch::async, converted, std::cref(tensor), dtype, from, std::min(part_values, n - from)));
    }
    for (auto& part : parts) out.append(part.get());
  }
}

int64_t file_type(DType dtype) {
  if (const quant::Format* format = format_of(dtype)) return format->file_type;
  return dtype == DType::f32 ? 0 : dtype == DType::f16 ? 1 : 32;
}

Metadata metadata_of(const TensorFile& source, DType dtype) {
  Metadata metadata = source.metadata;
  metadata.values["general.file_type"] = file_type(dtype);
  metadata.values["general.quantization_version"] = quantization_version;
  return metadata;
}

void check_source(const TensorFile& source) {
  if (source.format != "gguf") {
    fail("quantize", "{} is {}; only GGUF files hold a whole model", source.name, source.format);
  }
  if (source.unsupported.empty()) return;
  fail("quantize", "{} holds a tensor that cannot be read, {}; supported: {}", source.name, source.unsupported[0],
       fmt::join(weight_types(), ", "));
}

}  // namespace

Keep parse_keep(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon + 1 == text.size()) {
    fail_usage("quantize", "'{}' is no TYPE:PATTERN, such as f32:blk.0.*", text);
  }
  return {weight_type(std::string_view(text).substr(0, colon)), text.substr(colon + 1)};
}

QuantizeResult quantize(const TensorFile& source, const fs::path& path, const QuantizeOptions& options,
                        const Progress& progress) {
  check_source(source);
  QuantizeResult result;
  Notes notes;
  std::vector<TensorShape> shapes;
  for (const TensorInfo& tensor : source.tensors) {
    const DType wanted = wanted_type(tensor, options), given = fitting_type(tensor, wanted);
    notes.add(tensor, wanted, given);
    ++result.tensors[std::string(dtype_name(given))];
    result.bytes_before += tensor.bytes.size();
    result.bytes += bytes_of(given, tensor.elements());
    shapes.push_back({tensor.name, given, tensor.shape});
  }
  result.notes = notes.texts();
  GgufWriter out(path, metadata_of(source, options.dtype), shapes);
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (progress) progress("quantize", i, shapes.size(), shapes[i].name);
    write_tensor(out, source.tensors[i], shapes[i].dtype, std::max(1, options.threads));
  }
  out.commit();
  if (progress) progress("quantize", shapes.size(), shapes.size(), "");
  return result;
}

}  // namespace ken::io
