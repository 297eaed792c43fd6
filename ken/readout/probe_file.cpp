// Probes as a file: one safetensors tensor a probe, and what each reads as JSON in the file's metadata.
#include <cstring>

#include "ken/base/error.h"
#include "ken/io/tensors.h"
#include "ken/readout/probe.h"

namespace ken::readout {
namespace {

constexpr const char* format = "ken.probes/1";

std::string tensor_name(size_t index) { return fmt::format("probe.{}.weight", index); }

Json read_list(const io::TensorFile& file) {
  if (file.metadata.text("format", "") != format)
    fail("probe", "{} is not a file of probes: its metadata does not say format '{}'", file.name, format);
  Json list = Json::parse(file.metadata.text("probes"), nullptr, false);
  if (!list.is_array()) fail("probe", "{}: metadata 'probes' is not a JSON list; write the file again", file.name);
  return list;
}

Probe read_probe(const io::TensorFile& file, const Json& entry, size_t index) {
  const auto text = [&](const char* key) -> std::string {
    if (!entry.is_object() || !entry.contains(key) || !entry[key].is_string())
      fail("probe", "{}: probe {} has no text '{}'; write the file again", file.name, index, key);
    return entry[key];
  };
  Probe probe{text("name"), text("point"), text("place"), text("target"), text("model_sha256"), {}, 0};
  if (!entry.contains("bias") || !entry["bias"].is_number())
    fail("probe", "{}: probe {} has no number 'bias'; write the file again", file.name, index);
  probe.bias = entry["bias"];
  const io::TensorInfo& info = file.at(tensor_name(index));
  if (info.dtype != io::DType::f32 || info.shape.size() != 1)
    fail("probe", "{}: {} is {} with {} dimensions; expected F32 with 1", file.name, info.name,
         io::dtype_name(info.dtype), info.shape.size());
  probe.weight = at::empty({info.shape[0]}, at::kFloat);
  if (!info.bytes.empty()) std::memcpy(probe.weight.data_ptr<float>(), info.bytes.data(), info.bytes.size());
  return probe;
}

}  // namespace

Tensor Probe::score(const Tensor& x) const {
  if (x.dim() != 2 || x.size(1) != weight.size(0))
    fail("probe", "'{}' reads rows of {} numbers; it was given {} dimensions, the last of {}", name, weight.size(0),
         x.dim(), x.dim() ? x.size(-1) : 0);
  return at::mv(x.to(at::kFloat), weight.to(x.device())) + bias;
}

void save(const std::vector<Probe>& probes, const fs::path& path) {
  Json list = Json::array();
  std::vector<Tensor> weights;
  std::vector<io::TensorOut> tensors;
  for (size_t i = 0; i < probes.size(); ++i) {
    const Probe& p = probes[i];
    list.push_back({{"name", p.name},
                    {"point", p.point},
                    {"place", p.place},
                    {"target", p.target},
                    {"model_sha256", p.model_sha256},
                    {"bias", p.bias}});
    weights.push_back(p.weight.to(at::kCPU, at::kFloat).contiguous());
    const auto* bytes = reinterpret_cast<const std::byte*>(weights.back().data_ptr<float>());
    tensors.push_back({tensor_name(i),
                       io::DType::f32,
                       {weights.back().size(0)},
                       {bytes, size_t(weights.back().numel()) * sizeof(float)}});
  }
  io::write_safetensors(path, {{"format", format}, {"probes", list.dump()}}, tensors);
}

std::vector<Probe> load_probes(const fs::path& path) {
  const auto file = io::open_tensors(path);
  std::vector<Probe> probes;
  for (const Json& entry : read_list(*file)) probes.push_back(read_probe(*file, entry, probes.size()));
  return probes;
}

}  // namespace ken::readout
