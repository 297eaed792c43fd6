// Sparse autoencoders as files. A folder in SAELens's layout: cfg.json, which says what the numbers mean, and
// sae_weights.safetensors. A Gemma Scope archive: params.npz with W_enc, W_dec, b_enc, b_dec and threshold.
#include <cstring>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/io/npz.h"
#include "ken/io/tensors.h"
#include "ken/readout/sae.h"

namespace ken::readout {
namespace {

constexpr const char *config_name = "cfg.json", *weights_name = "sae_weights.safetensors", *npz_name = "params.npz";
constexpr size_t most_config = size_t{1} << 20;

// Tensors as a writer takes them; it keeps their bytes.
struct Outgoing {
  std::vector<Tensor> kept;
  std::vector<io::TensorOut> out;
  void add(const std::string& name, const Tensor& tensor) {
    kept.push_back(tensor.contiguous());
    const Tensor& t = kept.back();
    out.push_back({name,
                   t.scalar_type() == at::kDouble ? io::DType::f64 : io::DType::f32,
                   t.sizes().vec(),
                   {static_cast<const std::byte*>(t.data_ptr()), t.nbytes()}});
  }
};

Outgoing parts_of(const Sae& sae) {
  Outgoing parts;
  parts.add("W_enc", sae.w_enc);
  parts.add("W_dec", sae.w_dec);
  parts.add("b_enc", sae.b_enc);
  parts.add("b_dec", sae.b_dec);
  if (sae.threshold.defined()) parts.add("threshold", sae.threshold);
  return parts;
}

Tensor floats_of(const io::TensorInfo& info) {
  Tensor result = at::empty(info.shape, at::kFloat);
  if (info.dtype == io::DType::f64) {
    Tensor wide = at::empty(info.shape, at::kDouble);
    if (!info.bytes.empty()) std::memcpy(wide.data_ptr(), info.bytes.data(), info.bytes.size());
    return wide.to(at::kFloat);
  }
  io::to_f32(info.dtype, info.bytes.data(), result.data_ptr<float>(), result.numel());
  return result;
}

Tensor optional_part(const io::TensorFile& file, const char* name) {
  return file.find(name) ? floats_of(file.at(name)) : Tensor();
}

void take_parts(const io::TensorFile& file, Sae& sae) {
  sae.w_enc = floats_of(file.at("W_enc"));
  sae.w_dec = floats_of(file.at("W_dec"));
  sae.b_dec = floats_of(file.at("b_dec"));
  sae.b_enc = optional_part(file, "b_enc");
  sae.threshold = optional_part(file, "threshold");
  if (!sae.b_enc.defined() && sae.w_enc.dim() == 2) sae.b_enc = at::zeros({sae.w_enc.size(1)});
}

std::string text_of(const Json& json, const char* key, const std::string& standard = "") {
  return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : standard;
}

// SAELens has no kind of its own for batchtopk: with its threshold it is a jumprelu.
SaeKind kind_of(const Json& config, const std::string& name) {
  const Json ken = config.value("ken", Json::object());
  if (const std::string kind = text_of(ken, "kind"); !kind.empty()) return sae_kind(kind);
  const std::string architecture = text_of(config, "architecture", "standard");
  if (architecture == "standard") {
    const std::string function = text_of(config, "activation_fn_str", text_of(config, "activation_fn", "relu"));
    if (function == "relu" || function == "topk") return sae_kind(function);
    fail("sae", "{}: its activation is '{}'; ken reads relu, topk, jumprelu", name, function);
  }
  if (architecture == "topk" || architecture == "jumprelu") return sae_kind(architecture);
  fail("sae", "{}: its architecture is '{}'; ken reads standard, topk and jumprelu", name, architecture);
}

int64_t k_of(const Json& config) {
  for (const Json& place :
       {config, config.value("activation_fn_kwargs", Json::object()), config.value("ken", Json::object())})
    if (place.is_object() && place.contains("k") && place["k"].is_number_integer()) return place["k"];
  return 0;
}

// What the stored form leaves to be done to x is folded into the biases.
void fold(const Json& config, Sae& sae, const std::string& name) {
  const std::string norm = text_of(config, "normalize_activations", "none");
  if (norm != "none")
    fail("sae", "{}: it normalises activations ('{}'); fold the scale into its weights before saving it", name, norm);
  const Json& apply = config.value("apply_b_dec_to_input", Json(false));
  if (apply.is_boolean() && apply.get<bool>()) sae.b_enc = sae.b_enc - at::mv(sae.w_enc.t(), sae.b_dec);
  if (const Json& factor = config.value("finetuning_scaling_factor", Json(false));
      factor.is_boolean() && factor.get<bool>())
    fail("sae", "{}: it holds a scaling factor of finetuning, which ken does not read", name);
}

Json config_of(const Sae& sae) {
  const bool jump = sae.threshold.defined();
  Json config{{"architecture", jump                        ? "jumprelu"
                               : sae.kind == SaeKind::topk ? "topk"
                                                           : "standard"},
              {"d_in", sae.d()},
              {"d_sae", sae.features()},
              {"dtype", "float32"},
              {"device", "cpu"},
              {"apply_b_dec_to_input", false},
              {"normalize_activations", "none"},
              {"reshape_activations", "none"},
              {"metadata", {{"hook_name", sae.point}, {"model_name", sae.model_name}, {"prepend_bos", true}}},
              {"ken",
               {{"kind", kind_name(sae.kind)},
                {"k", sae.k},
                {"norm_scale", sae.norm_scale},
                {"model_sha256", sae.model_sha256}}}};
  if (sae.kind == SaeKind::topk) config["k"] = sae.k;
  return config;
}

Sae load_folder(const fs::path& folder) {
  const std::string name = folder.string();
  const Json config = read_json(folder / config_name, most_config, "sae");
  const auto file = io::open_tensors(folder / weights_name);
  Sae sae;
  sae.kind = kind_of(config, name);
  sae.k = k_of(config);
  take_parts(*file, sae);
  if (sae.kind == SaeKind::relu || sae.kind == SaeKind::topk) sae.threshold = Tensor();
  check(sae, name);
  fold(config, sae, name);
  const Json meta = config.contains("metadata") ? config["metadata"] : config.value("meta", Json::object());
  sae.point = text_of(meta, "hook_name", text_of(config, "hook_name", text_of(config, "hook_point")));
  sae.model_name = text_of(meta, "model_name", text_of(config, "model_name"));
  const Json ken = config.value("ken", Json::object());
  sae.model_sha256 = text_of(ken, "model_sha256");
  if (ken.is_object() && ken.contains("norm_scale") && ken["norm_scale"].is_number())
    sae.norm_scale = ken["norm_scale"];
  return sae;
}

Sae load_npz(const fs::path& path) {
  const auto file = io::open_npz(path);
  Sae sae;
  sae.kind = SaeKind::jumprelu;
  take_parts(*file, sae);
  check(sae, path.string());
  return sae;
}

}  // namespace

void save_sae(const Sae& sae, const fs::path& folder) {
  check(sae, folder.string());
  const Outgoing parts = parts_of(sae);
  fs::create_directories(folder);
  io::write_safetensors(folder / weights_name, {}, parts.out);
  write_text(folder / config_name, config_of(sae).dump(2) + "\n");
}

void save_sae_npz(const Sae& sae, const fs::path& path) {
  check(sae, path.string());
  if (!sae.threshold.defined())
    fail_usage("sae", "Gemma Scope's archive is for jumprelu; a {} has no threshold to write; save a folder instead",
               kind_name(sae.kind));
  io::write_npz(path, parts_of(sae).out);
}

Sae load_sae(const fs::path& path) {
  if (!fs::exists(path)) fail_usage("sae", "{} does not exist; give a folder or an .npz file", path.string());
  if (fs::is_regular_file(path)) return load_npz(path);
  if (fs::exists(path / config_name)) return load_folder(path);
  if (fs::exists(path / npz_name)) return load_npz(path / npz_name);
  fail_usage("sae", "{} holds neither {} nor {}", path.string(), config_name, npz_name);
}

void write_checkpoint(const fs::path& path, const SaeTrainer& trainer, const ActivationStream& stream,
                      const SaeTraining& options) {
  Outgoing parts;
  for (const auto& [name, tensor] : trainer.state()) parts.add(name, tensor);
  const auto position = stream.position();
  const Json at{{"text", position.text}, {"block", position.block}, {"served", position.served}};
  fs::create_directories(path.parent_path());
  io::write_safetensors(
      path, {{"options", to_json(options).dump()}, {"point", stream.options().point}, {"position", at.dump()}},
      parts.out);
}

bool read_checkpoint(const fs::path& path, SaeTrainer& trainer, ActivationStream& stream, const SaeTraining& options) {
  if (!fs::exists(path)) return false;
  const auto file = io::open_tensors(path);
  if (file->metadata.text("options", "") != to_json(options).dump() ||
      file->metadata.text("point", "") != stream.options().point)
    fail_usage("sae", "{} is of a run with other options; remove it, or choose another folder", path.string());
  const Json at = parse_json(file->metadata.text("position", ""));
  const auto number = [&](const char* key) {
    if (!at.is_object() || !at.contains(key) || !at[key].is_number_unsigned())
      fail("sae", "{} does not say where in the texts it stands; remove it to begin again", path.string());
    return at[key].get<int64_t>();
  };
  std::map<std::string, Tensor> state;
  for (const auto& info : file->tensors) {
    Tensor tensor = at::empty(info.shape, info.dtype == io::DType::f64 ? at::kDouble : at::kFloat);
    if (info.dtype != io::DType::f64 && info.dtype != io::DType::f32)
      fail("sae", "{}: {} is {}; the checkpoint is not ken's", path.string(), info.name, io::dtype_name(info.dtype));
    if (!info.bytes.empty()) std::memcpy(tensor.data_ptr(), info.bytes.data(), info.bytes.size());
    state[info.name] = tensor;
  }
  trainer.restore(state);
  stream.seek({number("text"), number("block"), number("served")});
  return true;
}

}  // namespace ken::readout
