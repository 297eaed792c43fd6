// Probes as a file: one safetensors tensor a probe, and what each reads as JSON in the file's metadata.
#include <cstring>

#include "ken/base/error.h"
#include "ken/io/tensors.h"
#include "ken/readout/probe.h"

namespace ken::readout {
namespace {

constexpr const char* probes_format = "ken.probes/1";
constexpr size_t most_hidden = 64;

std::string tensor_name(size_t index) { return fmt::format("probe.{}.weight", index); }
std::string hidden_name(size_t index, size_t layer, const char* part) {
  return fmt::format("probe.{}.hidden.{}.{}", index, layer, part);
}

Json read_list(const io::TensorFile& file) {
  if (file.metadata.text("format", "") != probes_format)
    fail("probe", "{} is not a file of probes: its metadata does not say format '{}'", file.name, probes_format);
  Json list = Json::parse(file.metadata.text("probes"), nullptr, false);
  if (!list.is_array()) fail("probe", "{}: metadata 'probes' is not a JSON list; write the file again", file.name);
  return list;
}

// A tensor of F32 with so many dimensions.
Tensor read_part(const io::TensorFile& file, const std::string& name, size_t dimensions) {
  const io::TensorInfo& info = file.at(name);
  if (info.dtype != io::DType::f32 || info.shape.size() != dimensions)
    fail("probe", "{}: {} is {} with {} dimensions; expected F32 with {}", file.name, info.name,
         io::dtype_name(info.dtype), info.shape.size(), dimensions);
  const Tensor result = at::empty(std::vector<int64_t>(info.shape.begin(), info.shape.end()), at::kFloat);
  if (!info.bytes.empty()) std::memcpy(result.data_ptr<float>(), info.bytes.data(), info.bytes.size());
  return result;
}

// The hidden layers of a net, each as wide as the next one reads.
void read_hidden(const io::TensorFile& file, size_t index, size_t layers, Probe& probe) {
  for (size_t layer = 0; layer < layers; ++layer) {
    probe.hidden.push_back({read_part(file, hidden_name(index, layer, "weight"), 2),
                            read_part(file, hidden_name(index, layer, "bias"), 1)});
    const HiddenLayer& now = probe.hidden.back();
    const bool fits = layer == 0 || now.weight.size(1) == probe.hidden[layer - 1].bias.size(0);
    if (now.weight.size(0) != now.bias.size(0) || !fits)
      fail("probe", "{}: hidden layer {} of probe {} does not fit its bias or the layer before", file.name, layer,
           index);
  }
  if (layers > 0 && probe.weight.size(0) != probe.hidden.back().bias.size(0))
    fail("probe", "{}: the weight of probe {} does not fit its last hidden layer", file.name, index);
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
  probe.weight = read_part(file, tensor_name(index), 1);
  if (entry.contains("kind")) probe.kind = text("kind");
  const Json hidden = entry.value("hidden", Json(0u));
  if (!hidden.is_number_unsigned() || hidden.get<uint64_t>() > most_hidden)
    fail("probe", "{}: probe {} has 'hidden' {}; expected a number of layers, {} at most", file.name, index,
         hidden.dump(), most_hidden);
  read_hidden(file, index, hidden.get<size_t>(), probe);
  return probe;
}

}  // namespace

Tensor Probe::score(const Tensor& x) const {
  if (x.dim() != 2 || x.size(1) != width())
    fail("probe", "'{}' reads rows of {} numbers; it was given {} dimensions, the last of {}", name, width(), x.dim(),
         x.dim() ? x.size(-1) : 0);
  Tensor h = x.to(at::kFloat);
  for (const HiddenLayer& layer : hidden)
    h = at::relu(at::addmm(layer.bias.to(x.device()), h, layer.weight.to(x.device()).t()));
  return at::mv(h, weight.to(x.device())) + bias;
}

void save(const std::vector<Probe>& probes, const fs::path& path) {
  Json list = Json::array();
  std::vector<Tensor> weights;
  std::vector<io::TensorOut> tensors;
  const auto add = [&](const std::string& name, const Tensor& value) {
    weights.push_back(value.to(at::kCPU, at::kFloat).contiguous());
    const Tensor& kept = weights.back();
    const auto* bytes = reinterpret_cast<const std::byte*>(kept.data_ptr<float>());
    tensors.push_back({name,
                       io::DType::f32,
                       {kept.sizes().begin(), kept.sizes().end()},
                       {bytes, size_t(kept.numel()) * sizeof(float)}});
  };
  for (size_t i = 0; i < probes.size(); ++i) {
    const Probe& p = probes[i];
    list.push_back({{"name", p.name},
                    {"point", p.point},
                    {"place", p.place},
                    {"target", p.target},
                    {"model_sha256", p.model_sha256},
                    {"kind", p.kind},
                    {"hidden", p.hidden.size()},
                    {"bias", p.bias}});
    add(tensor_name(i), p.weight);
    for (size_t layer = 0; layer < p.hidden.size(); ++layer) {
      add(hidden_name(i, layer, "weight"), p.hidden[layer].weight);
      add(hidden_name(i, layer, "bias"), p.hidden[layer].bias);
    }
  }
  io::write_safetensors(path, {{"format", probes_format}, {"probes", list.dump()}}, tensors);
}

std::vector<Probe> load_probes(const fs::path& path) {
  const auto file = io::open_tensors(path);
  std::vector<Probe> probes;
  for (const Json& entry : read_list(*file)) probes.push_back(read_probe(*file, entry, probes.size()));
  return probes;
}

}  // namespace ken::readout
