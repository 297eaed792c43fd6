// ken template: one chat on stdin, rendered by a model's chat template, as the exact bytes that the model reads.
#include <fmt/ranges.h>

#include <fstream>
#include <iostream>
#include <iterator>

#include "ken/cli/command.h"
#include "ken/study/embedded.h"
#include "ken/text/chat_template.h"
#include "ken/text/tokenizer_files.h"

namespace ken::cli::template_file {
namespace {

struct Flags {
  std::string model, name;
};

struct Source {
  std::string text;
  std::optional<std::string> bos, eos;  // of the model, for a case that does not name its own
};

[[noreturn]] void refuse_name(const std::string& where, const std::string& name,
                              const std::vector<std::string>& known) {
  if (known.empty()) fail("template", "{} has no chat template; give one as a file", where);
  if (name.empty())
    fail_usage("template", "{} has named templates only; choose with --name: {}", where, fmt::join(known, ", "));
  fail_usage("template", "{}: {}", where, unknown_name("template", name, known));
}

Source from_gguf(const io::TensorFile& file, const std::string& name) {
  const io::Metadata& metadata = file.metadata;
  const std::string base = "tokenizer.chat_template", key = name.empty() ? base : base + "." + name;
  std::vector<std::string> known;
  for (const auto& [other, value] : metadata.values)
    if (other.rfind(base + ".", 0) == 0) known.push_back(other.substr(base.size() + 1));
  if (!metadata.has(key)) refuse_name(file.name, name, known);
  Source source{metadata.text(key), std::nullopt, std::nullopt};
  const auto token = [&](const std::string& which) -> std::optional<std::string> {
    const std::string id = "tokenizer.ggml." + which + "_token_id", all = "tokenizer.ggml.tokens";
    if (!metadata.has(id) || !metadata.has(all)) return std::nullopt;
    const auto& tokens = metadata.texts(all);
    const int64_t at = metadata.integer(id);
    return at >= 0 && uint64_t(at) < tokens.size() ? std::optional(tokens[size_t(at)]) : std::nullopt;
  };
  source.bos = token("bos");
  source.eos = token("eos");
  return source;
}

Source from_folder(const fs::path& folder, const std::string& name) {
  Source source;
  Json templates;
  if (const fs::path file = folder / "tokenizer_config.json"; fs::exists(file)) {
    const Json config = read_json(file, size_t{1} << 26, "template");
    templates = config.value("chat_template", Json());
    source.bos = text::config_token(config, "bos_token");
    source.eos = text::config_token(config, "eos_token");
  }
  if (const fs::path file = folder / "chat_template.jinja"; name.empty() && fs::exists(file))
    templates = read_text(file, text::TemplateLimits{}.source);
  std::vector<std::string> known;
  if (templates.is_string() && name.empty()) {
    source.text = templates.get<std::string>();
    return source;
  }
  for (const Json& entry : templates.is_array() ? templates : Json::array()) {
    if (!entry.is_object() || !entry.value("name", Json()).is_string() || !entry.value("template", Json()).is_string())
      continue;
    known.push_back(entry["name"].get<std::string>());
    source.text = entry["template"].get<std::string>();
    if (known.back() == (name.empty() ? "default" : name)) return source;
  }
  refuse_name(folder.string(), name, known);
}

Source open_source(const Flags& flags) {
  if (flags.model == "almanac")
    return from_gguf(*io::open_tensors(study::embedded_model(), "almanac.gguf"), flags.name);
  const fs::path path = flags.model;
  if (!fs::exists(path)) fail_usage("template", "{} is no file", flags.model);
  if (fs::is_directory(path)) return from_folder(path, flags.name);
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  if (file.read(magic, 4) && std::string_view(magic, 4) == "GGUF")
    return from_gguf(*io::open_tensors(path), flags.name);
  if (!flags.name.empty())
    fail_usage("template", "{} is one template; --name chooses among those of a model", flags.model);
  return {read_text(path, text::TemplateLimits{}.source), std::nullopt, std::nullopt};
}

Json read_case() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  Json input;
  try {
    input = Json::parse(text);
  } catch (const Json::exception& error) {
    fail("template", "stdin is no JSON object: {}", error.what());
  }
  if (!input.is_object() || !input.value("messages", Json()).is_array())
    fail("template", "stdin must be one JSON object with the list 'messages'");
  return input;
}

void run(const Flags& flags) {
  const Source source = open_source(flags);
  const text::ChatTemplate parsed(source.text);
  // Every key is a variable; those that a case leaves out come from the model.
  print(parsed.render(
      {.bos_token = source.bos, .eos_token = source.eos, .variables = read_case(), .clock = text::template_clock}));
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model, "a GGUF file, a Hugging Face folder, or a template as a file")->required();
  app.add_option("--name", flags.name, "one of a model's named templates, such as tool_use");
}

const Register<Command> entry{
    command("template", 72, add, run, "Render a chat (one JSON object on stdin) with a model's chat template.",
            "echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"add_generation_prompt\": true}' "
            "| ken template model.gguf")};

}  // namespace
}  // namespace ken::cli::template_file
