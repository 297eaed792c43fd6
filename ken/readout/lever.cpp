// A lever's file: safetensors whose metadata say format, method and, as JSON, the description. All of it is checked
// before a Control computes with it.
#include "ken/readout/lever.h"

#include <cstring>
#include <set>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/io/tensors.h"

namespace ken::readout {
namespace {

constexpr const char* lever_format = "ken.lever/1";

std::string shape_text(at::IntArrayRef shape) {
  std::string text;
  for (const int64_t n : shape) text += (text.empty() ? "" : ", ") + (n < 0 ? "any" : std::to_string(n));
  return "[" + text + "]";
}

Tensor read_lever_tensor(const io::TensorInfo& info, const std::string& file) {
  if (info.dtype != io::DType::f32)
    fail("lever", "{}: {} is {}; expected F32", file, info.name, io::dtype_name(info.dtype));
  Tensor tensor = at::empty(info.shape, at::kFloat);
  if (!info.bytes.empty()) std::memcpy(tensor.data_ptr<float>(), info.bytes.data(), info.bytes.size());
  if (!at::isfinite(tensor).all().item<bool>())
    fail("lever", "{}: {} holds NaN or infinity; fit it again", file, info.name);
  return tensor;
}

}  // namespace

const Tensor& Lever::at(const std::string& name, const std::vector<int64_t>& shape) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) fail("lever", "{}: there is no tensor '{}'; fit it again", file, name);
  const auto sizes = found->second.sizes();
  bool fits = sizes.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || shape[i] == sizes[i];
  if (!fits)
    fail("lever", "{}: '{}' has the shape {}; {} is needed: it was fitted on another model", file, name,
         shape_text(sizes), shape_text(shape));
  return found->second;
}

int64_t Lever::integer(const std::string& key, int64_t least, int64_t most) const {
  const Json value = about.value(key, Json());
  if (!value.is_number_integer() || value.get<int64_t>() < least || value.get<int64_t>() > most)
    fail("lever", "{}: '{}' must be a whole number from {} to {}; it is {}", file, key, least, most, value.dump());
  return value;
}

double Lever::number(const std::string& key) const {
  const Json value = about.value(key, Json());
  if (!value.is_number()) fail("lever", "{}: '{}' must be a number; it is {}", file, key, value.dump());
  return value;
}

std::string Lever::text(const std::string& key) const {
  const Json value = about.value(key, Json());
  if (!value.is_string()) fail("lever", "{}: '{}' must be a text; it is {}", file, key, value.dump());
  return value;
}

std::vector<int64_t> Lever::layers(int64_t n_layers) const {
  const Json list = about.value("layers", Json());
  std::set<int64_t> seen;
  for (const Json& layer : list.is_array() ? list : Json::array())
    if (layer.is_number_integer() && layer.get<int64_t>() >= 0 && layer.get<int64_t>() < n_layers)
      seen.insert(layer.get<int64_t>());
  if (!list.is_array() || list.empty() || seen.size() != list.size())
    fail("lever", "{}: 'layers' must list different layers from 0 to {}; it is {}", file, n_layers - 1, list.dump());
  return list;
}

void save(const Lever& lever, const fs::path& path) {
  std::vector<Tensor> kept;
  std::vector<io::TensorOut> out;
  for (const auto& [name, tensor] : lever.tensors) {
    kept.push_back(tensor.to(at::kCPU, at::kFloat).contiguous());
    const auto* bytes = reinterpret_cast<const std::byte*>(kept.back().data_ptr<float>());
    out.push_back(
        {name, io::DType::f32, kept.back().sizes().vec(), {bytes, size_t(kept.back().numel()) * sizeof(float)}});
  }
  io::write_safetensors(path,
                        {{"format", lever_format},
                         {"method", lever.method},
                         {"model_sha256", lever.model_sha256},
                         {"about", lever.about.dump()}},
                        out);
}

Lever load_lever(const fs::path& path, const std::string& method) {
  const auto file = io::open_tensors(path);
  if (file->metadata.text("format", "") != lever_format)
    fail("lever", "{} was not written by 'ken steer {} -o FILE': its metadata do not say format '{}'", file->name,
         method, lever_format);
  Lever lever{file->metadata.text("method", ""), file->metadata.text("model_sha256", ""), {}, {}};
  lever.file = file->name;
  if (lever.method != method) fail("lever", "{} belongs to '{}', not to '{}'", file->name, lever.method, method);
  lever.about = parse_json(file->metadata.text("about", "{}"));
  if (!lever.about.is_object()) fail("lever", "{}: its description is no object; fit it again", file->name);
  for (const auto& info : file->tensors) lever.tensors[info.name] = read_lever_tensor(info, file->name);
  return lever;
}

}  // namespace ken::readout
