// Another program beside ken: llama.cpp's llama-bench on the same file, in turn with ken's own passes.
#pragma once
#include "ken/cli/bench_work.h"

namespace ken::cli {

// As a shell finds it; a UsageError where there is no such program.
fs::path find_program(const std::string& name);

struct Against {
  fs::path program, model, scratch;  // scratch: a folder for what the program prints
  int repeat = 3;
};
// prefill as it measures it, or 64 tokens of one row from an empty cache.
void measure_against(const Against& against, const std::string& work, const Bench& bench, const Emit& emit);

}  // namespace ken::cli
