// The HTTP side, apart from what is answered: a bounded pool of connections, bodies read through a counter, keys.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ken::server {

struct HttpRequest {
  std::string method, path, body;
  std::function<bool()> gone = {};  // whether the client has left; from any thread, until the reply is written
};

// Writes a piece to the client; false: it is gone.
using Write = std::function<bool(const std::string&)>;

struct Reply {
  int status = 200;
  std::string type = "application/json", body = {};
  std::function<void(const Write&)> stream = {};  // instead of the body; written as it comes
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                     // 0: any that is free
  std::vector<std::string> keys = {};  // one of them must be given as a bearer token, where there are any
  std::string allow_origin = {};       // of browsers' pages from elsewhere; empty: none
  size_t connections = 96;
  size_t body_bytes = size_t{8} << 20;
  size_t head_bytes = size_t{64} << 10;  // of the request line and the headers
  // Of one read or write, and of a whole request until it is read.
  std::chrono::seconds read_timeout{10}, write_timeout{30}, head_time{20}, body_time{120}, idle_time{4};
};

class HttpServer {
 public:
  // `answer` is called on a connection's thread, for every request with the right key.
  HttpServer(HttpOptions options, std::function<Reply(const HttpRequest&)> answer);
  ~HttpServer();
  int bind();     // the port; an Error where it cannot be had
  void listen();  // until stop(); then waits for connections under way
  void stop();    // from any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Without a hint in the time that it takes of where two keys differ.
bool same_key(const std::string& a, const std::string& b);

bool is_loopback(const std::string& host);  // a name or address of this machine alone

}  // namespace ken::server
