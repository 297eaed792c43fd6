// The HTTP side alone, against answers made up here: keys, bounded bodies, streams, stopping.
#include "ken/server/http.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

namespace ken::server::http_test_file {
namespace {

class HttpTest : public testing::Test {
 protected:
  void start(HttpOptions options) {
    options.port = 0;
    server = std::make_unique<HttpServer>(options, [this](const HttpRequest& request) -> Reply {
      if (request.path == "/stream")
        return {.type = "text/event-stream", .stream = [](const Write& write) {
                  for (int i = 0; i < 3; ++i) write("data: " + std::to_string(i) + "\n\n");
                }};
      if (request.path == "/wait") {
        for (int i = 0; i < 500 && !request.gone(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        if (request.gone()) ++left;
      }
      return {.type = "text/plain",
              .body = request.method + " " + request.path + " " + std::to_string(request.body.size())};
    });
    port = server->bind();
    thread = std::thread([this] { server->listen(); });
  }
  void TearDown() override {
    if (!thread.joinable()) return;
    server->stop();
    thread.join();
  }
  httplib::Client client() const { return httplib::Client("127.0.0.1", port); }
  std::unique_ptr<HttpServer> server;
  std::thread thread;
  int port = 0;
  std::atomic<int> left{0};  // clients that went before their answer
};

TEST_F(HttpTest, a_request_and_its_answer) {
  start({});
  auto c = client();
  EXPECT_EQ(c.Get("/a")->body, "GET /a 0");
  EXPECT_EQ(c.Post("/b", "12345", "application/json")->body, "POST /b 5");
}

TEST_F(HttpTest, bodies_are_bounded_whether_their_length_is_told_or_not) {
  start({.body_bytes = 1000});
  auto c = client();
  EXPECT_EQ(c.Post("/b", std::string(1000, 'x'), "application/json")->status, 200);
  EXPECT_EQ(c.Post("/b", std::string(1001, 'x'), "application/json")->status, 413);
  size_t sent = 0;
  auto chunked = client();
  const auto result = chunked.Post(
      "/b",
      [&](size_t, httplib::DataSink& sink) {
        sent += 500;
        if (!sink.write(std::string(500, 'x').data(), 500)) return false;
        if (sent >= 1000000) sink.done();
        return true;
      },
      "application/json");
  if (result) EXPECT_EQ(result->status, 413);  // or the connection was closed while we wrote
  EXPECT_EQ(client().Get("/a")->status, 200);
}

TEST_F(HttpTest, a_form_is_refused) {
  start({});
  EXPECT_EQ(client().Post("/b", httplib::MultipartFormDataItems{{"a", "b", "", ""}})->status, 415);
}

TEST_F(HttpTest, keys_open_all_but_the_health) {
  start({.keys = {"first", "second"}});
  auto c = client();
  EXPECT_EQ(c.Get("/a")->status, 401);
  EXPECT_EQ(client().Get("/health")->status, 200);
  EXPECT_EQ(client().Get("/a", {{"Authorization", "Bearer second"}})->status, 200);
  EXPECT_EQ(client().Get("/a", {{"Authorization", "Bearer secon"}})->status, 401);
  EXPECT_EQ(client().Get("/a", {{"Authorization", "second"}})->status, 401);
  EXPECT_EQ(client().Post("/b", std::string(100, 'x'), "application/json")->status, 401);
}

TEST_F(HttpTest, pages_from_elsewhere_are_let_in_only_where_it_is_said) {
  start({});
  EXPECT_FALSE(client().Get("/a")->has_header("Access-Control-Allow-Origin"));
  TearDown();
  start({.allow_origin = "http://example.org"});
  EXPECT_EQ(client().Get("/a")->get_header_value("Access-Control-Allow-Origin"), "http://example.org");
}

TEST_F(HttpTest, another_sites_page_and_another_name_for_this_machine_are_refused) {
  start({});
  EXPECT_EQ(client().Get("/a", {{"Origin", "http://evil.example"}})->status, 403);
  EXPECT_EQ(client().Post("/b", {{"Origin", "http://evil.example"}}, "x", "text/plain")->status, 403);
  EXPECT_EQ(client().Get("/a", {{"Host", "evil.example"}})->status, 403);
  EXPECT_EQ(client().Get("/a", {{"Origin", "http://127.0.0.1:" + std::to_string(port)}})->status, 200);
  EXPECT_EQ(client().Get("/a", {{"Host", "localhost:1234"}, {"Origin", "http://localhost:1234"}})->status, 200);
  TearDown();
  start({.allow_origin = "http://good.example"});
  EXPECT_EQ(client().Get("/a", {{"Origin", "http://good.example"}})->status, 200);
  EXPECT_EQ(client().Get("/a", {{"Origin", "http://evil.example"}})->status, 403);
}

TEST_F(HttpTest, a_stream_comes_piece_by_piece) {
  start({});
  EXPECT_EQ(client().Post("/stream", "{}", "application/json")->body, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
}

TEST_F(HttpTest, more_clients_than_connections_are_all_served) {
  start({.connections = 4});
  std::vector<std::thread> threads;
  std::atomic<int> served{0};
  for (int i = 0; i < 24; ++i)
    threads.emplace_back([&] {
      auto c = client();
      c.set_read_timeout(30);
      if (const auto result = c.Get("/a"); result && result->status == 200) ++served;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(served, 24);
}

TEST_F(HttpTest, a_client_that_leaves_is_noticed) {
  start({});
  auto c = client();
  c.set_read_timeout(std::chrono::milliseconds(50));
  EXPECT_FALSE(c.Get("/wait"));
  c.stop();
  for (int i = 0; i < 200 && left == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(left, 1);
}

// Sends one byte after another; how many went before the server had enough.
int drip(int port, const std::string& bytes, std::chrono::milliseconds pause) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET, to.sin_port = htons(uint16_t(port)), to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  int sent = 0;
  for (const char byte : bytes) {
    if (::send(socket, &byte, 1, MSG_NOSIGNAL) != 1) break;
    ++sent;
    std::this_thread::sleep_for(pause);
  }
  ::close(socket);
  return sent;
}

TEST_F(HttpTest, headers_that_never_end_are_cut_off) {
  using namespace std::chrono_literals;
  start({.head_bytes = 1000, .head_time = 1s});
  std::string endless = "GET /a HTTP/1.1\r\n";
  while (endless.size() < 4000) endless += "X-A: b\r\n";
  EXPECT_LT(drip(port, endless, 1ms), 4000);                 // too many
  EXPECT_LT(drip(port, endless.substr(0, 400), 10ms), 400);  // too slow
  EXPECT_EQ(client().Get("/a", {{"X-Long", std::string(800, 'x')}})->status, 200);
}

TEST_F(HttpTest, a_body_that_never_ends_is_cut_off) {
  using namespace std::chrono_literals;
  start({.body_time = 1s});
  const std::string head = "POST /b HTTP/1.1\r\nContent-Length: 4000\r\n\r\n";
  EXPECT_LT(drip(port, head + std::string(4000, 'x'), 5ms), 1000);
  EXPECT_EQ(client().Post("/b", "12345", "application/json")->body, "POST /b 5");
}

TEST(KeyTest, keys_are_the_same_or_not) {
  EXPECT_TRUE(same_key("abc", "abc"));
  EXPECT_FALSE(same_key("abc", "abd"));
  EXPECT_FALSE(same_key("abc", "ab"));
}

}  // namespace
}  // namespace ken::server::http_test_file
