// ken quantize: a GGUF file with its matrices in a smaller type.
#include <fmt/ranges.h>

#include <thread>

#include "ken/cli/command.h"
#include "ken/io/quantize.h"
#include "ken/study/embedded.h"

namespace ken::cli {
namespace {

struct Flags {
  std::string model, out, type = "q8_0";
  std::vector<std::string> keep;
  int threads = 0;
};

void run(const Flags& flags) {
  io::QuantizeOptions options{.dtype = io::weight_type(flags.type)};
  for (const auto& text : flags.keep) options.keep.push_back(io::parse_keep(text));
  options.threads = flags.threads > 0 ? flags.threads : int(std::max(1u, std::thread::hardware_concurrency()));
  const bool file = flags.model != "almanac";
  if (file && !fs::exists(flags.model)) fail_usage("quantize", "{} is no file; give a GGUF file", flags.model);
  const auto source =
      file ? io::open_tensors(fs::path(flags.model)) : io::open_tensors(study::embedded_model(), "almanac.gguf");
  const auto result = io::quantize(*source, flags.out, options, printer());
  for (const auto& note : result.notes) say("ken: " + note + "\n");
  print(fmt::format("{}: {} bytes of weights in place of {}\n", flags.out, result.bytes, result.bytes_before));
  for (const auto& [type, count] : result.tensors) print(fmt::format("  {:<6} {} tensors\n", type, count));
}

void add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("MODEL", flags->model, "a GGUF file, or 'almanac'")->required();
  app.add_option("-o,--out", flags->out, "the GGUF file to write")->required();
  app.add_option("--type", flags->type, fmt::format("type of the matrices: {}", fmt::join(io::weight_types(), ", ")))
      ->capture_default_str();
  app.add_option("--keep", flags->keep,
                 "TYPE:PATTERN: tensors of these names in that type, such as f32:blk.0.*; any number of times")
      ->allow_extra_args(false);
  app.add_option("--threads", flags->threads, "CPU threads; 0 = all cores")->check(CLI::Range(0, 4096));
  app.callback([flags] { run(*flags); });
}

const Register<Command> entry{{.card = {.id = "quantize",
                                        .family = "cli",
                                        .sentence = "Write a GGUF file with its matrices in another type.",
                                        .example = "ken quantize almanac -o almanac-q4_0.gguf --type q4_0"},
                               .order = 85,
                               .add = add}};

}  // namespace
}  // namespace ken::cli
