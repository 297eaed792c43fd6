#include "ken/readout/control_vector.h"

#include <charconv>
#include <cstring>

#include "ken/base/error.h"
#include "ken/io/tensors.h"

namespace ken::readout {
namespace {

constexpr const char* architecture = "controlvector";
constexpr int64_t most_layers = 100000;

int64_t layer_of_name(const std::string& tensor, const std::string& file) {
  constexpr std::string_view prefix = "direction.";
  int64_t layer = -1;
  const char* end = tensor.data() + tensor.size();
  if (tensor.starts_with(prefix)) {
    const auto read = std::from_chars(tensor.data() + prefix.size(), end, layer);
    if (read.ec == std::errc() && read.ptr == end && layer >= 0 && layer < most_layers) return layer;
  }
  fail("control vector", "{}: '{}' is no direction.N with a layer N below {}", file, tensor, most_layers);
}

Tensor first_component(const Tensor& x) {  // [n, d] -> [d], length 1
  return std::get<1>(at::linalg_eigh(at::mm(x.t(), x))).select(1, x.size(1) - 1);
}

}  // namespace

void save(const ControlVector& vector, const fs::path& path) {
  if (vector.directions.empty()) fail("control vector", "there is no direction to write");
  io::Metadata metadata;
  metadata.values["general.architecture"] = std::string(architecture);
  metadata.values["controlvector.model_hint"] = vector.model_hint;
  metadata.values["controlvector.layer_count"] = int64_t(vector.directions.size());
  metadata.values["ken.steer.point"] = vector.point;
  metadata.values["ken.steer.operation"] = vector.operation;
  metadata.values["ken.steer.mean_norm"] = double(float(vector.mean_norm));
  std::vector<Tensor> kept;
  std::vector<io::TensorOut> out;
  for (const auto& [layer, direction] : vector.directions) {
    kept.push_back(direction.to(at::kCPU, at::kFloat).contiguous());
    out.push_back({fmt::format("direction.{}", layer),
                   io::DType::f32,
                   {kept.back().numel()},
                   {reinterpret_cast<const std::byte*>(kept.back().data_ptr<float>()),
                    size_t(kept.back().numel()) * sizeof(float)}});
  }
  io::write_gguf(path, metadata, out);
}

ControlVector load_control_vector(const fs::path& path) {
  const auto file = io::open_tensors(path);
  if (file->format != "gguf" || file->metadata.text("general.architecture", "") != architecture)
    fail("control vector", "{} is no control vector: expected a GGUF whose general.architecture is '{}'", file->name,
         architecture);
  ControlVector vector;
  vector.model_hint = file->metadata.text("controlvector.model_hint", "");
  vector.point = file->metadata.text("ken.steer.point", vector.point);
  vector.operation = file->metadata.text("ken.steer.operation", vector.operation);
  vector.mean_norm = file->metadata.number("ken.steer.mean_norm", 0.0);
  for (const auto& info : file->tensors) {
    const int64_t layer = layer_of_name(info.name, file->name);
    if (info.dtype != io::DType::f32 || info.shape.size() != 1 || info.elements() == 0)
      fail("control vector", "{}: {} is {} with {} dimensions; expected F32 with one", file->name, info.name,
           io::dtype_name(info.dtype), info.shape.size());
    Tensor direction = at::empty(info.shape, at::kFloat);
    std::memcpy(direction.data_ptr<float>(), info.bytes.data(), info.bytes.size());
    if (!at::isfinite(direction).all().item<bool>())
      fail("control vector", "{}: {} holds NaN or infinity", file->name, info.name);
    if (!vector.directions.empty() && direction.numel() != vector.directions.begin()->second.numel())
      fail("control vector", "{}: {} has {} numbers and another direction {}", file->name, info.name, direction.numel(),
           vector.directions.begin()->second.numel());
    vector.directions[layer] = direction;
  }
  if (vector.directions.empty()) fail("control vector", "{} holds no direction", file->name);
  return vector;
}

Tensor direction_of(const Tensor& positive, const Tensor& negative, const std::string& method) {
  const Tensor difference = (positive - negative).to(at::kDouble);
  const Tensor mean = difference.mean(0);
  if (method == "mean") return mean.to(at::kFloat);
  if (method != "pca") fail_usage("vector", "there is no method '{}'; choose mean or pca", method);
  Tensor u = first_component(difference);
  const Tensor along = at::mv(difference, u);
  if ((along > 0).sum().item<int64_t>() * 2 < along.numel()) u = -u;
  return (u * std::abs(at::dot(mean, u).item<double>())).to(at::kFloat);
}

}  // namespace ken::readout
