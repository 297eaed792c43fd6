// Work of the rooms without torch on all threads. They are OpenMP's, so torch's number of threads counts for them, too;
// built without OpenMP (for fuzzing) everything is one range.
#pragma once
#include <algorithm>
#include <cstdint>
#include <exception>
#ifdef _OPENMP
#include <omp.h>
#endif

namespace ken {

// fn(begin, end) for ranges that make up [0, n) together, each on a thread of its own. Throws what one of them threw.
template <typename Fn>
void in_ranges(int64_t n, const Fn& fn) {
#ifdef _OPENMP
  const int64_t parts = std::min<int64_t>(n, omp_get_max_threads());
#else
  const int64_t parts = std::min<int64_t>(n, 1);
#endif
  std::exception_ptr error;
#pragma omp parallel for schedule(static, 1) if (parts > 1)
  for (int64_t part = 0; part < parts; ++part) {
    try {
      fn(n / parts * part + std::min(part, n % parts), n / parts * (part + 1) + std::min(part + 1, n % parts));
    } catch (...) {
#pragma omp critical
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace ken
