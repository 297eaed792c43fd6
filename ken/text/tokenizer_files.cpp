// The files around a tokenizer in a Hugging Face folder: tokenizer.json or tokenizer.model, tokenizer_config.json,
// added_tokens.json, chat_template.jinja.
#include "ken/text/tokenizer_files.h"

#include "ken/base/read_json.h"
#include "ken/text/hf_tokenizer.h"
#include "ken/text/sentencepiece_model.h"
#include "ken/text/tokenizer.h"

namespace ken::text {
namespace {

constexpr size_t most_bytes = size_t{1} << 28;

Json optional(const fs::path& path) {
  return fs::exists(path) ? read_json(path, size_t{1} << 26, "tokenizer") : Json::object();
}

}  // namespace

bool is_tokenizer_path(const fs::path& path) {
  return fs::is_directory(path) || path.extension() == ".json" || path.extension() == ".model";
}

bool has_tokenizer(const fs::path& folder) {
  return fs::exists(folder / "tokenizer.json") || fs::exists(folder / "tokenizer.model");
}

io::Metadata tokenizer_metadata(const fs::path& path) {
  const bool folder = fs::is_directory(path);
  const fs::path json = path / "tokenizer.json", model = path / "tokenizer.model";
  const fs::path file = !folder ? path : fs::exists(model) && !fs::exists(json) ? model : json;
  const Json settings = folder ? optional(path / "tokenizer_config.json") : Json::object();
  io::Metadata metadata;
  if (file.extension() == ".model") {
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
