// ken: the command line. Exit codes: 0 done, 1 the job failed, 2 the call was wrong.
#include <fmt/ranges.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>

#include "ken/cli/command.h"
#include "ken/nn/torch.h"

namespace {

using ken::cli::Command;

std::vector<const Command*> commands() {
  auto all = ken::Registry<Command>::get().all();
  std::sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->order < b->order; });
  return all;
}

// CLI11 says only that an argument was not expected; the near names are ours to add.
std::string with_hint(CLI::App& app, const std::string& message, int argc, char** argv) {
  CLI::App* sub = &app;
  if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> names;
    for (auto* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
    return ken::unknown_name("command", argv[1], names);
  }
  for (auto* chosen : app.get_subcommands()) sub = chosen;
  std::vector<std::string> known;
  for (const auto* option : sub->get_options())
    for (const auto& name : option->get_lnames()) known.push_back("--" + name);
  for (auto* command : sub->get_subcommands(nullptr)) known.push_back(command->get_name());
  for (int i = 1; i < argc; ++i) {
    const std::string word = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    const bool unknown =
        message.find(word) != std::string::npos && std::find(known.begin(), known.end(), word) == known.end();
    const auto near = ken::near_names(word, known);
    if (unknown && !near.empty() && (word.rfind("--", 0) == 0 || sub == &app))
      return fmt::format("{}; did you mean {}?", message, fmt::join(near, " or "));
  }
  return message;
}

int run(int argc, char** argv) {
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
    ken::cli::print(app.help());
    return 0;
  }
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    ken::cli::say(fmt::format("ken: {}\n  ken{} --help shows the flags with an example\n",
                              with_hint(app, error.what(), argc, argv),
                              app.get_subcommands().empty() ? "" : " " + app.get_subcommands()[0]->get_name()));
    return 2;
  } catch (const ken::UsageError& error) {
    ken::cli::say(fmt::format("ken: {}\n", error.what()));
    return 2;
  } catch (const ken::Error& error) {
    ken::cli::say(fmt::format("ken: {}\n", error.what()));
    return 1;
  } catch (const std::exception& error) {
    // torch's errors carry a stack trace after the first line.
    const std::string text = error.what();
    ken::cli::say(fmt::format("ken: {}\n", text.substr(0, text.find('\n'))));
    return 1;
  }
}

}  // namespace

// libgomp spins at barriers for milliseconds, so two processes on the same cores stop each other: a study of 30 s took
// 10 minutes beside another. Not to spin at all costs 50 us a parallel region, which is more than most of a small
// model's regions take: up to 150 us bridge the gaps between them. It reads its environment when it is loaded, so the
// program starts itself once more. Done in .preinit_array, before the libraries' constructors, where torch spends 0.35
// s of a start: that is paid once. Not even the C library is set up there, so this makes two system calls and touches
// nothing else.
#ifndef __SANITIZE_ADDRESS__
void wait_briefly(int, char** argv, char** environment) {
  static char setting[] = "GOMP_SPINCOUNT=10000";
  static char* changed[4096];
  size_t n = 0;
  for (; environment[n]; ++n) {
    if (n + 2 == std::size(changed)) return;
    for (const char* name : {"OMP_WAIT_POLICY=", "GOMP_SPINCOUNT="}) {
      const char *a = environment[n], *b = name;
      while (*b && *a == *b) ++a, ++b;
      if (!*b) return;
    }
    changed[n] = environment[n];
  }
  changed[n] = setting;
  ::execve("/proc/self/exe", argv, changed);  // on failure: go on as before
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_constructors)(int, char**, char**) = wait_briefly;
#endif

int main(int argc, char** argv) {
  // A step of decoding makes and drops the same tensors again and again: memory that was given back to the system comes
  // as new pages, which cost more than the tensors' own work.
#ifdef __GLIBC__
  ::mallopt(M_MMAP_THRESHOLD, 64 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
  return run(argc, argv);
}
