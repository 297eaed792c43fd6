#include "ken/kernels/cpu.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#include "ken/base/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ken::kernels {
namespace {

const std::vector<std::pair<Cpu, std::string>> names{{Cpu::scalar, "scalar"},
                                                     {Cpu::avx2, "avx2"},
                                                     {Cpu::avx512, "avx512"},
                                                     {Cpu::avx512_bf16, "avx512_bf16"},
                                                     {Cpu::amx, "amx"}};

#if defined(__x86_64__)
// Tiles for int8 and bf16, and the system's leave to use them (a process has to ask for their 8 KB of state).
bool has_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned bf16 = 1u << 22, tile = 1u << 24, int8 = 1u << 25;
  if ((d & bf16) == 0 || (d & tile) == 0 || (d & int8) == 0) return false;
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}
#endif

bool has(Cpu kind) {
#if defined(__x86_64__)
  switch (kind) {
    case Cpu::scalar:
      return true;
    case Cpu::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case Cpu::avx512:
      return has(Cpu::avx2) && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
    case Cpu::avx512_bf16:
      return has(Cpu::avx512) && __builtin_cpu_supports("avx512bf16");
    case Cpu::amx:
      return has(Cpu::avx512_bf16) && has_tiles();
  }
#endif
  return kind == Cpu::scalar;
}

Cpu decide() {
  const auto kinds = available_cpus();
  const char* wanted = std::getenv("KEN_CPU");
  if (!wanted || !*wanted) return kinds.back();
  std::vector<std::string> known;
  for (const Cpu kind : kinds) {
    known.push_back(cpu_name(kind));
    if (known.back() == wanted) return kind;
  }
  fail_usage("KEN_CPU", "{}", unknown_name("CPU kind of this machine", wanted, known));
}

}  // namespace

Cpu cpu() {
  static const Cpu kind = decide();
  return kind;
}

std::string cpu_name(Cpu kind) { return names[size_t(kind)].second; }

std::vector<Cpu> available_cpus() {
  std::vector<Cpu> result;
  for (const auto& [kind, name] : names)
    if (has(kind)) result.push_back(kind);
  return result;
}

}  // namespace ken::kernels
