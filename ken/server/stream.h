// What the computing thread has for a client, until its connection takes it.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace ken::server {

template <typename T>
class Channel {
 public:
  void put(T piece) {
    {
      const std::lock_guard lock(mutex_);
      pieces_.push_back(std::move(piece));
    }
    ready_.notify_one();
  }
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_one();
  }
  // All that is there, in its order, waited for as long as this. Empty and `over`: there is no more.
  struct Taken {
    std::deque<T> pieces;
    bool over = false;
  };
  Taken take(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, patience, [this] { return closed_ || !pieces_.empty(); });
    Taken taken{std::exchange(pieces_, {}), false};
    taken.over = closed_ && taken.pieces.empty();
    return taken;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> pieces_;
  bool closed_ = false;
};

}  // namespace ken::server
