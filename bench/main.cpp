// All benches in one program: ken_bench --benchmark_filter=REGEX. Timings are compared within one run, never asserted.
#include <benchmark/benchmark.h>

#include "ken/nn/torch.h"

int main(int argc, char** argv) {
  at::set_num_threads(int(std::thread::hardware_concurrency()));  // as the program does
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
