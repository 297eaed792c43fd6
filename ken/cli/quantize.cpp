// ken quantize: a GGUF file with its matrices in a smaller type.
#include <fmt/ranges.h>

#include <sstream>
#include <thread>

#include "ken/cli/command.h"
#include "ken/io/quantize.h"
#include "ken/io/records.h"
#include "ken/model/divergence.h"
#include "ken/study/embedded.h"

namespace ken::cli::quantize_file {
namespace {

struct Flags {
  std::string model, out, type = "q8_0", kl;
  std::vector<std::string> keep;
  int threads = 0, passages = 64;
};

// The first passages of a file: the "text" of its records, else its lines; each as far as the context reaches.
std::vector<std::vector<int32_t>> passages_of(const model::Model& model, const fs::path& file, int count) {
  std::vector<std::string> texts;
  const std::string all = read_text(file, size_t{1} << 30);
  if (all.starts_with('{') || all.starts_with('[')) {
    for (const auto& record : io::parse_records(all, file.string()))
      if (const Json text = record.fields.value("text", Json()); text.is_string()) texts.push_back(text);
  } else {
    std::istringstream lines(all);
    for (std::string line; std::getline(lines, line);)
      if (!line.empty()) texts.push_back(line);
  }
  std::vector<std::vector<int32_t>> passages;
  for (const auto& text : texts) {
    if (int(passages.size()) == count) break;
    passages.push_back(model::prompt_ids(model, text));
    passages.back().resize(std::min<size_t>({passages.back().size(), size_t(model.config.context), 512}));
    if (passages.back().empty()) passages.pop_back();
  }
  if (passages.empty())
    fail("quantize", "{} has no passages: give lines of text, or records with \"text\"", file.string());
  return passages;
}

void report_divergence(const Flags& flags, const model::Model& before) {
  const auto after = model::load(flags.out);
  const auto passages = passages_of(before, flags.kl, flags.passages);
  const std::vector<nn::Compute> computes{nn::Compute::f32, nn::Compute::fast};
  const auto found = model::divergence(before, *after, computes, passages);
  for (size_t i = 0; i < computes.size(); ++i) {
    const auto& d = found[i];
    print(
        fmt::format("--compute {}: KL from the source {:.1e} nats a token (at most {:.1e}), the same first token after "
                    "{:.1f} % of {}\n",
                    nn::compute_name(computes[i]), d.mean, d.max, 100 * d.same_first, d.tokens));
  }
}

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
  if (flags.kl.empty()) return;
  at::set_num_threads(options.threads);
  report_divergence(flags, *open_model(file ? flags.model : ""));
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model, "a GGUF file, or 'almanac'")->required();
  app.add_option("-o,--out", flags.out, "the GGUF file to write")->required();
  app.add_option("--type", flags.type, fmt::format("type of the matrices: {}", fmt::join(io::weight_types(), ", ")))
      ->capture_default_str();
  app.add_option("--keep", flags.keep,
                 "TYPE:PATTERN: tensors of these names in that type, such as f32:blk.0.*; any number of times")
      ->allow_extra_args(false);
  app.add_option("--threads", flags.threads, "CPU threads; 0 = all cores")->check(CLI::Range(0, 4096));
  app.add_option(
      "--kl", flags.kl,
      "then measure what was lost: the KL of next-token distributions on this file's passages (lines of text, "
      "or records with \"text\")");
  add_number(app, "--passages", flags.passages, "how many of them", 1, 1 << 20);
}

const Register<Command> entry{command("quantize", 85, add, run, "Write a GGUF file with its matrices in another type.",
                                      "ken quantize almanac -o almanac-q4_0.gguf --type q4_0")};

}  // namespace
}  // namespace ken::cli::quantize_file
