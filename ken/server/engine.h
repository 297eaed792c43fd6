// One thread that computes for all clients: requests share the scheduler's passes, other work runs between two steps.
#pragma once
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "ken/generate/scheduler.h"

namespace ken::server {

// Too much is asked for at once: come again later.
class Busy : public Error {
 public:
  using Error::Error;
};

// Nothing new is taken any more.
class Stopping : public Busy {
 public:
  using Busy::Busy;
};

struct EngineOptions {
  nn::Compute compute = nn::Compute::fast;
  int64_t max_rows = 64;      // streams that share a pass
  size_t max_requests = 256;  // in flight and waiting; one more is Busy
  size_t prefix_bytes =
      size_t{512} << 20;  // keys and values kept of answers that are over, for prompts that begin alike
  int threads = 0;        // of torch, for the computing thread; 0: as it is
};

struct EngineFigures {
  size_t requests = 0, rows = 0, waiting = 0;  // now
  uint64_t steps = 0, done = 0, failed = 0, cancelled = 0;
  uint64_t generated_tokens = 0;
  double seconds = 0;  // spent in steps
};

class Engine {
 public:
  Engine(std::shared_ptr<const model::Model> model, const EngineOptions& options);
  ~Engine();  // cancels what is under way

  // A place in the bounded queue, held as long as anybody holds this: a client's request takes one, however many
  // prompts it has. Busy: there is none, or the engine stops.
  using Place = std::shared_ptr<const void>;
  Place enter();
  // `done` is called once, on the computing thread, as are the request's own callbacks.
  uint64_t submit(Place place, std::shared_ptr<const generate::Request> request, generate::Done done);
  void cancel(uint64_t ticket);  // of one that is over: nothing
  // Runs on the computing thread between two steps; its error comes out of here.
  void run(const Place& place, const std::function<void()>& work);
  // From within such work: a step for everybody else.
  void step_others();

  // Nothing new is taken; what is under way is finished, or cancelled after this long. True: all was finished.
  bool drain(std::chrono::milliseconds patience);

  const model::Model& model() const { return *model_; }
  nn::Compute compute() const { return options_.compute; }
  EngineFigures figures() const;

 private:
  using Command = std::function<void(generate::Scheduler&)>;
  void leave();
  void post(Command command);
  void loop();
  void obey();  // the commands that have come
  void step();

  std::shared_ptr<const model::Model> model_;
  const EngineOptions options_;
  const int64_t keep_tokens_;  // of past rows; a cache that cannot be made fails here, not on the thread
  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::vector<Command> commands_;
  std::deque<std::shared_ptr<std::packaged_task<void()>>> work_;
  generate::Scheduler* scheduler_ = nullptr;  // of the computing thread
  bool busy_ = false;                         // the scheduler has something to do; of the computing thread
  std::map<uint64_t, uint64_t> scheduled_;    // the scheduler's number by ticket; of the computing thread
  EngineFigures figures_;
  uint64_t tickets_ = 0;
  bool stopping_ = false, over_ = false;
  std::thread thread_;
};

}  // namespace ken::server
