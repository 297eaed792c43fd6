// ken bench: how fast a model's passes are beside what the machine allows; and models of named shapes with random
// weights, so that speed and memory are measured without a download.
#include <fmt/ranges.h>
#include <unistd.h>

#include "ken/base/select.h"
#include "ken/cli/bench_against.h"
#include "ken/cli/command.h"
#include "ken/model/random.h"

namespace ken::cli::bench_file {
namespace {

struct Flags {
  Common common;
  BenchOptions options;
  std::string model, shape, save, type = "q8_0", against;
  std::vector<std::string> work;
  uint64_t seed = 0;
};

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "ken-bench-XXXXXX").string();
    if (!::mkdtemp(name.data()))
      fail("bench", "cannot make the folder {}; set TMPDIR to one that can be written", name);
    path = name;
  }
  ~TemporaryFolder() {
    std::error_code error;
    fs::remove_all(path, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  fs::path path;
};

void check(const Flags& flags) {
  if (flags.model.empty() == flags.shape.empty())
    fail_usage("bench", "give either a model's file or a --shape: {}", fmt::join(model::shape_names(), ", "));
  if (!flags.save.empty() && flags.shape.empty()) fail_usage("bench", "--save keeps a random model; give its --shape");
  const auto works = Bench::works();
  const auto asked = [&](const char* work) { return flags.work.empty() || is_in(work, flags.work); };
  if (!flags.against.empty() && !asked("prefill") && !asked("decode"))
    fail_usage("bench", "--against with neither prefill nor decode among --work compares nothing; add one of them");
  for (const auto& work : flags.work)
    if (!is_in(work, works))
      fail_usage("bench", "{}; known: {}", unknown_name("work", work, works), fmt::join(works, ", "));
}

void write_shape(const Flags& flags, const fs::path& path) {
  const auto config = model::named_shape(flags.shape);
  model::save_random(config, model::byte_tokenizer(config), flags.seed, path, io::weight_type(flags.type));
}

std::string line_of(const Json& row) {
  std::string more;
  for (const auto& [key, value] : row.items())
    if (key.starts_with("times_") || key.ends_with("_value") || key == "loop_ms" || key == "share" || key == "peak_gb")
      more += fmt::format("  {} {:.4g}", key, value.get<double>());
  return fmt::format("{:<16}{:>5}{:>11.5g}{:>11.5g}  {:<9}{:>6.3f}{}\n", row["work"].get<std::string>(),
                     row["rows"].get<int64_t>(), row["value"].get<double>(), row["floor"].get<double>(),
                     row["unit"].get<std::string>(), row["ratio"].get<double>(), more);
}

void measure(const Flags& flags, const fs::path& file, const fs::path& scratch, const model::Model& model) {
  say("bench: measuring what the memory and the products of this machine reach\n");
  const Peaks peaks = measured_peaks();
  Bench bench(model, peaks, flags.options);
  say(fmt::format(
      "bench: {}, {} parameters, {}; {} threads read {:.1f} GB/s and make {:.0f} GFLOP/s of bf16 products\n",
      model.config.name, model.parameters(), bench.weights().type, at::get_num_threads(), peaks.bytes / 1e9,
      peaks.flops / 1e9));
  if (!flags.common.json)
    print(fmt::format("{:<16}{:>5}{:>11}{:>11}  {:<9}{:>6}\n", "work", "rows", "value", "floor", "unit", "ratio"));
  const Emit emit = [&](const Measured& measured) {
    const Json row = bench.row(measured);
    print(flags.common.json ? dumped(row) + "\n" : line_of(row));
  };
  const auto works = flags.work.empty() ? Bench::works() : flags.work;
  const Progress progress = printer();
  for (size_t i = 0; i < works.size(); ++i) {
    progress("bench", i, works.size(), works[i]);
    if (const std::string why = bench.training_refused(); works[i] == "train" && flags.work.empty() && !why.empty()) {
      say(fmt::format("bench: train is left out: {}\n", why));
      continue;
    }
    bench.measure(works[i], emit);
    if (!flags.against.empty() && (works[i] == "prefill" || works[i] == "decode"))
      measure_against({flags.against, file, scratch, flags.options.repeat}, works[i], bench, emit);
  }
  progress("bench", works.size(), works.size(), "");
}

void run(Flags flags) {
  check(flags);
  apply(flags.common);
  flags.options.compute = nn::compute_from(flags.common.compute);
  if (!flags.against.empty()) flags.against = find_program(flags.against).string();
  TemporaryFolder folder;
  fs::path file = flags.save.empty() ? folder.path / "model.gguf" : fs::path(flags.save);
  if (flags.shape.empty()) {
    file = flags.model == "almanac" ? "" : model_path(flags.model);
    if (!flags.against.empty() && !fs::is_regular_file(file))
      fail_usage("bench", "--against needs a GGUF file that both programs read; {} is none", flags.model);
  } else {
    if (flags.save.empty()) say(fmt::format("bench: making random weights of {} in {}\n", flags.shape, flags.type));
    write_shape(flags, file);
  }
  if (!flags.save.empty()) {
    const std::string text = fmt::format("{}: {} parameters of the shape {}, random, in {}; {:.2f} GB\n", flags.save,
                                         model::frame(model::named_shape(flags.shape))->parameters(), flags.shape,
                                         flags.type, double(fs::file_size(flags.save)) / 1e9);
    if (flags.work.empty() && flags.against.empty()) return print(text);
    say("bench: " + text);
  }
  const auto model = flags.shape.empty() ? open_model(flags.model) : model::load(file);
  model->int8_cache = flags.common.int8_cache;
  // The mapping holds the weights; a file without a name is gone at the end, whatever ends the program.
  if (flags.save.empty() && flags.against.empty()) fs::remove_all(folder.path);
  measure(flags, file, folder.path, *model);
}

void add(CLI::App& app, Flags& flags) {
  auto& o = flags.options;
  app.add_option("MODEL", flags.model, "a GGUF file or Hugging Face folder, or 'almanac'");
  app.add_option("--shape", flags.shape,
                 fmt::format("in its place random weights: {}", fmt::join(model::shape_names(), ", ")));
  app.add_option("--type", flags.type, fmt::format("of the shape's matrices: {}", fmt::join(io::weight_types(), ", ")))
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "of the shape's weights")->capture_default_str();
  app.add_option("--save", flags.save,
                 "write the shape as this GGUF file; without --work and --against nothing is measured");
  app.add_option("--work", flags.work, fmt::format("some of {}; all", fmt::join(Bench::works(), ",")))
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--rows", o.rows, "of decode: streams in one pass")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  app.add_option("--new-tokens", o.new_tokens,
                 "of decode: what each stream writes; 0 = up to 32, by the time they take")
      ->check(CLI::Range(0, 1 << 24));
  add_number(app, "--tokens", o.tokens, "of a prefill; 0 = 512, or as many as the context holds", 0, 1 << 24);
  app.add_option("--kept-blocks", o.kept_blocks,
                 "of lora's steps: blocks that keep their activations, the others' are computed again; -1 = all")
      ->delimiter(',')
      ->capture_default_str();
  add_number(app, "--repeat", o.repeat, "timings, of which the best counts", 1, 1000);
  app.add_option("--against", flags.against, "llama.cpp's llama-bench, in turn with prefill and decode of one row");
  add_common(app, flags.common, "fast");
  add_cache(app, flags.common);
}

const Register<Command> entry{command("bench", 86, add, run,
                                      "Measure the speed of a model's passes beside what the machine allows.",
                                      "ken bench --shape llama-2m --work prefill,decode --rows 1,4")};

}  // namespace
}  // namespace ken::cli::bench_file
