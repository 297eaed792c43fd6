// Model -> GGUF, tensor by tensor: parts that the file keeps fused are joined, rotary rows put in the file's order.
#include <numeric>

#include "ken/base/error.h"
#include "ken/model/arch.h"
#include "ken/model/lost.h"

namespace ken::model {
namespace {

// A part of a tensor of the file: rows from `first` on, or one expert's slice.
struct Part {
  int64_t first;
  const nn::Matrix* matrix;  // or
  const Tensor* values;
  bool rotary = false;  // rows of q or k
};

struct FileTensor {
  std::string name;
  io::DType dtype;
  bool experts = false;
  std::vector<Part> parts;
};

// Rows of q or k from the order (i, i + width/2) to (2i, 2i + 1) or back.
Tensor reordered(const Tensor& rows, const Config& c, bool to_interleaved) {
  const int64_t half = c.rope_width / 2;
  std::vector<int64_t> order(static_cast<size_t>(rows.size(0)));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t head = 0; head + c.d_head <= rows.size(0); head += c.d_head) {
    for (int64_t i = 0; i < half; ++i) {
      const int64_t pair[2] = {head + 2 * i, head + 2 * i + 1}, split[2] = {head + i, head + half + i};
      for (int side = 0; side < 2; ++side)
        order[size_t(to_interleaved ? pair[side] : split[side])] = to_interleaved ? split[side] : pair[side];
    }
  }
  return rows.index_select(0, at::tensor(order, at::kLong));
}

class Writer {
 public:
  Writer(const Model& model, const Arch& arch, io::DType dtype) : model_(model), arch_(arch) {
    auto& m = const_cast<Model&>(model);
    for (auto& [name, w] : m.matrices()) {
      const Source source = source_of(name);
      const bool rotary = name.ends_with("attn.W_Q") || name.ends_with("attn.W_K");
      add(source, dtype, {part_place(source), w, nullptr, rotary});
      if (!w->bias.defined()) continue;
      Source bias = source;
      bias.name = source.name.substr(0, source.name.rfind('.')) + ".bias";
      add(bias, io::DType::f32, {part_place(source), nullptr, &w->bias, rotary});
    }
    for (auto& [name, g] : m.gains()) add(source_of(name), io::DType::f32, {0, nullptr, g});
    for (auto& tensor : tensors_)
      std::sort(tensor.parts.begin(), tensor.parts.end(), [](auto& a, auto& b) { return a.first < b.first; });
  }

  void write(const fs::path& path, const io::Metadata& metadata) {
    const auto& c = model_.config;
    std::vector<io::TensorShape> shapes;
    for (const auto& tensor : tensors_) shapes.push_back({tensor.name, tensor.dtype, shape_of(tensor)});
    const bool longrope = !c.rope_long_factors.empty();
    std::vector<std::pair<std::string, const std::vector<float>*>> factors;
    if (!c.rope_factors.empty())
      factors.emplace_back(longrope ? "rope_factors_short.weight" : "rope_freqs.weight", &c.rope_factors);
    if (longrope) factors.emplace_back("rope_factors_long.weight", &c.rope_long_factors);
    for (const auto& [name, values] : factors) shapes.push_back({name, io::DType::f32, {int64_t(values->size())}});
    io::GgufWriter writer(path, metadata, shapes);
    for (const auto& tensor : tensors_)
      for (const Part& part : tensor.parts) append(writer, values_of(part), tensor.dtype);
    for (const auto& [name, values] : factors) writer.append(std::as_bytes(std::span(*values)));
    writer.commit();
  }

 private:
  Source source_of(const std::string& name) const {
    Source source = usual_gguf_source(name);
    if (arch_.gguf_source) arch_.gguf_source(model_.config, name, source);
    if (source.name.empty()) fail("model", "GGUF has no place for {} of a {} model", name, model_.config.arch);
    return source;
  }
  static int64_t part_place(const Source& source) { return source.expert >= 0 ? source.expert : source.first; }

  void add(const Source& source, io::DType dtype, const Part& part) {
    for (auto& tensor : tensors_)
      if (tensor.name == source.name) return tensor.parts.push_back(part);
    tensors_.push_back({source.name, dtype, source.expert >= 0, {part}});
  }

  std::vector<int64_t> shape_of(const FileTensor& tensor) const {
    int64_t rows = 0;
    for (const Part& part : tensor.parts) rows += part.matrix ? part.matrix->out : part.values->size(0);
    const auto& first = tensor.parts.front();
    std::vector<int64_t> shape{rows};
    if (first.matrix) shape.push_back(first.matrix->in);
    const auto experts = int64_t(tensor.parts.size());
    if (tensor.experts) shape[0] = rows / experts, shape.insert(shape.begin(), experts);
    return shape;
  }

  Tensor values_of(const Part& part) const {
    Tensor values = (part.matrix ? nn::dense(*part.matrix) : *part.values).detach().to(at::kCPU, at::kFloat);
    if (part.rotary && model_.config.rope_interleaved != arch_.gguf_interleaved)
      values = reordered(values, model_.config, arch_.gguf_interleaved);
    return values.contiguous();
  }

  static void append(io::GgufWriter& writer, const Tensor& values, io::DType dtype) {
    std::vector<std::byte> bytes(io::bytes_of(dtype, values.numel()));
    io::from_f32(dtype, values.data_ptr<float>(), bytes.data(), values.numel());
    writer.append(bytes);
  }

  const Model& model_;
  const Arch& arch_;
  std::vector<FileTensor> tensors_;
};

}  // namespace

void save(const Model& model, const fs::path& path, io::DType dtype) {
  const Arch& arch = Registry<Arch>::get().at("architecture", model.config.arch);
  if (model.config.rope_magnitude != 1 && model.config.rope_long_factors.empty())
    fail("model", "YaRN's scaling cannot be written to GGUF yet; keep the Hugging Face folder");
  io::Metadata metadata = model.metadata;
  metadata.values["general.architecture"] = arch.gguf.empty() ? arch.card.id : arch.gguf;
  metadata.values["general.name"] = model.config.name;
  write_usual_config(model.config, arch, metadata);
  if (arch.write_config) arch.write_config(model.config, metadata);
  refuse_losses(model, metadata);
  Writer(model, arch, dtype).write(path, metadata);
}

}  // namespace ken::model
