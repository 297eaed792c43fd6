// ken bench: models of named shapes with random weights, for measuring speed and memory without a download.
#include <fmt/ranges.h>

#include "ken/cli/command.h"
#include "ken/model/random.h"

namespace ken::cli {
namespace {

struct Flags {
  std::string shape, save, type = "q8_0";
  uint64_t seed = 0;
};

void run(const Flags& flags) {
  const auto config = model::named_shape(flags.shape);
  model::save_random(config, model::byte_tokenizer(config), flags.seed, flags.save, io::weight_type(flags.type));
  print(fmt::format("{}: {} parameters of the shape {}, random, in {}; {:.2f} GB\n", flags.save,
                    model::frame(config)->parameters(), flags.shape, flags.type,
                    double(fs::file_size(flags.save)) / 1e9));
}

void add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("--shape", flags->shape, fmt::format("one of {}", fmt::join(model::shape_names(), ", ")))->required();
  app.add_option("--save", flags->save, "the GGUF file to write")->required();
  app.add_option("--type", flags->type, fmt::format("type of the matrices: {}", fmt::join(io::weight_types(), ", ")))
      ->capture_default_str();
  app.add_option("--seed", flags->seed, "of the weights")->capture_default_str();
  app.callback([flags] { run(*flags); });
}

const Register<Command> entry{{.card = {.id = "bench",
                                        .family = "cli",
                                        .sentence = "Write a model of a named shape with random weights.",
                                        .example = "ken bench --shape llama-1b --save llama-1b.gguf --type q8_0"},
                               .order = 86,
                               .add = add}};

}  // namespace
}  // namespace ken::cli
