// ken serve: a model behind OpenAI's API, with what ken knows beside each answer.
#include <csignal>
#include <cstdlib>

#include "ken/base/error.h"
#include "ken/cli/command.h"
#include "ken/cli/prompt_flags.h"
#include "ken/server/answers.h"

namespace ken::server {
namespace {

using namespace std::chrono_literals;
constexpr std::chrono::milliseconds drain_patience = 5s,
                                    last_moment = 9500ms;  // of the ten seconds that a service manager waits

struct Flags {
  cli::Common common;
  std::string model, name, template_file, calibration, probes;
  std::vector<std::string> keys, levers;
  HttpOptions http;
  EngineOptions engine;
  int64_t max_tokens = 4096, body_mb = 8, prefix_mb = 512;
  bool insecure = false;
};

void check(Flags& flags) {
  if (const char* key = std::getenv("KEN_API_KEY"); key && *key) flags.keys.push_back(key);
  for (const auto& key : flags.keys)
    if (key.empty()) fail_usage("serve", "an API key is empty");
  if (!is_loopback(flags.http.host) && flags.keys.empty() && !flags.insecure)
    fail_usage("serve",
               "{} can be reached from other machines and no --api-key is given; give one, or --insecure to let "
               "everybody in",
               flags.http.host);
}

Setup setup_from(const Flags& flags, const model::Model& model) {
  Setup setup;
  setup.name = !flags.name.empty() ? flags.name : model.config.name;
  if (!flags.template_file.empty() || data::Chat::has_template(model.metadata))
    setup.chat =
        std::make_shared<const data::Chat>(model.metadata, model.tokenizer, cli::read_template(flags.template_file));
  // How a question is asked for evidence, and where there is no template.
  setup.style = setup.chat ? data::chat_style(setup.chat, "") : data::prompt_style(model.metadata);
  if (!flags.calibration.empty()) setup.calibration = evidence::load_calibration(flags.calibration, model.sha256());
  for (const auto& lever : flags.levers) {
    const size_t equals = lever.find('=');
    if (equals == std::string::npos || equals == 0) fail_usage("serve", "--lever {} is not NAME=FILE", lever);
    const fs::path file = lever.substr(equals + 1);
    if (!fs::is_regular_file(file)) fail("serve", "{}: no such file (--lever {})", file.string(), lever);
    setup.levers[lever.substr(0, equals)] = file;
  }
  if (!flags.probes.empty()) setup.probes = readout::load_probes(flags.probes);
  for (const auto& probe : setup.probes)
    if (!probe.model_sha256.empty() && probe.model_sha256 != model.sha256())
      fail_usage("serve", "{} holds probes of another model; fit them on {}", flags.probes, model.config.name);
  setup.max_tokens = flags.max_tokens;
  return setup;
}

sigset_t stop_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  return set;
}

// Waits for a signal; then what is under way gets its time, and the program ends within ten seconds whatever clients
// do.
void watch(Engine& engine, HttpServer& server, std::future<void> over) {
  const sigset_t set = stop_signals();
  int signal = 0;
  ::sigwait(&set, &signal);
  const auto deadline = std::chrono::steady_clock::now() + last_moment;
  cli::say("ken: stopping; answers under way are finished\n");
  if (!engine.drain(drain_patience)) cli::say("ken: some took too long and were ended\n");
  server.stop();
  if (over.wait_until(deadline) == std::future_status::timeout) std::_Exit(0);
}

void run(Flags flags) {
  check(flags);
  // Blocked before any thread begins, so that none of them takes a signal away from the one that waits for it.
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  cli::apply(flags.common);
  const auto model = cli::open_model(flags.model);
  model->int8_cache = flags.common.int8_cache;
  if (!model->tokenizer) fail("serve", "{} holds no tokenizer; a server needs one", model->config.name);
  const Setup setup = setup_from(flags, *model);
  flags.engine.compute = nn::compute_from(flags.common.compute);
  flags.engine.threads = flags.common.threads;
  flags.engine.prefix_bytes = size_t(flags.prefix_mb) << 20;
  flags.http.keys = flags.keys;
  flags.http.body_bytes = size_t(flags.body_mb) << 20;
  Engine engine(model, flags.engine);
  const Answers answers(engine, setup);
  HttpServer server(flags.http, [&answers](const HttpRequest& request) { return answers(request); });
  const int port = server.bind();
  const std::string url =
      fmt::format("http://{}:{}", flags.http.host == "0.0.0.0" ? "127.0.0.1" : flags.http.host, port);
  std::promise<void> over;
  std::thread watcher([&, done = over.get_future()]() mutable { watch(engine, server, std::move(done)); });
  cli::say(fmt::format("ken: {} at {}  (OpenAI's API under {}/v1; Ctrl-C stops)\n", setup.name, url, url));
  if (flags.common.json) cli::print(Json{{"url", url}, {"model", setup.name}}.dump() + "\n");
  server.listen();
  over.set_value();
  watcher.join();
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model,
                 "a GGUF file or Hugging Face folder; without it, the almanac's organism inside the program");
  app.add_option("--host", flags.http.host, "address to listen at; only this machine reaches the standard one")
      ->capture_default_str();
  cli::add_number(app, "--port", flags.http.port, "0 takes any that is free", 0, 65535);
  app.add_option("--api-key", flags.keys, "clients must give it (or $KEN_API_KEY); any number of times");
  app.add_flag("--insecure", flags.insecure, "let other machines in without a key");
  app.add_option("--allow-origin", flags.http.allow_origin, "let web pages from there in: an origin, or * for all");
  app.add_option("--name", flags.name, "of the model, as clients ask for it");
  app.add_option("--template", flags.template_file, "a chat template as a file, instead of the model's own");
  app.add_option("--calibration", flags.calibration,
                 "a file of ken calibrate: answers can come with their chance of being right");
  app.add_option("--probes", flags.probes, "a file of ken inside: what the workbench's map shows beside the layers");
  app.add_option("--lever", flags.levers, "NAME=FILE: a fitted control that requests may name; any number of times");
  cli::add_number(app, "--max-tokens", flags.max_tokens, "of an answer, at most", 1, 1 << 20);
  cli::add_number(app, "--max-rows", flags.engine.max_rows, "answers (and twins) that are computed side by side", 1,
                  4096);
  cli::add_number(app, "--max-requests", flags.engine.max_requests,
                  "under way or waiting; one more is told to come again", 1, 100000);
  cli::add_number(app, "--prefix-cache", flags.prefix_mb,
                  "megabytes of keys and values kept of past answers, so that a further turn or another question about "
                  "the same text is read from where it differs; 0: none",
                  0, 1 << 20);
  cli::add_number(app, "--connections", flags.http.connections, "open at once", 64, 4096);
  cli::add_number(app, "--max-body", flags.body_mb, "megabytes of a request", 1, 1024);
  cli::add_common(app, flags.common, "fast");
  cli::add_cache(app, flags.common);
}

const Register<cli::Command> entry{cli::command(
    "serve", 24, add, run, "Answer OpenAI's API over HTTP, with confidence, source and steering beside each answer.",
    "ken serve --port 8080")};

}  // namespace
}  // namespace ken::server
