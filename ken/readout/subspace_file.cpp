// A subspace as a file: its directions and its centre as safetensors, and what they mean as JSON in the metadata.
#include <cstring>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/io/tensors.h"
#include "ken/readout/subspace.h"

namespace ken::readout {
namespace {

constexpr const char* subspace_format = "ken.subspace/1";

io::TensorOut out(const std::string& name, const Tensor& tensor) {
  const auto* bytes = reinterpret_cast<const std::byte*>(tensor.data_ptr<float>());
  return {name, io::DType::f32, tensor.sizes().vec(), {bytes, size_t(tensor.numel()) * sizeof(float)}};
}

Tensor in(const io::TensorFile& file, const std::string& name, size_t dimensions) {
  const io::TensorInfo& info = file.at(name);
  if (info.dtype != io::DType::f32 || info.shape.size() != dimensions)
    fail("subspace", "{}: {} is {} with {} dimensions; expected F32 with {}", file.name, name,
         io::dtype_name(info.dtype), info.shape.size(), dimensions);
  Tensor tensor = at::empty(info.shape, at::kFloat);
  if (!info.bytes.empty()) std::memcpy(tensor.data_ptr<float>(), info.bytes.data(), info.bytes.size());
  return tensor;
}

Subspace described(const Json& about, const std::string& file) {
  const auto text = [&](const char* key) -> std::string {
    if (!about.is_object() || !about.contains(key) || !about[key].is_string())
      fail("subspace", "{}: its description has no text '{}'; write the file again", file, key);
    return about[key];
  };
  Subspace subspace{text("name"), text("model_sha256"), 0, {}, {}, {}};
  const Json layer = about.value("layer", Json()), axes = about.value("axes", Json());
  if (!layer.is_number_integer() || layer.get<int64_t>() < 0 || !axes.is_array())
    fail("subspace", "{}: its description needs a 'layer' (a number from 0) and 'axes' (a list); write it again", file);
  subspace.layer = layer;
  for (const Json& axis : axes) {
    if (!axis.is_string()) fail("subspace", "{}: the name of an axis is no text; write the file again", file);
    subspace.axes.push_back(axis);
  }
  return subspace;
}

}  // namespace

void save(const Subspace& subspace, const fs::path& path) {
  const Json about{{"name", subspace.name},
                   {"layer", subspace.layer},
                   {"axes", subspace.axes},
                   {"model_sha256", subspace.model_sha256}};
  const Tensor basis = subspace.basis.to(at::kCPU, at::kFloat).contiguous(),
               centre = subspace.centre.to(at::kCPU, at::kFloat).contiguous();
  const std::vector<io::TensorOut> tensors{out("basis", basis), out("centre", centre)};
  io::write_safetensors(path, {{"format", subspace_format}, {"subspace", about.dump()}}, tensors);
}

Subspace load_subspace(const fs::path& path) {
  const auto file = io::open_tensors(path);
  if (file->metadata.text("format", "") != subspace_format)
    fail("subspace", "{} is no file of a subspace: its metadata does not say format '{}'", file->name, subspace_format);
  Subspace subspace = described(parse_json(file->metadata.text("subspace", "")), file->name);
  subspace.basis = in(*file, "basis", 2);
  subspace.centre = in(*file, "centre", 1);
  const Tensor square = at::mm(subspace.basis.t(), subspace.basis);
  if (subspace.basis.size(1) != int64_t(subspace.axes.size()) || subspace.centre.size(0) != subspace.basis.size(0) ||
      !at::allclose(square, at::eye(subspace.basis.size(1)), 0, 1e-3))
    fail("subspace", "{}: {} axes, a basis of [{}, {}] and a centre of {} do not fit, or the basis is not orthonormal",
         file->name, subspace.axes.size(), subspace.basis.size(0), subspace.basis.size(1), subspace.centre.size(0));
  return subspace;
}

}  // namespace ken::readout
