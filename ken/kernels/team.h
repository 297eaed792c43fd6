// Threads that stay together for a pass of few rows: waking them for each of its products takes as long as some of the
// products. While they wait for more to do they fetch the weights that came next the last time, so that memory, which
// bounds such a pass, goes on.
#pragma once
#include <c10/util/FunctionRef.h>

#include <array>
#include <atomic>
#include <exception>
#include <mutex>

#include "ken/kernels/panels.h"

namespace ken::kernels {

// What the tasks of a product read: task i panels [i piece, (i + 1) piece) of each matrix.
struct Reading {
  std::array<Panels, 2> matrices;
  int64_t piece = 0;  // 0: nothing
};

class Team {
 public:
  using Task = c10::function_ref<void(int64_t)>;

  // Calls pass() with torch's threads in a team that `here` finds; torch's own loops run on one thread meanwhile.
  // Within a parallel region and with one thread it is the plain call.
  static void hold(c10::function_ref<void()> pass);
  static Team* here();  // of the calling thread, null where there is none

  // fn(task) for every task, as share_out. Only from within pass().
  void share(int64_t tasks, Task fn, const Reading& reading);

 private:
  void run_tasks(uint64_t step);
  void work(int number);

  int workers_ = 0;
  Task task_ = nullptr;
  int64_t tasks_ = 0;
  Reading next_;  // to be fetched when the tasks are done; of no piece: what is being fetched already
  std::mutex mutex_;
  std::exception_ptr failed_;
  std::atomic<bool> over_ = false;
  alignas(64) std::atomic<uint64_t> taken_ = 0;  // tasks from the front, and in the upper half from the back
  alignas(64) std::atomic<int> working_ = 0;
  alignas(64) std::atomic<uint32_t> job_ = 0;
};

}  // namespace ken::kernels
