// Model -> GGUF, tensor by tensor: parts that the file keeps fused are joined, rotary rows put in the file's order.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "ken/base/error.h"
#include "ken/model/arch.h"
#include "ken/model/random.h"

namespace ken::model {
namespace {

double attn_scale(const Config& c) { return c.attn_scale > 0 ? c.attn_scale : 1 / std::sqrt(double(c.d_head)); }
bool local(const Config& c, int64_t layer) { return c.rope_local_base > 0 && c.window(layer) > 0; }

// What a forward pass does with a layer, as numbers.
struct Property {
  const char* name;
  double (*of)(const Config&, int64_t layer);
};
constexpr Property properties[] = {
    {"an attention window", [](const Config& c, int64_t l) { return double(c.window(l)); }},
    {"an attention scale", [](const Config& c, int64_t) { return attn_scale(c); }},
    {"an attention cap", [](const Config& c, int64_t) { return c.attn_cap; }},
    {"a rope base", [](const Config& c, int64_t l) { return local(c, l) ? c.rope_local_base : c.rope_base; }},
    {"a rope scale", [](const Config& c, int64_t l) { return local(c, l) ? 1 : c.rope_scale; }},
    {"a rope magnitude", [](const Config& c, int64_t l) { return local(c, l) ? 1 : c.rope_magnitude; }},
    {"a rope width",
     [](const Config& c, int64_t l) {
       return !c.rope_skip.empty() && c.rope_skip[size_t(l)] ? 0 : double(c.rope_width);
     }},
    {"learned positions", [](const Config& c, int64_t) { return double(c.learned_positions); }},
    {"norms of q and k", [](const Config& c, int64_t) { return double(c.qk_norm); }},
    {"biases of q, k and v", [](const Config& c, int64_t) { return double(c.qkv_bias); }},
    {"a bias of attention's output", [](const Config& c, int64_t) { return double(c.out_bias); }},
    {"biases of the MLP", [](const Config& c, int64_t) { return double(c.mlp_bias); }},
    {"a kind of norm", [](const Config& c, int64_t) { return double(c.norm); }},
    {"a norm epsilon", [](const Config& c, int64_t) { return c.norm_eps; }},
    {"norms before the modules", [](const Config& c, int64_t) { return double(c.pre_norm); }},
    {"norms after the modules", [](const Config& c, int64_t) { return double(c.post_norm); }},
    {"a parallel residual", [](const Config& c, int64_t) { return double(c.parallel); }},
    {"an activation", [](const Config& c, int64_t) { return double(c.activation); }},
    {"a gated MLP", [](const Config& c, int64_t) { return double(c.gated); }},
    {"experts a token", [](const Config& c, int64_t) { return double(c.n_experts_used); }},
    {"an embedding scale", [](const Config& c, int64_t) { return c.embed_scale; }},
    {"a cap of logits", [](const Config& c, int64_t) { return c.final_cap; }},
};

bool near(double a, double b) { return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b)); }  // f32 in files
bool near(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) { return near(x, y); });
}

void expect_same(const Config& own, const Config& read) {
  for (int64_t layer = 0; layer < own.n_layers; ++layer)
    for (const auto& [name, of] : properties)
      if (!near(of(own, layer), of(read, layer)))
        fail("model",
             "GGUF cannot say that layer {} of this {} model has {} of {}: its readers take {}; keep the Hugging Face "
             "folder",
             layer, own.arch, name, of(own, layer), of(read, layer));
  if (!near(own.rope_factors, read.rope_factors) || !near(own.rope_long_factors, read.rope_long_factors) ||
      (!own.rope_long_factors.empty() && own.rope_original != read.rope_original))
    fail("model", "GGUF cannot hold this {} model's rope factors; keep the Hugging Face folder", own.arch);
}

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

// Weights of a matrix as f32, when they are written.
using Weights = std::function<Tensor(const nn::Matrix& matrix)>;

class Writer {
 public:
  Writer(const Model& model, const Arch& arch, io::DType dtype, Weights weights)
      : model_(model), arch_(arch), weights_(std::move(weights)) {
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
    const auto factors = rope_factors(metadata);
    std::vector<io::TensorShape> shapes;
    for (const auto& tensor : tensors_) shapes.push_back({tensor.name, tensor.dtype, shape_of(tensor)});
    for (const auto& [name, values] : factors) shapes.push_back({name, io::DType::f32, {int64_t(values->size())}});
    expect_read_back(metadata, shapes, factors);
    io::GgufWriter writer(path, metadata, shapes);
    for (const auto& tensor : tensors_)
      for (const Part& part : tensor.parts) append(writer, values_of(part), tensor.dtype);
    for (const auto& [name, values] : factors) writer.append(std::as_bytes(std::span(*values)));
    writer.commit();
  }

 private:
  using Factors = std::vector<std::pair<std::string, const std::vector<float>*>>;

  // As tensors of the file; YaRN's are computed from its keys.
  Factors rope_factors(const io::Metadata& metadata) const {
    const Config& c = model_.config;
    if (metadata.text(arch_.gguf_name() + ".rope.scaling.type", "") == "yarn" || c.rope_factors.empty()) return {};
    if (c.rope_long_factors.empty()) return {{"rope_freqs.weight", &c.rope_factors}};
    return {{"rope_factors_short.weight", &c.rope_factors}, {"rope_factors_long.weight", &c.rope_long_factors}};
  }

  // GGUF's keys do not say all that a config can; a file that would be another model is not written.
  void expect_read_back(const io::Metadata& metadata, const std::vector<io::TensorShape>& shapes,
                        const Factors& factors) const {
    io::TensorFile file;
    file.name = metadata.name, file.format = "gguf", file.metadata = metadata;
    for (const auto& [name, dtype, shape] : shapes) file.tensors.push_back({name, dtype, shape, {}});
    for (size_t i = 0; i < factors.size(); ++i)
      file.tensors[tensors_.size() + i].bytes = std::as_bytes(std::span(*factors[i].second));
    file.index();
    expect_same(model_.config, gguf_config(file));
  }

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
    Tensor values = (part.matrix ? weights_(*part.matrix) : *part.values).detach().to(at::kCPU, at::kFloat);
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
  Weights weights_;
  std::vector<FileTensor> tensors_;
};

void write(const Model& model, const fs::path& path, io::DType dtype, Weights weights) {
  const Arch& arch = Registry<Arch>::get().at("architecture", model.config.arch);
  io::Metadata metadata = model.metadata;
  metadata.values["general.architecture"] = arch.gguf_name();
  metadata.values["general.name"] = model.config.name;
  write_usual_config(model.config, arch, metadata);
  if (arch.write_config) arch.write_config(model.config, metadata);
  Writer(model, arch, dtype, std::move(weights)).write(path, metadata);
}

}  // namespace

void save(const Model& model, const fs::path& path, io::DType dtype) { write(model, path, dtype, nn::dense); }

void save_random(const Config& config, const io::Metadata& metadata, uint64_t seed, const fs::path& path,
                 io::DType dtype) {
  const auto model = frame(config);
  model->metadata = metadata;
  std::map<const nn::Matrix*, std::pair<std::string, uint64_t>> places;
  for (auto& [name, w] : model->matrices()) places.emplace(w, std::pair(name, places.size()));
  write(*model, path, dtype, [&](const nn::Matrix& w) {
    const auto& [name, index] = places.at(&w);
    return random_weights(config, name, w, seed, index);
  });
}

}  // namespace ken::model
