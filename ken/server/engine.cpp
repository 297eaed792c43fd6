#include "ken/server/engine.h"

#include "ken/base/error.h"

namespace ken::server {

Engine::Engine(std::shared_ptr<const model::Model> model, const EngineOptions& options)
    : model_(std::move(model)),
      options_(options),
      keep_tokens_(int64_t(options.prefix_bytes) / model::make_cache(*model_, options.compute).position_bytes()),
      thread_([this] { loop(); }) {}

Engine::~Engine() {
  drain(std::chrono::milliseconds(0));
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Engine::Place Engine::enter() {
  const std::lock_guard lock(mutex_);
  if (stopping_) throw Stopping("the server is stopping");
  if (figures_.requests >= options_.max_requests)
    throw Busy(fmt::format("{} requests are under way; come again in a second", figures_.requests));
  ++figures_.requests;
  return Place(this, [this](const void*) { leave(); });
}

void Engine::leave() {
  // Notified under the lock: whoever waits for the last one may end this engine.
  const std::lock_guard lock(mutex_);
  --figures_.requests;
  idle_.notify_all();
}

void Engine::post(Command command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
  }
  wake_.notify_one();
}

uint64_t Engine::submit(Place place, std::shared_ptr<const generate::Request> request, generate::Done done) {
  uint64_t ticket;
  {
    const std::lock_guard lock(mutex_);
    ticket = ++tickets_;
  }
  const auto finished = [this, ticket, done = std::move(done), place = std::move(place)](generate::Outcome outcome) {
    scheduled_.erase(ticket);
    {
      const std::lock_guard lock(mutex_);
      bool cancelled = false;
      for (const auto& result : outcome.results) {
        figures_.generated_tokens += result.tokens.size();
        cancelled = cancelled || result.finish == "interrupted";
      }
      ++(outcome.error ? figures_.failed : cancelled ? figures_.cancelled : figures_.done);
    }
    done(std::move(outcome));
  };
  post([this, ticket, request = std::move(request), finished](generate::Scheduler& scheduler) {
    try {
      scheduled_[ticket] = scheduler.submit(request, finished);
    } catch (...) {
      finished({{}, std::current_exception()});
    }
  });
  return ticket;
}

void Engine::cancel(uint64_t ticket) {
  post([this, ticket](generate::Scheduler& scheduler) {
    if (const auto found = scheduled_.find(ticket); found != scheduled_.end()) scheduler.cancel(found->second);
  });
}

void Engine::run(const Place& place, const std::function<void()>& work) {
  if (!place) throw Busy("no place was taken");
  // Shared, as this side may be gone before the other has let go of it.
  const auto task = std::make_shared<std::packaged_task<void()>>(work);
  auto result = task->get_future();
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(task);
  }
  wake_.notify_one();
  result.get();
}

void Engine::step_others() {
  obey();
  if (busy_) step();
}

bool Engine::drain(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  const auto empty = [this] { return figures_.requests == 0; };
  if (idle_.wait_for(lock, patience, empty)) return true;
  lock.unlock();
  post([](generate::Scheduler& scheduler) { scheduler.cancel_all(); });
  lock.lock();
  idle_.wait(lock, empty);
  return false;
}

EngineFigures Engine::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void Engine::obey() {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    commands.swap(commands_);
  }
  for (auto& command : commands) command(*scheduler_);
  busy_ = busy_ || !commands.empty();
}

void Engine::step() {
  const auto begin = std::chrono::steady_clock::now();
  busy_ = scheduler_->step();
  const std::lock_guard lock(mutex_);
  figures_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  figures_.steps += 1;
  figures_.rows = scheduler_->rows(), figures_.waiting = scheduler_->waiting();
}

void Engine::loop() {
  if (options_.threads > 0) at::set_num_threads(options_.threads);
  generate::Scheduler scheduler(
      *model_, {.compute = options_.compute, .max_rows = options_.max_rows, .keep_tokens = keep_tokens_});
  scheduler_ = &scheduler;
  for (;;) {
    std::shared_ptr<std::packaged_task<void()>> work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return busy_ || over_ || !commands_.empty() || !work_.empty(); });
      if (over_ && commands_.empty() && work_.empty() && !busy_) return;
      if (!work_.empty()) work = std::move(work_.front()), work_.pop_front();
    }
    obey();
    if (work) (*work)();
    if (busy_) step();
  }
}

}  // namespace ken::server
