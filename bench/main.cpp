// All benches in one program: ken_bench --benchmark_filter=REGEX. Timings are compared within one run, never asserted.
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
