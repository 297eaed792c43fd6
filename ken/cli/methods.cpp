// ken methods: the registry, as a table, as JSON, as one card, or as the generated pages.
#include "ken/base/select.h"
#include "ken/cli/command.h"
#include "ken/study/catalog.h"

namespace ken::cli::methods_file {
namespace {

struct Flags {
  std::string id, family, docs;
  bool json = false, claims = false;
};

void show(const study::CatalogEntry& entry) {
  const Card& c = *entry.card;
  std::string text = fmt::format("{} ({}, {})\n  {}\n  {}\n", c.title, entry.kind, c.family, c.sentence, c.paper);
  for (const Param& p : c.params) text += fmt::format("    {:<14} {:<12} {}\n", p.name, p.standard.dump(), p.meaning);
  if (!c.direction.empty()) text += "  " + c.direction + "\n";
  print(text + "  Example: " + c.example + "\n");
}

void run(const Flags& flags) {
  if (!flags.docs.empty()) {
    for (const auto& [path, text] : study::pages(flags.docs)) write_text(fs::path(flags.docs) / path, text);
    return;
  }
  const auto entries = flags.claims ? study::claims() : study::catalog();
  std::vector<std::string> known, families;
  bool any = false;
  std::string lines;
  for (const auto& entry : entries) {
    known.push_back(entry.card->id);
    if (!is_in(entry.card->family, families)) families.push_back(entry.card->family);
    if (!flags.family.empty() && entry.card->family != flags.family) continue;
    if (!flags.id.empty() && entry.card->id != flags.id) continue;
    any = true;
    if (!flags.id.empty() && !flags.json) return show(entry);
    lines += flags.json ? study::to_json(entry).dump() + "\n"
                        : fmt::format("{:<22} {:<12} {:<12} {}\n", entry.card->id, entry.card->family, entry.kind,
                                      entry.card->sentence);
  }
  if (!any && !flags.id.empty()) fail_usage("methods", "{}", unknown_name("method", flags.id, known));
  if (!any) fail_usage("methods", "{}", unknown_name("family", flags.family, families));
  print(lines);
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("ID", flags.id, "show one card with its parameters and an example");
  app.add_option("--family", flags.family, "only this family: confidence, inside, steer, ...");
  app.add_flag("--claims", flags.claims, "list the claims instead");
  app.add_flag("--json", flags.json, "one JSON object a line");
  app.add_option("--write-docs", flags.docs, "write the generated pages into this docs folder");
}

const Register<Command> entry{command("methods", 90, add, run,
                                      "List the methods, or show one with its parameters and an example.",
                                      "ken methods semantic-entropy")};

}  // namespace
}  // namespace ken::cli::methods_file
