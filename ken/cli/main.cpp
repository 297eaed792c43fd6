// ken: the command line; what must happen before and around it.
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <iterator>

#include "ken/cli/program.h"

// libgomp spins at barriers for milliseconds, so two processes on the same cores stop each other: a study of 30 s took
// 10 minutes beside another. Not to spin at all costs 50 us a parallel region, which is more than most of a small
// model's regions take: up to 150 us bridge the gaps between them. It reads its environment when it is loaded, so the
// program starts itself once more. Done in .preinit_array, before the libraries' constructors, where torch spends 0.35
// s of a start: that is paid once. Not even the C library is set up there, so this makes two system calls and touches
// nothing else.
#ifndef __SANITIZE_ADDRESS__
void wait_briefly(int, char** argv, char** environment) {
  static char setting[] = "GOMP_SPINCOUNT=10000";
  static char* changed[4096];
  size_t n = 0;
  for (; environment[n]; ++n) {
    if (n + 2 == std::size(changed)) return;
    for (const char* name : {"OMP_WAIT_POLICY=", "GOMP_SPINCOUNT="}) {
      const char *a = environment[n], *b = name;
      while (*b && *a == *b) ++a, ++b;
      if (!*b) return;
    }
    changed[n] = environment[n];
  }
  changed[n] = setting;
  ::execve("/proc/self/exe", argv, changed);  // on failure: go on as before
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_constructors)(int, char**, char**) = wait_briefly;
#endif

int main(int argc, char** argv) {
  // A step of decoding makes and drops the same tensors again and again: memory that was given back to the system comes
  // as new pages, which cost more than the tensors' own work.
#ifdef __GLIBC__
  ::mallopt(M_MMAP_THRESHOLD, 64 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
  return ken::cli::run_ken(argc, argv);
}
