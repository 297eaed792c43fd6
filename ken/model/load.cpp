// GGUF file <-> Model. Weights stay views of the mapping; only gains are copied.
#include <fmt/ranges.h>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/model/arch.h"

namespace ken::model {
namespace {

at::ScalarType scalar_type(io::DType dtype) {
  switch (dtype) {
    case io::DType::f32:
      return at::kFloat;
    case io::DType::f16:
      return at::kHalf;
    case io::DType::bf16:
      return at::kBFloat16;
    default:
      return io::format_of(dtype) ? at::kByte : at::ScalarType::Undefined;
  }
}

void expect_shape(const io::TensorInfo& info, const std::vector<int64_t>& shape) {
  if (info.shape != shape)
    fail("model", "tensor {} has shape {}, the config asks for {}", info.name, fmt::join(info.shape, "x"),
         fmt::join(shape, "x"));
}

// A view of the file's bytes in their stored type. The mapping is read-only; nothing writes to weights in place.
Tensor view(const io::TensorInfo& info) {
  const at::ScalarType type = scalar_type(info.dtype);
  if (type == at::ScalarType::Undefined)
    fail("model", "tensor {} is {}; supported: {}", info.name, io::dtype_name(info.dtype),
         fmt::join(io::weight_types(), ", "));
  std::vector<int64_t> shape = info.shape;
  if (type == at::kByte) shape.back() = int64_t(io::bytes_of(info.dtype, shape.back()));
  void* data = const_cast<std::byte*>(info.bytes.data());
  const Tensor mapped = at::from_blob(data, shape, at::TensorOptions().dtype(type));
  // torch reads through typed pointers, so a safetensors file with odd offsets is copied.
  const size_t width = type == at::kByte ? 1 : (type == at::kFloat ? 4 : 2);
  return reinterpret_cast<uintptr_t>(data) % width ? mapped.clone() : mapped;
}

void check_finite(const Tensor& x, const std::string& name) {
  if (x.scalar_type() == at::kByte) return;
  if (!at::isfinite(x.sum(at::kDouble)).item<bool>())
    fail("model", "tensor {} holds NaN or infinite weights; the file is damaged", name);
}

void read_matrix(nn::Matrix& w, const io::TensorInfo& info, const std::string& name, int64_t out, int64_t in) {
  expect_shape(info, {out, in});
  w.name = name;
  w.data = view(info);
  w.format = io::format_of(info.dtype);
  check_finite(w.data, info.name);
  w.out = out;
  w.in = in;
}

Tensor read_gain(const io::TensorInfo& info, int64_t n) {
  expect_shape(info, {n});
  const Tensor gain = at::empty({n}, at::kFloat);
  io::to_f32(info.dtype, info.bytes.data(), gain.data_ptr<float>(), n);
  check_finite(gain, info.name);
  return gain;
}

const Arch& arch_of(const std::string& name) { return Registry<Arch>::get().at("architecture", name); }

Tensor frequencies(const Config& c) {
  Tensor f = at::empty({c.rope_width / 2}, at::kFloat);
  for (int64_t i = 0; i < c.rope_width / 2; ++i) {
    const double base = std::pow(c.rope_base, -2.0 * double(i) / double(c.rope_width)) / c.rope_scale;
    f.data_ptr<float>()[i] = float(c.rope_factors.empty() ? base : base / c.rope_factors[size_t(i)]);
  }
  return f;
}

// The shapes of a model's parts, and the parts themselves, without data.
std::shared_ptr<Model> frame(const Config& c) {
  check(c);
  auto m = std::make_shared<Model>();
  m->config = c;
  m->blocks.resize(size_t(c.n_layers));
  m->rope_frequencies = frequencies(c);
  const auto shape = [](nn::Matrix& w, int64_t out, int64_t in) { w.out = out, w.in = in; };
  shape(m->embed, c.vocab, c.d_model);
  shape(m->unembed, c.vocab, c.d_model);
  for (auto& b : m->blocks) {
    shape(b.q, c.n_heads * c.d_head, c.d_model), shape(b.k, c.n_kv_heads * c.d_head, c.d_model),
        shape(b.v, c.n_kv_heads * c.d_head, c.d_model);
    shape(b.o, c.d_model, c.n_heads * c.d_head), shape(b.gate, c.d_ff, c.d_model), shape(b.up, c.d_ff, c.d_model),
        shape(b.down, c.d_model, c.d_ff);
  }
  return m;
}

}  // namespace

void check(const Config& c) {
  const auto positive = [](int64_t value, const char* name, int64_t most) {
    if (value < 1 || value > most) fail("model", "{} is {}; it must lie in 1..{}", name, value, most);
  };
  positive(c.n_layers, "the number of layers", 4096);
  positive(c.d_model, "d_model", 1 << 20);
  positive(c.n_heads, "the number of heads", 1 << 16);
  positive(c.n_kv_heads, "the number of key/value heads", c.n_heads);
  positive(c.d_head, "the head width", 1 << 14);
  positive(c.d_ff, "the feed-forward width", 1 << 22);
  positive(c.vocab, "the vocabulary size", 1 << 24);
  positive(c.context, "the context length", int64_t{1} << 31);
  if (c.n_heads % c.n_kv_heads != 0)
    fail("model", "{} heads cannot share {} key/value heads evenly", c.n_heads, c.n_kv_heads);
  if (c.rope_width < 2 || c.rope_width > c.d_head || c.rope_width % 2)
    fail("model", "rope turns {} of {} values; it takes an even number up to the head width", c.rope_width, c.d_head);
  if (!(c.norm_eps > 0 && c.norm_eps < 1)) fail("model", "the norm's epsilon is {}; it must lie in (0, 1)", c.norm_eps);
  if (!(c.rope_base > 0) || !(c.rope_scale > 0))
    fail("model", "rope base {} and scale {} must be positive", c.rope_base, c.rope_scale);
  if (!c.rope_factors.empty() && int64_t(c.rope_factors.size()) != c.rope_width / 2)
    fail("model", "{} rope factors for {} frequencies", c.rope_factors.size(), c.rope_width / 2);
}

int64_t Model::parameters() const {
  int64_t n = 0;
  auto* self = const_cast<Model*>(this);
  for (const auto& [name, w] : self->matrices()) n += w->out * w->in;
  for (const auto& [name, g] : self->gains()) n += g->numel();
  return n;
}

std::vector<std::pair<std::string, nn::Matrix*>> Model::matrices() {
  std::vector<std::pair<std::string, nn::Matrix*>> result{{"embed.W_E", &embed}};
  for (size_t l = 0; l < blocks.size(); ++l) {
    Block& b = blocks[l];
    const std::string at = fmt::format("blocks.{}.", l);
    result.insert(result.end(), {{at + "attn.W_Q", &b.q},
                                 {at + "attn.W_K", &b.k},
                                 {at + "attn.W_V", &b.v},
                                 {at + "attn.W_O", &b.o},
                                 {at + "mlp.W_gate", &b.gate},
                                 {at + "mlp.W_in", &b.up},
                                 {at + "mlp.W_out", &b.down}});
  }
  if (!config.tied) result.emplace_back("unembed.W_U", &unembed);
  return result;
}

std::vector<std::pair<std::string, Tensor*>> Model::gains() {
  std::vector<std::pair<std::string, Tensor*>> result;
  for (size_t l = 0; l < blocks.size(); ++l) {
    result.emplace_back(fmt::format("blocks.{}.ln1.w", l), &blocks[l].ln1);
    result.emplace_back(fmt::format("blocks.{}.ln2.w", l), &blocks[l].ln2);
  }
  result.emplace_back("ln_final.w", &ln_final);
  return result;
}

nn::Matrix& Model::matrix(const std::string& name) {
  std::vector<std::string> known;
  for (auto& [candidate, w] : matrices()) {
    if (candidate == name) return *w;
    known.push_back(candidate);
  }
  fail_usage("model", "{}", unknown_name("matrix", name, known));
}

std::shared_ptr<Model> load(const fs::path& path) {
  auto file = io::open_tensors(path);
  return load(file, sha256_file(path));
}

std::shared_ptr<Model> load(std::shared_ptr<const io::TensorFile> file, const std::string& sha256) {
  if (file->format != "gguf")
    fail("model", "{} is {}, which holds no config; give a GGUF file", file->name, file->format);
  const Arch& arch = arch_of(file->metadata.text("general.architecture"));
  Config config = arch.read_config(*file);
  config.name = file->metadata.text("general.name", fs::path(file->name).stem().string());
  auto m = frame(config);
  for (auto& [name, w] : m->matrices()) read_matrix(*w, file->at(arch.gguf_name(name)), name, w->out, w->in);
  for (auto& [name, g] : m->gains()) *g = read_gain(file->at(arch.gguf_name(name)), config.d_model);
  m->metadata = file->metadata;
  if (file->metadata.has("tokenizer.ggml.model")) m->tokenizer = text::tokenizer_from_gguf(file->metadata);
  if (m->tokenizer && m->tokenizer->vocab_size() > config.vocab)
    fail("model", "the tokenizer holds {} tokens, the embedding {} rows", m->tokenizer->vocab_size(), config.vocab);
  m->file = std::move(file);
  m->sha256 = sha256;
  return m;
}

void save(const Model& model, const fs::path& path, io::DType dtype) {
  const Arch& arch = arch_of(model.config.arch);
  io::Metadata metadata = model.metadata;
  metadata.values["general.architecture"] = model.config.arch;
  metadata.values["general.name"] = model.config.name;
  arch.write_config(model.config, metadata);
  std::vector<io::TensorOut> out;
  std::vector<std::vector<std::byte>> kept;  // the bytes live until the file is written
  const auto put = [&](const std::string& name, const Tensor& tensor, io::DType type) {
    const Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    kept.emplace_back(io::bytes_of(type, values.numel()));
    io::from_f32(type, values.data_ptr<float>(), kept.back().data(), values.numel());
    out.push_back({arch.gguf_name(name), type, values.sizes().vec(), kept.back()});
  };
  auto& m = const_cast<Model&>(model);
  for (auto& [name, w] : m.matrices()) put(name, nn::dense(*w), dtype);
  for (auto& [name, g] : m.gains()) put(name, *g, io::DType::f32);
  const auto& factors = model.config.rope_factors;
  if (!factors.empty()) {
    out.push_back({"rope_freqs.weight", io::DType::f32, {int64_t(factors.size())}, std::as_bytes(std::span(factors))});
  }
  io::write_gguf(path, metadata, out);
}

std::shared_ptr<Model> make_random(const Config& config, uint64_t seed) {
  auto m = frame(config);
  uint64_t stream = 0;
  for (auto& [name, w] : m->matrices()) {
    // almanac.md's scales: embedding 0.05, inputs 0.7 / sqrt(fan-in), outputs 1 / sqrt(fan-in) / sqrt(2 L).
    const bool output = (name.ends_with("W_O") || name.ends_with("W_out"));
    const double fan = std::sqrt(double(w->in));
    const double scale = name.ends_with("W_E") || name.ends_with("W_U")
                             ? 0.05
                             : (output ? 1.0 / fan / std::sqrt(2.0 * double(config.n_layers)) : 0.7 / fan);
    Rng rng(seed, stream++);
    w->name = name;
    w->data = at::empty({w->out, w->in}, at::kFloat);
    for (int64_t i = 0; i < w->data.numel(); ++i) w->data.data_ptr<float>()[i] = float(rng.normal() * scale);
  }
  for (auto& [name, g] : m->gains()) *g = at::ones({config.d_model}, at::kFloat);
  return m;
}

std::vector<int32_t> prompt_ids(const Model& model, const std::string& text) {
  if (!model.tokenizer) fail("model", "{} holds no tokenizer; only token ids can be given to it", model.config.name);
  std::vector<int32_t> ids = model.tokenizer->encode(text);
  if (model.tokenizer->add_bos && model.tokenizer->bos) ids.insert(ids.begin(), *model.tokenizer->bos);
  return ids;
}

}  // namespace ken::model
