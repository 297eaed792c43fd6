#include "ken/cli/bench_against.h"

#include <unistd.h>

#include <sstream>

#include "ken/base/error.h"
#include "ken/base/process.h"

namespace ken::cli {
namespace {

constexpr int64_t decoded = 64;

// Tokens a second of one run of it, which warms up by itself.
double run_program(const Against& against, int64_t prompt, int64_t made) {
  const fs::path out = against.scratch / "stdout", err = against.scratch / "stderr";
  const std::string name = against.program.string();
  const auto end =
      run_child(against.program,
                {name, "-m", against.model.string(), "-p", std::to_string(prompt), "-n", std::to_string(made), "-t",
                 std::to_string(at::get_num_threads()), "-r", "1", "-o", "json"},
                out, err);
  if (end.interrupted) fail("bench", "interrupted by signal {}", end.interrupted);
  std::string said = read_text(err);
  said = said.substr(said.size() - std::min<size_t>(said.size(), 300));
  if (end.code != 0)
    fail("bench", "{} ended with exit code {}; it must be llama.cpp's llama-bench and read {}. It said: {}", name,
         end.code, against.model.string(), said);
  const Json runs = Json::parse(read_text(out, 1 << 24), nullptr, false);
  if (runs.is_array())
    for (const Json& run : runs) {
      if (!run.is_object() || run.value("n_prompt", Json()) != prompt || run.value("n_gen", Json()) != made) continue;
      const Json speed = run.value("avg_ts", Json());
      if (speed.is_number() && speed.get<double>() > 0) return speed;
    }
  fail("bench",
       "{} -o json printed no run with n_prompt {}, n_gen {} and an avg_ts above 0; it must be llama.cpp's llama-bench",
       name, prompt, made);
}

}  // namespace

fs::path find_program(const std::string& name) {
  std::istringstream folders(name.find('/') == std::string::npos && std::getenv("PATH") ? std::getenv("PATH") : "");
  std::vector<fs::path> places;
  for (std::string folder; std::getline(folders, folder, ':');) places.push_back(fs::path(folder) / name);
  if (places.empty()) places.push_back(name);
  for (const auto& place : places)
    if (fs::is_regular_file(place) && ::access(place.c_str(), X_OK) == 0) return place;
  fail_usage("bench", "--against {} is no program; give the path of llama.cpp's llama-bench", name);
}

void measure_against(const Against& against, const std::string& work, const Bench& bench, const Emit& emit) {
  const bool prefill = work == "prefill";
  const int64_t tokens = prefill ? bench.prefill_tokens() : decoded;
  const auto ours = [&] { return prefill ? bench.prefill_seconds(tokens) : bench.decode_seconds(tokens); };
  ours();
  double best = INFINITY, theirs = 0;
  for (int i = 0; i < against.repeat; ++i) {  // in turn: a machine that slows down slows both
    best = std::min(best, ours());
    theirs = std::max(theirs, run_program(against, prefill ? tokens : 0, prefill ? 0 : tokens));
  }
  const double floor = prefill ? bench.floor_of_prefill(tokens) : bench.floor_of_decode(tokens);
  emit({"against_" + work,
        1,
        best,
        floor,
        double(tokens),
        {{"tokens", tokens},
         {"against", against.program.filename().string()},
         {"against_value", theirs},
         {"times_against", double(tokens) / best / theirs}}});
}

}  // namespace ken::cli
