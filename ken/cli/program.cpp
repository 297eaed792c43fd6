#include "ken/cli/program.h"

#include <fmt/ranges.h>

#include "ken/base/select.h"
#include "ken/cli/command.h"

namespace ken::cli {
namespace {

std::vector<const Command*> commands() {
  auto all = Registry<Command>::get().all();
  std::sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->order < b->order; });
  return all;
}

// CLI11 says only that an argument was not expected; the near names are ours to add.
std::string with_hint(CLI::App& app, const std::string& message, int argc, char** argv) {
  CLI::App* sub = &app;
  if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> names;
    for (auto* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
    return unknown_name("command", argv[1], names);
  }
  for (auto* chosen : app.get_subcommands()) sub = chosen;
  std::vector<std::string> known;
  for (const auto* option : sub->get_options())
    for (const auto& name : option->get_lnames()) known.push_back("--" + name);
  for (auto* command : sub->get_subcommands(nullptr)) known.push_back(command->get_name());
  for (int i = 1; i < argc; ++i) {
    const std::string word = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    const bool unknown = message.find(word) != std::string::npos && !is_in(word, known);
    const auto near = near_names(word, known);
    if (unknown && !near.empty() && (word.rfind("--", 0) == 0 || sub == &app))
      return fmt::format("{}; did you mean {}?", message, fmt::join(near, " or "));
  }
  return message;
}

}  // namespace

int run_ken(int argc, char** argv) {
  CLI::App app("ken opens a language model and works with its knowledge: what it knows, how sure it is, and why.",
               "ken");
  app.require_subcommand(1);
  app.footer("Start with:  ken study -o report     (questions the model that ships inside the program)");
  for (const Command* command : commands()) {
    CLI::App* sub = app.add_subcommand(command->card.id, command->card.sentence);
    sub->footer("Example:\n  " + command->card.example);
    command->add(*sub);
  }
  if (argc < 2) {
    print(app.help());
    return 0;
  }
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    say(fmt::format("ken: {}\n  ken{} --help shows the flags with an example\n",
                    with_hint(app, error.what(), argc, argv),
                    app.get_subcommands().empty() ? "" : " " + app.get_subcommands()[0]->get_name()));
    return 2;
  } catch (const Error& error) {
    say(fmt::format("ken: {}\n", error.what()));
    return dynamic_cast<const UsageError*>(&error) ? 2 : 1;
  } catch (const std::exception& error) {
    // torch's errors carry a stack trace after the first line.
    const std::string text = error.what();
    say(fmt::format("ken: {}\n", text.substr(0, text.find('\n'))));
    return 1;
  }
}

}  // namespace ken::cli
