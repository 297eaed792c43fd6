// The CPU kinds that kernels are written for, each with everything before it.
#pragma once
#include <string>
#include <vector>

namespace ken::kernels {

enum class Cpu { scalar, avx2, avx512, avx512_bf16, amx };

// The best kind that this machine has, or the one that the environment's KEN_CPU names (UsageError where it is unknown
// or the machine lacks it). Decided once.
Cpu cpu();
std::string cpu_name(Cpu kind);
std::vector<Cpu> available_cpus();  // from scalar up

}  // namespace ken::kernels
