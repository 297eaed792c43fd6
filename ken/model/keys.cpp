// Config keys where families agree: of GGUF (PREFIX.attention.head_count) and of Hugging Face's config.json
// (num_attention_heads). Rotary scalings are turned into factors of the frequencies here, once.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model {
namespace {

// Widths are checked before anything is computed from them; check() says the rest.
void expect_width(const Config& c) {
  if (c.n_heads < 1 || c.n_heads > 1 << 16 || c.d_model < 1 || c.d_model > 1 << 20)
    fail("model", "{} heads on a width of {}; both must be positive and sane", c.n_heads, c.d_model);
}
void expect_rope(const Config& c) {
  if (c.rope_width < 0 || c.rope_width > c.d_head || c.rope_width % 2 || c.d_head > 1 << 14 || !(c.rope_base > 0))
    fail("model", "rope turns {} of {} values with base {}; it takes an even number up to the head width", c.rope_width,
         c.d_head, c.rope_base);
}

double plain_frequency(const Config& c, int64_t i) {
  return std::pow(c.rope_base, -2.0 * double(i) / double(c.rope_width));
}

// Llama 3's scaling: low frequencies are divided by `factor`, high ones stay, between them a ramp.
void scale_llama3(Config& c, double factor, double low, double high, double original) {
  if (!(low > 0 && high > low)) fail("model", "llama3's rope scaling between {} and {} turns", low, high);
  c.rope_factors.clear();
  for (int64_t i = 0; i < c.rope_width / 2; ++i) {
    const double turns = original * plain_frequency(c, i) / (2 * std::numbers::pi);
    const double keep = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    c.rope_factors.push_back(float(1 / ((1 - keep) / factor + keep)));
  }
}

struct Yarn {
  double factor = 1, original = 0, fast = 32, slow = 1;
  bool truncate = true;
};

// YaRN (Peng et al., arXiv 2309.00071): by parts between interpolation and none.
void scale_yarn(Config& c, const Yarn& y) {
  if (!(y.factor > 0 && y.original > 0 && y.fast > 0 && y.slow > 0 && c.rope_base > 1))
    fail("model", "YaRN by {} from {} positions, base {}, between {} and {} turns: all must be positive", y.factor,
         y.original, c.rope_base, y.slow, y.fast);
  const double width = double(c.rope_width);
  const auto dimension = [&](double rotations) {
    return width * std::log(y.original / (rotations * 2 * std::numbers::pi)) / (2 * std::log(c.rope_base));
  };
  double low = dimension(y.fast), high = dimension(y.slow);
  if (y.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, width - 1);
  if (low == high) high += 0.001;
  c.rope_factors.clear();
  for (int64_t i = 0; i < c.rope_width / 2; ++i) {
    const double keep = 1 - std::clamp((double(i) - low) / (high - low), 0.0, 1.0);
    c.rope_factors.push_back(float(1 / ((1 - keep) / y.factor + keep)));
  }
}

double yarn_magnitude(double factor, double weight = 1) {
  return factor <= 1 ? 1.0 : 0.1 * weight * std::log(factor) + 1;
}

std::vector<float> factors_of(const io::TensorInfo& info, const Config& c) {
  if (info.dtype != io::DType::f32 || info.shape != std::vector<int64_t>{c.rope_width / 2})
    fail("model", "{} must be F32 with {} values", info.name, c.rope_width / 2);
  std::vector<float> factors(size_t(info.elements()));
  std::memcpy(factors.data(), info.bytes.data(), info.bytes.size());
  return factors;
}

// llama.cpp's converter writes transformers' attention_factor as yarn_attn_factor: the whole magnitude, not a part of
// it.
void read_gguf_yarn(const io::Metadata& m, const std::string& key, Config& c) {
  const Yarn yarn{m.number(key + "factor"), double(c.rope_original), m.number(key + "yarn_beta_fast", 32),
                  m.number(key + "yarn_beta_slow", 1)};
  if (m.number(key + "yarn_ext_factor", 1) != 1)
    fail("model", "{}yarn_ext_factor is not 1; other mixtures are not supported", key);
  scale_yarn(c, yarn);
  c.rope_magnitude = m.number(key + "attn_factor", 1) * m.number(key + "yarn_attn_factor", yarn_magnitude(yarn.factor));
}

void read_gguf_scaling(const io::TensorFile& file, const std::string& prefix, Config& c) {
  const io::Metadata& m = file.metadata;
  const std::string key = prefix + "rope.scaling.", type = m.text(key + "type", "linear");
  c.rope_original = m.integer(key + "original_context_length", 0);
  if (const auto* factors = file.find("rope_freqs.weight")) c.rope_factors = factors_of(*factors, c);
  if (file.find("rope_factors_short.weight") || file.find("rope_factors_long.weight")) {
    c.rope_factors = factors_of(file.at("rope_factors_short.weight"), c);
    c.rope_long_factors = factors_of(file.at("rope_factors_long.weight"), c);
    c.rope_magnitude = m.number(key + "attn_factor", 1);
    return;
  }
  if (type == "linear") {
    c.rope_scale = m.number(key + "factor", m.number(prefix + "rope.scale_linear", 1));  // the latter in files of 2023
    if (c.rope_scale == 0) c.rope_scale = 1;
  } else if (type == "yarn") {
    read_gguf_yarn(m, key, c);
  } else if (type != "none" && type != "longrope") {
    fail("model", "{}type is '{}'; supported: none, linear, yarn, longrope", key, type);
  }
}

std::vector<float> float_list(const Json& json, const char* key) {
  const Json list = json.value(key, Json());
  if (!list.is_array() || list.size() > 1 << 13) fail("model", "rope_scaling has no list '{}'", key);
  std::vector<float> values;
  for (const Json& x : list) {
    if (!x.is_number()) fail("model", "rope_scaling's '{}' holds {}", key, x.type_name());
    values.push_back(x.get<float>());
  }
  return values;
}

// The factor stands in the scaling, or is the ratio of the contexts (Phi-3).
void read_longrope(const Json& scaling, double original, Config& c) {
  c.rope_factors = float_list(scaling, "short_factor");
  c.rope_long_factors = float_list(scaling, "long_factor");
  if (!(original > 1 && original < 1e12)) fail("model", "longrope from {} positions", original);
  c.rope_original = int64_t(original);
  const double factor = hf_number(scaling, "factor", double(c.context) / original);
  c.rope_magnitude =
      hf_number(scaling, "attention_factor", factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original)));
}

Yarn hf_yarn(const Json& scaling, double original, const Config& c) {
  const auto turns = [&](const char* key, double standard) {
    const double given = hf_number(scaling, key, 0);
    return given == 0 ? standard : given;
  };
  const double factor = hf_number(scaling, "factor", double(c.context) / original);
  return {factor, original, turns("beta_fast", 32), turns("beta_slow", 1), hf_flag(scaling, "truncate", true)};
}

void read_hf_yarn(const Json& scaling, double original, Config& c) {
  const Yarn yarn = hf_yarn(scaling, original, c);
  scale_yarn(c, yarn);
  const double weight = hf_number(scaling, "mscale", 0), all = hf_number(scaling, "mscale_all_dim", 0);
  const double standard = weight && all ? yarn_magnitude(yarn.factor, weight) / yarn_magnitude(yarn.factor, all)
                                        : yarn_magnitude(yarn.factor);
  c.rope_magnitude = hf_number(scaling, "attention_factor", standard);
}

// transformers 4 has rope_theta and rope_scaling, transformers 5 gathers all of rope's keys in rope_parameters.
Json hf_rope(const Json& json) {
  Json rope = Json::object();
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json given = json.value(key, Json());
    if (!given.is_object() && !given.is_null())
      fail("model", "config.json: {} is {}, not an object", key, given.type_name());
    if (given.is_object()) rope.update(given);
  }
  return rope;
}
std::string scaling_type(const Json& scaling) {
  return hf_text(scaling, "rope_type", hf_text(scaling, "type", "default"));
}
double original_context(const Json& json, const Json& scaling, const Config& c) {
  return hf_number(json, "original_max_position_embeddings",
                   hf_number(scaling, "original_max_position_embeddings", double(c.context)));
}

void read_hf_scaling(const Json& scaling, const Json& json, Config& c) {
  const std::string type = scaling_type(scaling);
  const double original = original_context(json, scaling, c);
  const auto factor = [&] {
    const double given = hf_number(scaling, "factor", 0);
    if (!(given > 0)) fail("model", "config.json: rope scaling '{}' by {}; 'factor' must be positive", type, given);
    return given;
  };
  if (type == "linear") {
    c.rope_scale = factor();
  } else if (type == "llama3") {
    scale_llama3(c, factor(), hf_number(scaling, "low_freq_factor", 1), hf_number(scaling, "high_freq_factor", 4),
                 original);
  } else if (type == "longrope" || type == "su" || (type == "yarn" && scaling.contains("long_factor"))) {
    read_longrope(scaling, original, c);  // Phi-3's early names for it
  } else if (type == "yarn") {
    read_hf_yarn(scaling, original, c);
  } else if (type != "default") {
    fail("model", "config.json: rope type '{}'; supported: default, linear, llama3, yarn, longrope", type);
  }
}

void read_hf_rope(const Json& json, Config& c) {
  const Json rope = hf_rope(json);
  for (const auto& [key, value] : rope.items())
    if (value.is_object()) fail("model", "config.json: rope parameters by type of layer ('{}') in {}", key, c.arch);
  c.rope_base = hf_number(rope, "rope_theta", hf_number(json, "rope_theta", hf_number(json, "rotary_emb_base", 10000)));
  const double part = hf_number(rope, "partial_rotary_factor",
                                hf_number(json, "partial_rotary_factor", hf_number(json, "rotary_pct", 1)));
  if (!(part > 0 && part <= 1)) fail("model", "config.json: rope turns {} of a head; it takes a share up to 1", part);
  c.rope_width = int64_t(double(c.d_head) * part);
  expect_rope(c);
  read_hf_scaling(rope, json, c);
}

// What would change the result and is not computed here.
void refuse_unsupported(const Json& json) {
  if (json.contains("quantization_config") && !json["quantization_config"].is_null())
    fail("model",
         "config.json has a quantization_config; only plain safetensors are read: convert the weights to bf16");
  if (hf_flag(json, "use_bidirectional_attention", false))
    fail("model", "config.json: use_bidirectional_attention; only causal models are supported");
}

void read_layer_types(const Json& json, Config& c) {
  const Json types = json.value("layer_types", Json());
  if (types.is_null()) return;
  if (!types.is_array()) fail("model", "config.json: layer_types is {}, not a list", types.type_name());
  const int64_t window = hf_integer(json, "sliding_window", 0);
  for (const Json& type : types) {
    const bool local = type == "sliding_attention";
    if (!local && type != "full_attention")
      fail("model", "config.json: layer type {}; supported: full_attention, sliding_attention",
           type.dump().substr(0, 80));
    if (local && window <= 0) fail("model", "config.json: layer_types has sliding_attention, but no sliding_window");
    c.windows.push_back(local ? window : 0);
  }
}

}  // namespace

double hf_number(const Json& json, const char* key, double standard) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return standard;
  if (!found->is_number()) fail("model", "config.json: {} is {}, not a number", key, found->type_name());
  return found->get<double>();
}

int64_t hf_integer(const Json& json, const char* key, int64_t standard) {
  const double value = hf_number(json, key, double(standard));
  if (!(std::abs(value) < 9e15) || value != std::floor(value))
    fail("model", "config.json: {} is {}, not a whole number", key, value);
  return int64_t(value);
}

int64_t hf_integer(const Json& json, const char* key) {
  if (json.find(key) == json.end()) fail("model", "config.json has no '{}'", key);
  return hf_integer(json, key, 0);
}

bool hf_flag(const Json& json, const char* key, bool standard) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return standard;
  if (!found->is_boolean()) fail("model", "config.json: {} is {}, not a flag", key, found->type_name());
  return found->get<bool>();
}

std::string hf_text(const Json& json, const char* key, const std::string& standard) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return standard;
  if (!found->is_string()) fail("model", "config.json: {} is {}, not text", key, found->type_name());
  return found->get<std::string>();
}

Activation hf_activation(const std::string& name) {
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "gelu") return Activation::gelu;
  fail("model", "config.json: activation '{}'; supported: silu, gelu, gelu_new, gelu_pytorch_tanh", name);
}

namespace {

// Layers as far as check() will allow them; a config that claims more ends there.
size_t layers_of(const Config& c) { return size_t(std::clamp<int64_t>(c.n_layers, 0, 4096)); }

}  // namespace

std::vector<int64_t> same_window(const Config& c, int64_t window) {
  return window > 0 ? std::vector<int64_t>(layers_of(c), window) : std::vector<int64_t>();
}

std::vector<int64_t> hf_window(const Json& json, const Config& c) {
  return c.windows.empty() ? same_window(c, hf_integer(json, "sliding_window", 0)) : c.windows;
}

std::vector<int64_t> every_other_window(const Config& c, int64_t window, int64_t period) {
  if (period < 1) fail("model", "a layer without a window every {} layers", period);
  std::vector<int64_t> windows(layers_of(c), window);
  for (size_t l = size_t(period) - 1; l < windows.size(); l += size_t(period)) windows[l] = 0;
  return windows;
}

std::vector<int64_t> late_windows(const Json& json, const Config& c) {
  if (!c.windows.empty()) return c.windows;
  if (!hf_flag(json, "use_sliding_window", false)) return {};
  std::vector<int64_t> windows(layers_of(c), hf_integer(json, "sliding_window", 4096));
  const int64_t first = std::max<int64_t>(0, hf_integer(json, "max_window_layers", 28));
  for (size_t l = 0; l < windows.size() && int64_t(l) < first; ++l) windows[l] = 0;
  return windows;
}

Config usual_gguf_config(const io::TensorFile& file, const Arch& arch) {
  const io::Metadata& m = file.metadata;
  const std::string prefix = arch.gguf_name() + ".";
  Config c;
  c.arch = arch.card.id;
  c.rope_interleaved = arch.gguf_interleaved;
  c.n_layers = m.integer(prefix + "block_count");
  c.d_model = m.integer(prefix + "embedding_length");
  c.n_heads = m.integer(prefix + "attention.head_count");
  c.n_kv_heads = m.integer(prefix + "attention.head_count_kv", c.n_heads);
  expect_width(c);
  c.d_head = m.integer(prefix + "attention.key_length", c.d_model / c.n_heads);
  c.d_ff = m.integer(prefix + "feed_forward_length");
  c.context = m.integer(prefix + "context_length");
  const bool rms = m.has(prefix + "attention.layer_norm_rms_epsilon");
  c.norm_eps = m.number(prefix + (rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"));
  c.rope_base = m.number(prefix + "rope.freq_base", 10000.0);
  c.rope_width = m.integer(prefix + "rope.dimension_count", c.d_head);
  expect_rope(c);
  read_gguf_scaling(file, prefix, c);
  c.attn_cap = m.number(prefix + "attn_logit_softcapping", 0);
  c.final_cap = m.number(prefix + "final_logit_softcapping", 0);
  c.n_experts = m.integer(prefix + "expert_count", 0);
  c.n_experts_used = m.integer(prefix + "expert_used_count", 0);
  const io::TensorInfo& embedding = file.at("token_embd.weight");
  if (embedding.shape.size() != 2) fail("model", "token_embd.weight has {} dimensions, not 2", embedding.shape.size());
  c.vocab = embedding.shape[0];
  c.tied = file.find("output.weight") == nullptr;
  c.qkv_bias = file.find("blk.0.attn_q.bias") || file.find("blk.0.attn_qkv.bias");
  c.out_bias = file.find("blk.0.attn_output.bias");
  c.mlp_bias = file.find("blk.0.ffn_up.bias");
  return c;
}

Config usual_hf_config(const Json& json, const Arch& arch) {
  refuse_unsupported(json);
  Config c;
  c.arch = arch.card.id;
  c.n_layers = hf_integer(json, "num_hidden_layers");
  c.d_model = hf_integer(json, "hidden_size");
  c.n_heads = hf_integer(json, "num_attention_heads");
  c.n_kv_heads = hf_integer(json, "num_key_value_heads", c.n_heads);
  expect_width(c);
  c.d_head = hf_integer(json, "head_dim", c.d_model / c.n_heads);
  c.d_ff = hf_integer(json, "intermediate_size");
  c.context = hf_integer(json, "max_position_embeddings", 2048);
  c.vocab = hf_integer(json, "vocab_size");
  c.norm_eps = hf_number(json, "rms_norm_eps", hf_number(json, "layer_norm_eps", 1e-6));
  read_hf_rope(json, c);
  c.rope_interleaved = false;
  c.activation = hf_activation(hf_text(json, "hidden_act", "silu"));
  c.tied = hf_flag(json, "tie_word_embeddings", false);
  c.qkv_bias = c.out_bias = hf_flag(json, "attention_bias", false);
  c.mlp_bias = hf_flag(json, "mlp_bias", false);
  read_layer_types(json, c);
  return c;
}

void write_usual_config(const Config& c, const Arch& arch, io::Metadata& m) {
  const std::string prefix = arch.gguf_name() + ".";
  const auto put = [&](const char* key, int64_t value) { m.values[prefix + key] = uint64_t(value); };
  const auto number = [&](const char* key, double value) { m.values[prefix + key] = double(float(value)); };
  put("block_count", c.n_layers), put("embedding_length", c.d_model), put("attention.head_count", c.n_heads);
  put("attention.head_count_kv", c.n_kv_heads), put("attention.key_length", c.d_head),
      put("attention.value_length", c.d_head);
  put("feed_forward_length", c.d_ff), put("context_length", c.context), put("vocab_size", c.vocab);
  number(c.norm == NormKind::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", c.norm_eps);
  if (!c.learned_positions) put("rope.dimension_count", c.rope_width), number("rope.freq_base", c.rope_base);
  if (c.rope_scale != 1) {
    m.values[prefix + "rope.scaling.type"] = std::string("linear");
    number("rope.scaling.factor", c.rope_scale);
  }
  if (c.rope_original > 0) put("rope.scaling.original_context_length", c.rope_original);
  if (!c.rope_long_factors.empty()) number("rope.scaling.attn_factor", c.rope_magnitude);
  if (const auto window = std::find_if(c.windows.begin(), c.windows.end(), [](int64_t w) { return w > 0; });
      window != c.windows.end())
    put("attention.sliding_window", *window);
  if (c.attn_cap > 0) number("attn_logit_softcapping", c.attn_cap);
  if (c.final_cap > 0) number("final_logit_softcapping", c.final_cap);
  if (c.n_experts > 0) put("expert_count", c.n_experts), put("expert_used_count", c.n_experts_used);
}

void put_yarn(const Json& json, const Config& c, const Arch& arch, io::Metadata& m) {
  const Json scaling = hf_rope(json);
  if (scaling_type(scaling) != "yarn" || !c.rope_long_factors.empty()) return;
  const std::string key = arch.gguf_name() + ".rope.scaling.";
  const Yarn yarn = hf_yarn(scaling, original_context(json, scaling, c), c);
  m.values[key + "type"] = std::string("yarn");
  m.values[key + "original_context_length"] = int64_t(yarn.original);
  const std::pair<const char*, double> numbers[] = {{"factor", yarn.factor},
                                                    {"yarn_attn_factor", c.rope_magnitude},
                                                    {"yarn_beta_fast", yarn.fast},
                                                    {"yarn_beta_slow", yarn.slow}};
  for (const auto& [name, value] : numbers) m.values[key + name] = double(float(value));
}

}  // namespace ken::model
