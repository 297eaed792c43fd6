// ken compare: two studies side by side.
#include "ken/study/compare.h"

#include "ken/cli/command.h"

namespace ken::cli::compare_file {
namespace {

struct Flags {
  std::string a, b, out;
  bool json = false;
};

void run(const Flags& flags) {
  const Json comparison = study::compare(study::read_study(flags.a), study::read_study(flags.b));
  const auto dump = [&](int indent) { return dumped(comparison, indent) + "\n"; };
  if (!flags.out.empty()) {
    write_text(fs::path(flags.out) / "compare.json", dump(1));
    write_text(fs::path(flags.out) / "compare.md", study::compare_markdown(comparison));
  }
  if (!flags.json) return print(study::compare_text(comparison));
  for (const Json& warning : comparison.at("warnings")) say("ken: warning: " + warning.get<std::string>() + "\n");
  print(dump(-1));
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("A", flags.a, "a folder of `ken study`, or a study.json")->required();
  app.add_option("B", flags.b, "the study to set beside it")->required();
  app.add_option("-o,--out", flags.out, "folder for compare.json and compare.md");
  app.add_flag("--json", flags.json, "print one JSON object");
}

const Register<Command> entry{command(
    "compare", 15, add, run, "Set two studies side by side: every number, and which differences are more than chance.",
    "ken study -o one && ken study --seed 1 -o two && ken compare one two")};

}  // namespace
}  // namespace ken::cli::compare_file
