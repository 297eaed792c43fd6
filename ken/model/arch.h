// What one architecture family adds to the forward pass: its config keys and tensor names. One file each in arch/.
#pragma once
#include "ken/base/json.h"
#include "ken/base/registry.h"
#include "ken/model/model.h"

namespace ken::model {

// Where a file keeps a matrix or gain of ken's.
struct Source {
  std::string name;
  // Part of a fused tensor: rows [first, first + rows) of `total`; with a stride, `run` rows of every `stride` from
  // `first` on (heads whose q, k and v lie together).
  int64_t first = 0, total = 0, run = 0, stride = 0;
  bool transposed = false;  // stored as [in, out]
  int64_t expert = -1;      // a slice of a tensor [experts, out, in]
};

struct Arch {
  Card card;         // id = general.architecture, or the first model_type of a family that GGUF knows by another name
  std::string gguf;  // general.architecture; empty when card.id is it
  std::vector<std::string> model_types;  // of config.json
  bool gguf_interleaved = false;         // GGUF's rows of q and k are in the order (2i, 2i + 1)
  // Adjusts what the usual keys gave; null when they say it all.
  void (*from_gguf)(const io::TensorFile& file, Config& config);
  Json (*hf_keys)(const Json& json);  // config.json under the usual names, where a family has its own
  void (*from_hf)(const Json& json, Config& config);
  // Changes where a tensor of ken's ("blocks.0.attn.W_Q", "ln_final.w") lies; null when the usual names hold.
  void (*gguf_source)(const Config& config, const std::string& name, Source& source);
  void (*hf_source)(const Config& config, const std::string& name, Source& source);
  // Writes keys beyond the usual ones; null when there are none.
  void (*write_config)(const Config& config, io::Metadata& metadata);

  const std::string& gguf_name() const { return gguf.empty() ? card.id : gguf; }
};

// frame() without memory for gains and biases, however large the config claims that they are: for loading, which puts
// the file's in their place.
std::shared_ptr<Model> outline(const Config& config);

const Arch& arch_of_gguf(const std::string& architecture);
const Arch& arch_of_hf(const Json& config);  // by model_type

// What a file says of the shape, family's own keys included.
Config gguf_config(const io::TensorFile& file);
Config hf_config(const Json& usual, const Arch& arch);
Json usual_hf_keys(const Json& json, const Arch& arch);  // config.json under the usual names

// keys.cpp: the keys that most families share.
Config usual_gguf_config(const io::TensorFile& file, const Arch& arch);
Config usual_hf_config(const Json& json, const Arch& arch);
void write_usual_config(const Config& config, const Arch& arch, io::Metadata& metadata);
// YaRN's parameters of config.json as GGUF's keys, from which its factors are computed again; nothing where there are
// none.
void put_yarn(const Json& json, const Config& config, const Arch& arch, io::Metadata& metadata);
// Values of config.json. An absent key or null gives the standard; another type is an error that names the key.
int64_t hf_integer(const Json& json, const char* key);  // required
int64_t hf_integer(const Json& json, const char* key, int64_t standard);
double hf_number(const Json& json, const char* key, double standard);
bool hf_flag(const Json& json, const char* key, bool standard);
std::string hf_text(const Json& json, const char* key, const std::string& standard);

Activation hf_activation(const std::string& name);
// Windows by layer: the same everywhere (none for 0); at all but every `period`th; from max_window_layers on, where
// use_sliding_window says so. hf_window: the same everywhere, unless config.json lists them by layer.
std::vector<int64_t> same_window(const Config& config, int64_t window);
std::vector<int64_t> hf_window(const Json& json, const Config& config);
std::vector<int64_t> every_other_window(const Config& config, int64_t window, int64_t period);
std::vector<int64_t> late_windows(const Json& json, const Config& config);

// names.cpp: the names that most families share. "blocks.3.attn.W_Q" -> "blk.3.attn_q.weight".
Source usual_gguf_source(const std::string& name);
Source usual_hf_source(const std::string& name);
// "blocks.3.attn.W_Q" -> {3, "attn.W_Q"}; {-1, name} outside the blocks.
std::pair<int64_t, std::string> split_name(const std::string& name);
// Whether `part` is q, k or v; then `source` is its rows of the tensor `name` that holds the three one after another.
bool take_qkv(const Config& config, const std::string& part, const std::string& name, Source& source);

}  // namespace ken::model
