// ken reproduce: runs the claims over seeds; writes ID.json for each, prints whether it holds.
#include "ken/study/reproduce.h"

#include <sstream>

#include "ken/cli/command.h"
#include "ken/cli/prompt_flags.h"
#include "ken/data/trim.h"
#include "ken/train/organism.h"

namespace ken::cli::reproduce_file {
namespace {

struct Flags {
  Common common;
  std::vector<std::string> ids;
  std::string model, facts, out, sources;
  int seeds = 3;
};

// A source's lines without those that change no figure: comments, blank lines and the names of scopes.
std::string code_of(const std::string& source) {
  std::istringstream lines(source);
  std::string code;
  for (std::string line; std::getline(lines, line);) {
    const auto text = data::trimmed(line);
    if (text.empty() || text.starts_with("//") || text.starts_with("namespace ") || text.starts_with("}  // namespace"))
      continue;
    code += line + "\n";
  }
  return code;
}

// The claim's own sources, so that a figure measured with other code shows as stale.
std::string source_hash(const std::string& root, const Card& card) {
  if (root.empty()) return "";
  const fs::path base = fs::path(root) / "ken" / "methods" / card.family;
  std::string all;
  for (const char* suffix : {".cpp", "_claim.cpp"}) all += code_of(read_text(base / (card.id + suffix)));
  return sha256(std::as_bytes(std::span(all)));
}

void run(const Flags& flags) {
  apply(flags.common);
  const auto model = open_model(flags.model);
  const auto facts = open_facts(*model, flags.facts);
  const auto style = style_from({}, *model, &facts, 0);
  std::vector<const tasks::ClaimEntry*> claims;
  for (const auto& id : flags.ids) claims.push_back(&Registry<tasks::ClaimEntry>::get().at("claim", id));
  if (claims.empty()) claims = Registry<tasks::ClaimEntry>::get().all();
  std::vector<uint64_t> seeds;
  for (int s = 0; s < flags.seeds; ++s) seeds.push_back(uint64_t(s));
  for (const auto* claim : claims) {
    Json result = study::reproduce(*claim, *model, facts, style, seeds, printer());
    result["source_sha256"] = source_hash(flags.sources, claim->card);
    if (!flags.out.empty()) write_text(fs::path(flags.out) / (claim->card.id + ".json"), result.dump(1) + "\n");
    if (flags.common.json) {
      print(result.dump() + "\n");
      continue;
    }
    std::string text = fmt::format(
        "{}: {}\n", claim->card.id,
        result.at("holds").get<bool>() ? "holds" : "does not hold: " + result.at("reason").get<std::string>());
    for (const Json& f : result.at("figures")) {
      text += fmt::format("  {:<48} {:.3f} ± {:.3f} {} {}\n", f.at("name").get<std::string>(),
                          f.at("mean").get<double>(), f.at("sd").get<double>(), f.at("unit").get<std::string>(),
                          f.at("bar").is_null() ? ""
                                                : fmt::format("(bar {} {})", f.at("bar").at("op").get<std::string>(),
                                                              f.at("bar").at("value").dump()));
    }
    print(text);
  }
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("ID", flags.ids, "claims by method; without any, all of them");
  app.add_option("-m,--model", flags.model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  app.add_option("--facts", flags.facts, "facts to run on; without it, the model's own world");
  add_number(app, "--seeds", flags.seeds, "how many", 1, 1000);
  app.add_option("-o,--out", flags.out, "folder for ID.json");
  app.add_option("--sources", flags.sources, "root of ken's sources, to record the hash of the code that was measured");
  add_common(app, flags.common, "f32");
}

const Register<Command> entry{command("reproduce", 100, add, run,
                                      "Run the claims: what a paper says happens, measured here over seeds.",
                                      "ken reproduce semantic-entropy --seeds 3")};

}  // namespace
}  // namespace ken::cli::reproduce_file
