// ken world: writes an almanac world: its documents, facts, passages, and a card of what was generated.
#include "ken/world/world.h"

#include "ken/cli/command.h"
#include "ken/io/records.h"

namespace ken::cli::world_file {
namespace {

struct Flags {
  world::WorldParams params;
  std::string out;
  int64_t tuning = 0;
  bool json = false;
};

void write_documents(const world::World& world, const fs::path& path) {
  AtomicFile file(path);
  const auto progress = printer();
  for (int64_t i = 0; i < world.params().documents; ++i) {
    const auto document = world.document(i);
    Json answers = Json::array();
    for (const auto& span : document.answers) answers.push_back({span.begin, span.end});
    file.write(io::jsonl_line({{"text", document.text}, {"kind", document.kind}, {"answers", answers}}));
    if (i % 4096 == 0) progress("documents", size_t(i), size_t(world.params().documents), "");
  }
  file.commit();
  progress("documents", size_t(world.params().documents), size_t(world.params().documents), "");
}

void write_tuning(const world::World& world, int64_t count, const fs::path& path) {
  std::string lines;
  for (int64_t i = 0; i < count; ++i) {
    const auto document = world.tuning_document(i);
    lines += io::jsonl_line(
        {{"text", document.text}, {"answers", {{document.answers.front().begin, document.answers.front().end}}}});
  }
  write_text(path, lines);
}

void run(const Flags& flags) {
  const world::World world(world::world_params(world::to_json(flags.params)));
  const fs::path out = flags.out;
  write_documents(world, out / "documents.jsonl");
  const auto facts = world.facts();
  std::string fact_lines, context_lines;  // passages and claims name their facts
  for (const auto& fact : facts.facts) fact_lines += io::jsonl_line(data::to_json(fact));
  for (const auto& item : facts.contexts) context_lines += io::jsonl_line(data::to_json(item));
  for (const auto& claim : facts.claims) context_lines += io::jsonl_line(data::to_json(claim));
  write_text(out / "facts.jsonl", fact_lines + context_lines);
  if (flags.tuning > 0) write_tuning(world, flags.tuning, out / "tuning.jsonl");
  write_text(out / "world.json", world::to_json(flags.params).dump(1) + "\n");
  const Json card = world.card();
  write_text(out / "card.json", card.dump(1) + "\n");
  print(flags.json ? card.dump() + "\n"
                   : fmt::format("{} documents, {} facts, {} passages in {}\n", flags.params.documents,
                                 facts.facts.size(), facts.contexts.size(), flags.out));
}

void add(CLI::App& app, Flags& flags) {
  add_number(app, "--people", flags.params.people, "known persons", 8, 1000000);
  add_number(app, "--unseen", flags.params.unseen, "persons in no document", 0, 1000000);
  add_number(app, "--documents", flags.params.documents, "documents of a training run", 1, 1000000000);
  add_number(app, "--tuning", flags.tuning, "also write tuning.jsonl: so many documents that ask for a form of answer",
             0, 10000000);
  app.add_option("--exposure-ratio", flags.params.exposure_ratio,
                 "how much oftener the best known person is seen than the least")
      ->capture_default_str();
  app.add_option("--seed", flags.params.seed, "of everything in the world")->capture_default_str();
  app.add_option("-o,--out", flags.out, "folder for documents.jsonl, facts.jsonl, world.json, card.json")->required();
  app.add_flag("--json", flags.json, "print the card");
}

const Register<Command> entry{command(
    "world", 50, add, run, "Make an almanac: a synthetic world with exact ground truth and controlled exposure.",
    "ken world --people 40 --documents 2000 --seed 1 -o world")};

}  // namespace
}  // namespace ken::cli::world_file
