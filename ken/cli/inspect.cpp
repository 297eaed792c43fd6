// ken inspect: what a model file holds, without loading its weights.
#include <fmt/ranges.h>

#include "ken/base/read_json.h"
#include "ken/cli/command.h"
#include "ken/study/embedded.h"

namespace ken::cli::inspect_file {
namespace {

Json value_json(const io::MetaValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (requires {
                        v.size();
                        v.begin();
                      } &&
                      !std::is_same_v<std::decay_t<decltype(v)>, std::string>) {
          if (v.size() > 16) return fmt::format("[{} values]", v.size());
          Json list = Json::array();
          for (const auto& x : v) list.push_back(x);
          return list;
        } else {
          return v;
        }
      },
      value);
}

void run(const std::string& name, bool json) {
  const bool file = !name.empty() && name != "almanac";
  const fs::path path = file ? model_path(name) : fs::path();
  const bool folder = file && fs::is_directory(path);
  const auto opened = folder ? io::open_shards(path)
                      : file ? io::open_tensors(path)
                             : io::open_tensors(study::embedded_model(), "almanac.gguf");
  Json metadata = Json::object(), tensors = Json::array();
  if (folder) metadata = read_json(path / "config.json", size_t{1} << 20, "inspect");
  for (const auto& [key, value] : opened->metadata.values) metadata[key] = value_json(value);
  int64_t parameters = 0;
  for (const auto& t : opened->tensors) {
    parameters += t.elements();
    tensors.push_back(
        {{"name", t.name}, {"dtype", io::dtype_name(t.dtype)}, {"shape", t.shape}, {"bytes", t.bytes.size()}});
  }
  Json card = nullptr;
  if (opened->metadata.has("ken.card")) card = Json::parse(opened->metadata.text("ken.card"), nullptr, false);
  const Json result{
      {"name", opened->name}, {"format", opened->format}, {"parameters", parameters},          {"card", card},
      {"metadata", metadata}, {"tensors", tensors},       {"unsupported", opened->unsupported}};
  if (json) return print(dumped(result) + "\n");
  std::string text = fmt::format("{}: {}, {} tensors, {} parameters\n", opened->name, opened->format,
                                 opened->tensors.size(), parameters);
  for (const auto& [key, value] : metadata.items())
    text += fmt::format("  {:<44} {}\n", key, dumped(value).substr(0, 120));
  for (const auto& t : opened->tensors)
    text += fmt::format("  {:<44} {:<5} {}\n", t.name, io::dtype_name(t.dtype), fmt::join(t.shape, "x"));
  for (const auto& t : opened->unsupported) text += "  not supported: " + t + "\n";
  print(text);
}

void add(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  app.add_option("MODEL", *name, "a GGUF or safetensors file, a Hugging Face folder, or 'almanac'");
  app.add_flag("--json", *json, "print one JSON object");
  app.callback([name, json] { run(*name, *json); });
}

const Register<Command> entry{
    command("inspect", 80, add, "Say what a model file holds, without loading its weights.", "ken inspect almanac")};

}  // namespace
}  // namespace ken::cli::inspect_file
