// The file that knows cpp-httplib. Its own ways are not enough for strangers: it does not bound chunked bodies, so
// every body goes through a counter; its queue of connections has no end, so ours makes accept() wait; it bounds each
// read but not their sum, so connections are ours.
#include "ken/server/http.h"

#include <httplib.h>
#include <openssl/crypto.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "ken/base/error.h"
#include "ken/base/json.h"
#include "ken/server/connection.h"

namespace ken::server {
namespace {

// So many threads, each with one connection; as many again may wait.
class Pool final : public httplib::TaskQueue {
 public:
  explicit Pool(size_t n) : most_(n) {
    for (size_t i = 0; i < n; ++i) threads_.emplace_back([this] { work(); });
  }
  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return tasks_.size() < most_ || over_; });
    tasks_.push_back(std::move(task));
    lock.unlock();
    ready_.notify_one();
  }
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    ready_.notify_all(), room_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return !tasks_.empty() || over_; });
      if (tasks_.empty()) return;
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      room_.notify_one();
      task();
    }
  }
  const size_t most_;
  std::mutex mutex_;
  std::condition_variable ready_, room_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  bool over_ = false;
};

std::string error_body(const std::string& message, const char* type, int code) {
  return Json{{"error", {{"message", message}, {"type", type}, {"param", nullptr}, {"code", code}}}}.dump();
}

// Read to its end or to the limit, whichever comes first, chunked or not.
bool read_body(const httplib::ContentReader& reader, size_t most, std::string& body, bool& too_long) {
  return reader([&](const char* data, size_t n) {
    too_long = n > most || body.size() > most - n;
    if (!too_long) body.append(data, n);
    return !too_long;
  });
}

// The name of "name:port", "[::1]:port" or "http://name:port".
std::string host_of(std::string text) {
  if (const size_t scheme = text.find("://"); scheme != std::string::npos) text.erase(0, scheme + 3);
  if (text.starts_with('[')) return text.substr(1, text.find(']') - 1);
  return text.substr(0, text.find(':'));
}

}  // namespace

bool same_key(const std::string& a, const std::string& b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

namespace {

thread_local Connection* current = nullptr;  // the one that this thread serves

// Requests of one socket, one after another.
class Server final : public httplib::Server {
 public:
  explicit Server(const HttpOptions& options) : options_(options) {}

 private:
  bool process_and_close_socket(socket_t socket) override {
    Connection connection(socket, options_);
    current = &connection;
    bool good = false, closed = false;
    for (size_t left = keep_alive_max_count_; left > 0 && !closed && connection.wait(svr_sock_); --left) {
      connection.begin_head();
      good = process_request(connection, left == 1, closed, nullptr);
      if (!good || connection.ended()) break;
    }
    current = nullptr;
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
    return good;
  }
  const HttpOptions& options_;
};

void close_after(httplib::Response& response) {
  response.set_header("Connection", "close");
  current->end();
}

}  // namespace

struct HttpServer::Impl {
  HttpOptions options;
  std::function<Reply(const HttpRequest&)> answer;
  Server server{options};
  std::atomic<bool> stopped{false};

  bool allowed(const httplib::Request& request) const {
    if (options.keys.empty()) return true;
    const std::string given = request.get_header_value("Authorization");
    bool found = false;
    for (const auto& key : options.keys) found = same_key(given, "Bearer " + key) || found;
    return found;
  }

  // A browser says which page a request comes from, and by which name it reached us. A page from elsewhere is let in
  // where the operator says so; and who listens to this machine alone is not reached by a name that somebody else's
  // name server points here (DNS rebinding).
  bool from_elsewhere(const httplib::Request& request) const {
    const std::string host = host_of(request.get_header_value("Host")), origin = request.get_header_value("Origin");
    if (is_loopback(options.host) && !host.empty() && !is_loopback(host)) return true;
    if (origin.empty() || origin == options.allow_origin || options.allow_origin == "*") return false;
    return host_of(origin) != host;
  }

  void reply_to(const httplib::Request& request, std::string body, httplib::Response& response) const {
    Reply reply =
        answer({request.method, request.path, std::move(body), [connection = current] { return connection->gone(); }});
    response.status = reply.status;
    for (const auto& [name, value] : reply.headers) response.set_header(name.c_str(), value);
    if (!reply.stream) return response.set_content(std::move(reply.body), reply.type.c_str());
    response.set_header("Cache-Control", "no-cache");
    response.set_chunked_content_provider(
        reply.type.c_str(), [stream = std::move(reply.stream)](size_t, httplib::DataSink& sink) {
          stream([&sink](const std::string& piece) { return sink.write(piece.data(), piece.size()); });
          sink.done();
          return true;
        });
  }

  void post(const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& reader) const {
    // What is left of a body that was not wanted would be read as the next request.
    const auto refuse = [&](int status, const std::string& why, const char* type) {
      response.status = status;
      close_after(response);
      response.set_content(error_body(why, type, status), "application/json");
    };
    if (request.is_multipart_form_data()) return refuse(415, "send JSON, no form", "invalid_request_error");
    std::string body;
    bool too_long = false;
    if (!read_body(reader, options.body_bytes, body, too_long)) {
      if (too_long || response.status == 413)  // httplib's own check, where a length was told
        return refuse(413, fmt::format("the body is longer than {} bytes", options.body_bytes),
                      "invalid_request_error");
      return refuse(400, "the body could not be read", "invalid_request_error");
    }
    reply_to(request, std::move(body), response);
  }

  void set_up() {
    server.new_task_queue = [n = options.connections] { return new Pool(n); };
    server.set_keep_alive_max_count(1000);
    server.set_payload_max_length(options.body_bytes);
    server.set_tcp_nodelay(true);
    server.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      current->begin_body();
      if (!options.allow_origin.empty()) {
        response.set_header("Access-Control-Allow-Origin", options.allow_origin);
        response.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type");
      }
      if (stopped) close_after(response);
      if (from_elsewhere(request)) {
        response.status = 403;
        close_after(response);
        response.set_content(
            error_body("the request comes from another site; --allow-origin lets one in", "permission_error", 403),
            "application/json");
        return httplib::Server::HandlerResponse::Handled;
      }
      // Whoever watches the server needs no key to see that it lives, nor a browser to see the page that asks for one.
      const bool open = request.method == "OPTIONS" || request.path == "/health" || request.path == "/";
      if (open || allowed(request)) return httplib::Server::HandlerResponse::Unhandled;
      response.status = 401;
      response.set_header("WWW-Authenticate", "Bearer");
      close_after(response);
      response.set_content(
          error_body("wrong or missing API key; send it as Authorization: Bearer KEY", "authentication_error", 401),
          "application/json");
      return httplib::Server::HandlerResponse::Handled;
    });
    server.Get(".*", [this](const httplib::Request& request, httplib::Response& response) {
      reply_to(request, "", response);
    });
    server.Options(".*", [](const httplib::Request&, httplib::Response& response) { response.status = 204; });
    server.Post(".*", [this](const httplib::Request& request, httplib::Response& response,
                             const httplib::ContentReader& reader) { post(request, response, reader); });
    server.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
      response.status = 500;
      response.set_content(error_body("an error within the server", "server_error", 500), "application/json");
    });
    server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty())
        response.set_content(error_body(response.status == 413 ? "the body is too long" : "no such request",
                                        "invalid_request_error", response.status),
                             "application/json");
    });
  }
};

HttpServer::HttpServer(HttpOptions options, std::function<Reply(const HttpRequest&)> answer)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options), impl_->answer = std::move(answer);
  impl_->set_up();
}
HttpServer::~HttpServer() = default;

int HttpServer::bind() {
  const auto& o = impl_->options;
  const int port = o.port == 0 ? impl_->server.bind_to_any_port(o.host) : o.port;
  if (o.port != 0 && !impl_->server.bind_to_port(o.host, o.port))
    fail("serve", "cannot listen at {}:{}; another program may, so give another --port", o.host, o.port);
  if (port <= 0) fail("serve", "cannot listen at {}", o.host);
  return port;
}

void HttpServer::listen() {
  if (!impl_->server.listen_after_bind() && !impl_->stopped) fail("serve", "listening failed");
}

void HttpServer::stop() {
  impl_->stopped = true;
  impl_->server.stop();
}

}  // namespace ken::server
