// ken convert: a Hugging Face folder (or a GGUF file) as one GGUF file.
#include <fmt/ranges.h>

#include "ken/cli/command.h"

namespace ken::cli::convert_file {
namespace {

struct Flags {
  std::string model, out, type = "f16";
};

void run(const Flags& flags) {
  const io::DType type = io::weight_type(flags.type);
  const auto model = model::load(model_path(flags.model));
  if (!model->tokenizer)
    say(fmt::format("ken: {} has no tokenizer that ken reads; the file will take token ids only\n", flags.model));
  model::save(*model, flags.out, type);
  print(fmt::format("{}: {} of {} parameters, weights in {}\n", flags.out, model->config.arch, model->parameters(),
                    io::dtype_name(type)));
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model, "a folder with config.json and safetensors, or a GGUF file")->required();
  app.add_option("-o,--out", flags.out, "the GGUF file to write")->required();
  app.add_option("--type", flags.type, fmt::format("type of the matrices: {}", fmt::join(io::weight_types(), ", ")))
      ->capture_default_str();
}

const Register<Command> entry{command("convert", 84, add, run, "Write a Hugging Face folder as one GGUF file.",
                                      "ken convert Qwen2.5-0.5B -o qwen.gguf --type q8_0")};

}  // namespace
}  // namespace ken::cli::convert_file
