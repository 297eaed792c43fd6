// The files around a tokenizer in a Hugging Face folder: tokenizer.json or tokenizer.model, tokenizer_config.json,
// added_tokens.json, chat_template.jinja.
#include "ken/text/tokenizer_files.h"

#include "ken/base/read_json.h"
#include "ken/text/hf_tokenizer.h"
#include "ken/text/json_fields.h"
#include "ken/text/sentencepiece_model.h"
#include "ken/text/tokenizer.h"

namespace ken::text {
namespace {

constexpr size_t most_bytes = size_t{1} << 28;

Json optional(const fs::path& path) {
  return fs::exists(path) ? read_json(path, size_t{1} << 26, "tokenizer") : Json::object();
}

bool is_model(const fs::path& path) {
  const bool versioned = path.stem().extension() == ".model" && path.extension().string().starts_with(".v");
  return path.extension() == ".model" || versioned;
}

// The first of its files that a folder has, else the name of the first.
fs::path file_of(const fs::path& folder) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "spiece.model"})
    if (fs::exists(folder / name)) return folder / name;
  return folder / "tokenizer.json";
}

}  // namespace

bool is_tokenizer_path(const fs::path& path) {
  return fs::is_directory(path) || path.extension() == ".json" || is_model(path);
}

bool has_tokenizer(const fs::path& folder) { return fs::exists(file_of(folder)); }

std::optional<std::string> config_token(const Json& config, const char* key) {
  const Json& value = member(config, key);
  const Json& text = value.is_object() ? member(value, "content") : value;
  return text.is_string() ? std::optional(text.get<std::string>()) : std::nullopt;
}

io::Metadata tokenizer_metadata(const fs::path& path) {
  const bool folder = fs::is_directory(path);
  const fs::path file = folder ? file_of(path) : path;
  const Json settings = folder ? optional(path / "tokenizer_config.json") : Json::object();
  io::Metadata metadata;
  if (is_model(file)) {
    metadata = sentencepiece_metadata(read_text(file, most_bytes));
    if (folder) add_folder_tokens(metadata, settings, optional(path / "added_tokens.json"));
  } else {
    metadata = tokenizer_metadata(read_json(file, most_bytes, "tokenizer"), settings);
  }
  metadata.name = file.string();
  if (const fs::path chat = path / "chat_template.jinja"; folder && fs::exists(chat))
    metadata.values["tokenizer.chat_template"] = read_text(chat, size_t{1} << 20);
  return metadata;
}

}  // namespace ken::text
