// ken model: the organisms that ship with ken, and where one lies.
#include "ken/cli/command.h"
#include "ken/io/tensors.h"

namespace ken::cli::model_file {
namespace {

Json line_of(const fs::path& path) {
  const auto opened = io::open_tensors(path);
  const Json card =
      opened->metadata.has("ken.card") ? Json::parse(opened->metadata.text("ken.card"), nullptr, false) : Json();
  return {{"name", path.stem().string()}, {"path", path.string()}, {"bytes", fs::file_size(path)}, {"card", card}};
}

void run(const std::string& name, bool json) {
  if (!name.empty()) {
    const fs::path path = model_path(name);
    return print(json ? line_of(path).dump() + "\n" : path.string() + "\n");
  }
  for (const auto& path : shipped_models()) {
    const Json line = line_of(path);
    print(json ? line.dump() + "\n"
               : fmt::format("{:<20} {:>6.1f} MB  {}\n", line["name"].get<std::string>(),
                             line["bytes"].get<double>() / 1e6, path.string()));
  }
}

void add(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  app.add_option("NAME", *name, "print where this one lies; without it, list all");
  app.add_flag("--json", *json, "print one JSON object a line, with the card");
  app.callback([name, json] { run(*name, *json); });
}

const Register<Command> entry{
    command("model", 79, add, "List the models that ship with ken, or say where one lies.", "ken model")};

}  // namespace
}  // namespace ken::cli::model_file
