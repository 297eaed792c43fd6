// One client's socket, as cpp-httplib reads and writes it: with a bound on the time and the bytes that a request takes
// until it is read, whatever the rhythm in which they come.
#pragma once
#include <httplib.h>

#include <poll.h>

#include <array>

#include "ken/server/http.h"

namespace ken::server {

class Connection final : public httplib::Stream {
 public:
  Connection(socket_t socket, const HttpOptions& options) : socket_(socket), options_(options) {}

  // Waits for a request's first byte; false: none came in the idle time, or the server stops meanwhile.
  bool wait(const std::atomic<socket_t>& listening) const;
  void begin_head();  // of a request: what follows is bounded as headers are
  void begin_body();
  void end() { ended_ = true; }  // no further request is read: nobody knows where one would begin
  bool ended() const { return ended_ || in_head_; }
  // Whether the other side has closed its end, so that nobody waits for the reply.
  bool gone() const;

  bool is_readable() const override { return unread() > 0 || ready(POLLIN, options_.read_timeout); }
  bool is_writable() const override { return ready(POLLOUT, options_.write_timeout); }
  ssize_t read(char* to, size_t n) override;
  ssize_t write(const char* from, size_t n) override;
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;
  size_t unread() const { return end_ - begin_; }
  bool ready(short what, std::chrono::milliseconds patience) const;

  socket_t socket_;
  const HttpOptions& options_;
  Clock::time_point deadline_ = Clock::time_point::max();
  size_t left_ = SIZE_MAX;  // bytes that may still be read
  bool in_head_ = true, ended_ = false;
  std::array<char, 4096> buffer_;
  size_t begin_ = 0, end_ = 0;
};

}  // namespace ken::server
