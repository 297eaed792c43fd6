// ken chat: a conversation, one line of stdin a message; the answer is shown as it comes.
#include <csignal>
#include <cstdio>

#include <unistd.h>

#include "ken/cli/command.h"
#include "ken/cli/prompt_flags.h"
#include "ken/generate/conversation.h"

namespace ken::cli::chat_file {
namespace {

constexpr size_t longest_line = size_t{1} << 20;  // bytes

struct Flags {
  Common common;
  std::string model, template_file;
  bool plain = false;
  generate::ConversationOptions options{.sampling = {.temperature = 0.7, .top_p = 0.95}};
};

volatile std::sig_atomic_t interrupts = 0;

// Ctrl-C ends an answer; it also breaks a wait for a line, so no restart of calls.
void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupts = 1; };
  ::sigaction(SIGINT, &action, nullptr);
}

// The next line of stdin without its end; no value at the end of the input.
std::optional<std::string> read_line() {
  std::string line;
  for (;;) {
    const int c = std::fgetc(stdin);
    if (c == EOF && interrupts) {
      std::clearerr(stdin);
      interrupts = 0;
      say("\nken: /quit or Ctrl-D ends the conversation\n> ");
      line.clear();
    } else if (c == EOF) {
      return line.empty() ? std::nullopt : std::optional(line);
    } else if (c == '\n') {
      if (line.ends_with('\r')) line.pop_back();
      return line;
    } else if (line.size() == longest_line) {
      fail("chat", "a line of stdin is longer than {} bytes; a message is one line", longest_line);
    } else {
      line += char(c);
    }
  }
}

// A model may write anything: bytes that are no UTF-8 are replaced, control characters but newline and tab left out, so
// that it cannot steer the terminal.
std::string printable(const std::string& text) {
  std::string kept;
  for (const char c : text)
    if ((c >= 0 && c < ' ') ? c == '\n' || c == '\t' : c != 0x7f) kept += c;
  return Json::parse(dumped(Json(kept))).get<std::string>();
}

std::shared_ptr<const data::Chat> chat_of(const Flags& flags, const model::Model& model) {
  if (flags.plain) return nullptr;
  if (flags.template_file.empty() && !data::Chat::has_template(model.metadata))
    fail_usage("chat",
               "{} has no chat template, so it is no chat model or its file lost it; give one with --template FILE, or "
               "let it write on after your lines with --plain",
               model.config.name);
  return std::make_shared<const data::Chat>(model.metadata, model.tokenizer, read_template(flags.template_file));
}

void tell_room(const generate::Conversation& conversation, const generate::Turn& turn, int64_t max_tokens) {
  const int64_t left = conversation.context() - turn.used;
  if (left <= 0)
    say("ken: the model's context is full; /reset begins a new conversation\n");
  else if (left < max_tokens)
    say(
        fmt::format("ken: {} of the context's {} tokens are used; {} are left for your next message and its answer "
                    "(/reset begins anew)\n",
                    turn.used, conversation.context(), left));
}

// One message and its answer. What does not fit is said, and the conversation goes on.
void take_turn(const Flags& flags, generate::Conversation& conversation, const std::string& line) {
  interrupts = 0;
  const auto show = [&](const std::string& piece) {
    if (!flags.common.json) print(printable(piece));
  };
  generate::Turn turn;
  try {
    turn = conversation.say(line, show, [] { return interrupts != 0; });
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    return say(fmt::format("ken: {}\n", error.what()));
  }
  interrupts = 0;
  if (flags.common.json) {
    const Json result{
        {"text", turn.answer.text}, {"tokens", turn.answer.tokens.size()}, {"read", turn.read},
        {"used", turn.used},        {"context", conversation.context()},   {"finish", turn.answer.finish}};
    return print(dumped(result) + "\n");
  }
  print("\n");
  if (turn.answer.finish == "length")
    say(fmt::format("ken: the answer was cut after {} tokens (--max-tokens)\n", turn.answer.tokens.size()));
  if (turn.answer.finish == "interrupted") say("ken: the answer was ended here; go on\n");
  tell_room(conversation, turn, flags.options.max_tokens);
}

void run(const Flags& flags) {
  apply(flags.common);
  generate::check(flags.options.sampling);
  const auto model = open_model(flags.model);
  model->int8_cache = flags.common.int8_cache;
  if (!model->tokenizer) fail("chat", "{} holds no tokenizer; a conversation needs one", model->config.name);
  if (flags.plain && !flags.options.system.empty())
    fail_usage("chat", "--plain has no messages, so no system message either; leave one of the two out");
  generate::ConversationOptions options = flags.options;
  options.compute = nn::compute_from(flags.common.compute);
  generate::Conversation conversation(*model, chat_of(flags, *model), options);
  const bool terminal = ::isatty(STDIN_FILENO) == 1;
  catch_interrupts();
  if (terminal)
    say(fmt::format("{}, context of {} tokens. Ctrl-C ends an answer, /reset the conversation, /quit the program.\n",
                    model->config.name, conversation.context()));
  for (;;) {
    if (terminal) say("> ");
    const auto line = read_line();
    if (!line || *line == "/quit") return;
    if (*line == "/reset")
      conversation.reset();
    else if (!line->empty())
      take_turn(flags, conversation, *line);
  }
}

void add(CLI::App& app, Flags& flags) {
  auto& options = flags.options;
  app.add_option(
      "MODEL", flags.model,
      "a chat model: a GGUF file or Hugging Face folder; without it, the almanac's organism inside the program");
  app.add_option("--system", options.system, "what stands before the conversation");
  app.add_option("--template", flags.template_file, "a chat template as a file, instead of the model's own");
  app.add_flag("--plain", flags.plain, "no template: the model writes on after the text so far");
  app.add_option("--temperature", options.sampling.temperature, "0 = the likeliest token")->capture_default_str();
  app.add_option("--top-p", options.sampling.top_p, "keep the likeliest tokens that together reach p")
      ->capture_default_str();
  app.add_option("--seed", options.sampling.seed, "of the noise")->capture_default_str();
  add_number(app, "--max-tokens", options.max_tokens, "longest answer", 1, 1000000);
  add_common(app, flags.common, "fast");
  add_cache(app, flags.common);
}

const Register<Command> entry{command("chat", 22, add, run, "Talk with a chat model; lines of stdin are messages.",
                                      "ken chat qwen2.5-0.5b-instruct.gguf --system \"Answer briefly.\"")};

}  // namespace
}  // namespace ken::cli::chat_file
