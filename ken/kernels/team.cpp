#include "ken/kernels/team.h"

#include <ATen/Parallel.h>
#include <omp.h>

#include <thread>
#include <unordered_map>
#include <vector>

namespace ken::kernels {
namespace {

// Of a thread's second-level cache a half: what is fetched must stay there until it is read.
constexpr int64_t most_fetched = 512 << 10, line = 64, lines_at_once = 8;
constexpr int patience = 20000;  // polls, some 200 us; then other processes get their turn
constexpr uint64_t from_back = uint64_t{1} << 32;

thread_local Team* current = nullptr;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Until ready(). `meanwhile` does a little and says whether there was something to do.
template <typename Ready, typename Meanwhile>
void poll(Ready ready, Meanwhile meanwhile) {
  for (int idle = 0; !ready();) {
    if (meanwhile()) continue;
    if (++idle < patience) {
      pause();
    } else {
      std::this_thread::yield();  // who is waited for may be waiting for this very core
    }
  }
}

// The lines of the pieces that a worker will take first.
class Fetch {
 public:
  void begin(const Reading& reading, int64_t first, int64_t step) {
    spans_.clear(), at_ = end_ = nullptr, next_ = 0;
    int64_t bytes = 0;
    for (int64_t panel = first * reading.piece; bytes < most_fetched && panel < reading.matrices[0].count();
         panel += step * reading.piece)
      for (const Panels& m : reading.matrices) {
        const int64_t n = std::min(reading.piece, m.count() - panel);
        if (n > 0) bytes += add(m.levels, panel, n, m.level_bytes) + add(m.scales, panel, n, m.scale_bytes);
      }
  }
  bool some() {
    for (int64_t i = 0; i < lines_at_once; ++i, at_ += line) {
      if (at_ >= end_) {
        if (next_ == spans_.size()) return false;
        std::tie(at_, end_) = spans_[next_++];
      }
      __builtin_prefetch(at_);  // into the nearest cache: what asks for less is dropped when memory is busy
    }
    return true;
  }

 private:
  int64_t add(const std::byte* data, int64_t first, int64_t n, int64_t bytes) {
    if (data) spans_.emplace_back(data + first * bytes, data + (first + n) * bytes);
    return n * bytes;
  }

  std::vector<std::pair<const std::byte*, const std::byte*>> spans_;
  size_t next_ = 0;
  const std::byte *at_ = nullptr, *end_ = nullptr;
};

// What was read after this the last time. A wrong guess costs nothing but what memory would not have done meanwhile,
// and an address that is no more is no harm to ask for.
Reading expected_after(const Reading& now) {
  static thread_local std::unordered_map<const std::byte*, Reading> successors;
  static thread_local const std::byte* before = nullptr;
  if (now.piece == 0) return {};
  if (successors.size() > 4096) successors.clear();
  successors[before] = now;
  before = now.matrices[0].levels;
  const auto found = successors.find(before);
  return found == successors.end() ? Reading{} : found->second;
}

}  // namespace

Team* Team::here() { return current; }

void Team::hold(c10::function_ref<void()> pass) {
  const int threads = at::get_num_threads();
  if (current || threads < 2 || at::in_parallel_region()) return pass();
  Team team;
  std::exception_ptr failed;
#pragma omp parallel num_threads(threads)
  {
    if (const int number = omp_get_thread_num(); number > 0) {
      team.work(number);
    } else {
      team.workers_ = omp_get_num_threads() - 1;
      current = &team;
      try {
        pass();
      } catch (...) {
        failed = std::current_exception();
      }
      current = nullptr;
      team.over_ = true;
      team.job_.fetch_add(1, std::memory_order_release);
    }
  }
  if (failed) std::rethrow_exception(failed);
}

void Team::run_tasks(uint64_t step) {
  for (;;) {
    const uint64_t taken = taken_.fetch_add(step, std::memory_order_relaxed);
    const auto front = int64_t(taken % from_back), back = int64_t(taken / from_back);
    if (front + back >= tasks_) return;
    try {
      task_(step == from_back ? tasks_ - 1 - back : front);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failed_ = std::current_exception();
    }
  }
}

// Workers begin at the front, where they have fetched, and the first thread at the back.
void Team::share(int64_t tasks, Task fn, const Reading& reading) {
  task_ = fn, tasks_ = tasks;
  next_ = expected_after(reading);
  taken_.store(0, std::memory_order_relaxed);
  working_.store(workers_, std::memory_order_relaxed);
  job_.fetch_add(1, std::memory_order_release);
  run_tasks(from_back);
  poll([this] { return working_.load(std::memory_order_acquire) == 0; }, [] { return false; });
  if (failed_) std::rethrow_exception(std::exchange(failed_, nullptr));
}

void Team::work(int number) {
  Fetch fetch;
  for (uint32_t seen = 0;;) {
    poll([&] { return job_.load(std::memory_order_acquire) != seen; }, [&] { return fetch.some(); });
    seen = job_.load(std::memory_order_acquire);
    if (over_) return;
    if (next_.piece > 0) fetch.begin(next_, number - 1, workers_);
    run_tasks(1);
    working_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace ken::kernels
