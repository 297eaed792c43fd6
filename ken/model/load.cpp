// GGUF file or Hugging Face folder -> Model. Weights stay views of the mapping: only gains, and matrices that a file
// stores transposed or interleaved with others, are copied.
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <set>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/model/arch.h"
#include "ken/text/tokenizer_files.h"

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

// Rows of a stored tensor that belong to the part: a view, unless heads lie interleaved.
Tensor rows_of_part(const Tensor& data, const Source& source, int64_t rows) {
  if (source.total == 0) return data;
  if (source.stride == 0) return data.narrow(0, source.first, rows);
  std::vector<int64_t> index;
  for (int64_t begin = source.first; begin < source.total; begin += source.stride)
    for (int64_t r = 0; r < source.run; ++r) index.push_back(begin + r);
  return data.index_select(0, at::tensor(index, at::kLong));
}

void read_matrix(nn::Matrix& w, const io::TensorFile& file, const Source& source, const std::string& name) {
  const io::TensorInfo& info = file.at(source.name);
  const int64_t rows = source.total ? source.total : w.out;
  std::vector<int64_t> shape{rows, w.in};
  if (source.transposed) std::swap(shape[0], shape[1]);
  if (source.expert >= 0 && !info.shape.empty()) shape.insert(shape.begin(), info.shape[0]);
  if (source.expert >= 0 && (info.shape.size() != 3 || info.shape[0] <= source.expert)) shape = {0, rows, w.in};
  expect_shape(info, shape);
  Tensor data = view(info);
  w.format = io::format_of(info.dtype);
  if (source.expert >= 0) data = data.select(0, source.expert);
  if (source.transposed && w.format) fail("model", "tensor {} is stored transposed in blocks", info.name);
  if (source.transposed) data = data.t();
  data = rows_of_part(data, source, w.out).contiguous();
  check_finite(data, info.name);
  w.name = name;
  w.data = data;
}

Tensor read_vector(const io::TensorFile& file, const Source& source, int64_t n) {
  const io::TensorInfo& info = file.at(source.name);
  expect_shape(info, {source.total ? source.total : n});
  const Tensor all = at::empty({info.elements()}, at::kFloat);
  io::to_f32(info.dtype, info.bytes.data(), all.data_ptr<float>(), all.numel());
  check_finite(all, info.name);
  return rows_of_part(all, source, n).contiguous();
}

using Locate = std::function<Source(const std::string&)>;

// `read` collects the names of the file's tensors that were used.
std::shared_ptr<Model> assemble(const Config& config, std::shared_ptr<const io::TensorFile> file, const Locate& locate,
                                std::set<std::string>& read) {
  auto m = outline(config);
  for (auto& [name, w] : m->matrices()) {
    Source source = locate(name);
    read_matrix(*w, *file, source, name);
    read.insert(source.name);
    if (!w->bias.defined()) continue;
    source.name = source.name.substr(0, source.name.rfind('.')) + ".bias";
    w->bias = read_vector(*file, source, w->out);
    read.insert(source.name);
  }
  for (auto& [name, g] : m->gains()) {
    const Source source = locate(name);
    *g = read_vector(*file, source, g->numel());
    read.insert(source.name);
    if (config.norm_plus_one) *g += 1;
  }
  m->file = std::move(file);
  return m;
}

Source located(const Config& config, const std::string& name, Source source,
               void (*change)(const Config&, const std::string&, Source&)) {
  if (change) change(config, name, source);
  if (source.name.empty()) fail("model", "a {} file has no place for {}", config.arch, name);
  return source;
}

// A block's tensor that nobody reads (a bias, attention sinks, a shared expert) would change the result if it were.
void refuse_unread(const io::TensorFile& file, const std::set<std::string>& read, const Config& config) {
  for (const io::TensorInfo& info : file.tensors)
    if (info.name.starts_with("blk.") && !read.count(info.name) && !info.name.ends_with(".attn_rot_embd.weight"))
      fail("model", "{}: a {} model has no place for tensor {}; the file is of a variant that is not supported",
           file.name, config.arch, info.name);
}

// As stored: a multimodal folder's text model has a prefix more, files that were saved from the inner model lack its
// own.
std::string stored_name(const io::TensorFile& file, const std::string& name) {
  const std::string inner = name.substr(name.find('.') + 1);
  for (const std::string& candidate : {name, "language_model." + name, "model.language_model." + inner, inner})
    if (file.find(candidate)) return candidate;
  return name;
}

// Converters of 2023 wrote a tensor for each expert instead of one for all.
Source stored_expert(const io::TensorFile& file, Source source) {
  const size_t end = source.name.rfind("_exps.weight");
  if (source.expert < 0 || file.find(source.name) || end == std::string::npos) return source;
  return {fmt::format("{}.{}.weight", source.name.substr(0, end), source.expert)};
}

void check_tokenizer(const Model& m) {
  if (m.tokenizer && m.tokenizer->vocab_size() > m.config.vocab)
    fail("model", "the tokenizer holds {} tokens, the embedding {} rows", m.tokenizer->vocab_size(), m.config.vocab);
}

// Of the config and of every weight file, in the order of their names.
std::string sha256_folder(const fs::path& folder) {
  std::vector<fs::path> files{folder / "config.json"};
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  std::sort(files.begin() + 1, files.end());
  std::string all;
  for (const auto& file : files) all += sha256_file(file);
  return ken::sha256(std::as_bytes(std::span(all)));
}

// config.json and safetensors, in one file or in shards.
std::shared_ptr<Model> load_folder(const fs::path& folder) {
  const Json json = read_json(folder / "config.json", size_t{1} << 20, "model");
  const Arch& arch = arch_of_hf(json);
  auto file = io::open_shards(folder);
  const Json usual = usual_hf_keys(json, arch);
  Config config = hf_config(usual, arch);
  config.name = fs::absolute(folder).lexically_normal().filename().string();
  // An output matrix that nobody stored is the embedding, whatever the config's default says.
  const io::TensorFile& stored = *file;
  std::set<std::string> read;
  const auto holds = [&](const char* name) { return stored.find(stored_name(stored, name)) != nullptr; };
  if (!config.tied && !holds("lm_head.weight") && !holds("embed_out.weight")) config.tied = true;
  auto m = assemble(
      config, std::move(file),
      [&](const std::string& name) {
        Source source = located(config, name, usual_hf_source(name), arch.hf_source);
        source.name = stored_name(stored, source.name);
        return source;
      },
      read);
  if (text::has_tokenizer(folder)) {
    m->metadata = text::tokenizer_metadata(folder);
    m->tokenizer = text::tokenizer_from_gguf(m->metadata);
  }
  put_yarn(usual, config, arch, m->metadata);
  m->metadata.name = folder.string();
  check_tokenizer(*m);
  return m;
}

}  // namespace

const Arch& arch_of_gguf(const std::string& architecture) {
  std::vector<std::string> known;
  for (const Arch* arch : Registry<Arch>::get().all()) {
    if (!arch->gguf.empty()) continue;  // another family reads its files
    if (arch->card.id == architecture) return *arch;
    known.push_back(arch->card.id);
  }
  fail_usage("model", "{}", unknown_name("architecture", architecture, known));
}

const Arch& arch_of_hf(const Json& config) {
  const std::string type = hf_text(config, "model_type", "");
  std::vector<std::string> known;
  for (const Arch* arch : Registry<Arch>::get().all())
    for (const auto& name : arch->model_types) {
      if (name == type) return *arch;
      known.push_back(name);
    }
  fail_usage("model", "config.json: {}", unknown_name("model_type", type, known));
}

Config gguf_config(const io::TensorFile& file) {
  const Arch& arch = arch_of_gguf(file.metadata.text("general.architecture"));
  Config config = usual_gguf_config(file, arch);
  if (arch.from_gguf) arch.from_gguf(file, config);
  return config;
}

Json usual_hf_keys(const Json& json, const Arch& arch) { return arch.hf_keys ? arch.hf_keys(json) : json; }

Config hf_config(const Json& usual, const Arch& arch) {
  Config config = usual_hf_config(usual, arch);
  if (arch.from_hf) arch.from_hf(usual, config);
  return config;
}

std::shared_ptr<Model> load(const fs::path& path) {
  if (fs::is_directory(path)) {
    auto m = load_folder(path);
    m->digest = std::async(std::launch::deferred, sha256_folder, path);
    return m;
  }
  auto file = io::open_tensors(path);
  return load(file, [path] { return sha256_file(path); });
}

std::shared_ptr<Model> load(std::shared_ptr<const io::TensorFile> file, std::function<std::string()> sha256) {
  if (file->format != "gguf")
    fail("model", "{} is {}, which holds no config; give a GGUF file, or the folder with its config.json", file->name,
         file->format);
  const Arch& arch = arch_of_gguf(file->metadata.text("general.architecture"));
  Config config = gguf_config(*file);
  config.name = file->metadata.text("general.name", fs::path(file->name).stem().string());
  const io::TensorFile& stored = *file;
  std::set<std::string> read;
  const io::Metadata& metadata = file->metadata;
  auto m = assemble(
      config, file,
      [&](const std::string& name) {
        return stored_expert(stored, located(config, name, usual_gguf_source(name), arch.gguf_source));
      },
      read);
  refuse_unread(stored, read, config);
  m->metadata = metadata;
  if (metadata.has("tokenizer.ggml.model")) m->tokenizer = text::tokenizer_from_gguf(metadata);
  check_tokenizer(*m);
  m->digest = std::async(std::launch::deferred, std::move(sha256));
  return m;
}

std::vector<int32_t> prompt_ids(const Model& model, const std::string& text) {
  if (!model.tokenizer) fail("model", "{} holds no tokenizer; only token ids can be given to it", model.config.name);
  std::vector<int32_t> ids = model.tokenizer->encode(text);
  if (model.tokenizer->add_bos && model.tokenizer->bos) ids.insert(ids.begin(), *model.tokenizer->bos);
  return ids;
}

}  // namespace ken::model
