#include "ken/server/connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace ken::server {

using namespace std::chrono_literals;

bool Connection::ready(short what, std::chrono::milliseconds patience) const {
  pollfd one{socket_, what, 0};
  const auto end = Clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    const int found = ::poll(&one, 1, int(std::max<int64_t>(0, left.count())));
    if (found >= 0 || errno != EINTR) return found > 0;
  }
}

bool Connection::wait(const std::atomic<socket_t>& listening) const {
  constexpr auto slice = 100ms;
  for (std::chrono::milliseconds waited = 0ms; waited < options_.idle_time; waited += slice) {
    if (unread() > 0 || ready(POLLIN, slice)) return true;
    if (listening == INVALID_SOCKET) return false;
  }
  return false;
}

void Connection::begin_head() {
  deadline_ = Clock::now() + options_.head_time, left_ = options_.head_bytes, in_head_ = true;
}
void Connection::begin_body() { deadline_ = Clock::now() + options_.body_time, left_ = SIZE_MAX, in_head_ = false; }

bool Connection::gone() const {
  char next;
  if (unread() > 0) return false;
  const ssize_t n = ::recv(socket_, &next, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

ssize_t Connection::read(char* to, size_t n) {
  if (unread() == 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left <= 0ms || left_ == 0 || !ready(POLLIN, std::min<std::chrono::milliseconds>(left, options_.read_timeout))) {
      end();
      return -1;
    }
    const ssize_t got = ::recv(socket_, buffer_.data(), std::min(buffer_.size(), left_), 0);
    if (got <= 0) return got;
    left_ -= size_t(got);
    begin_ = 0, end_ = size_t(got);
  }
  const size_t taken = std::min(n, unread());
  std::memcpy(to, buffer_.data() + begin_, taken);
  begin_ += taken;
  return ssize_t(taken);
}

ssize_t Connection::write(const char* from, size_t n) {
  if (!is_writable()) return -1;
  return ::send(socket_, from, n, MSG_NOSIGNAL);
}

}  // namespace ken::server
