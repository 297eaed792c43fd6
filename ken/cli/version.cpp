#include <torch/version.h>

#include "ken/cli/command.h"

namespace ken::cli::version_file {
namespace {

void add(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  app.add_flag("--json", *json, "print one JSON object");
  app.callback([json] {
    const Json version{{"ken", KEN_VERSION}, {"torch", TORCH_VERSION}};
    if (*json) return print(version.dump() + "\n");
    print(fmt::format("ken {} (libtorch {})\n", KEN_VERSION, TORCH_VERSION));
  });
}

const Register<Command> entry{command("version", 110, add, "Say which ken and which libtorch this is.", "ken version")};

}  // namespace
}  // namespace ken::cli::version_file
