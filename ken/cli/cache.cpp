// ken cache: named activations of many prompts as safetensors shards.
#include "ken/cli/command.h"
#include "ken/cli/prompt_flags.h"
#include "ken/readout/capture.h"
#include "ken/readout/point_list.h"

namespace ken::cli::cache_file {
namespace {

struct Flags {
  Common common;
  PromptFlags prompt;
  std::string model, prompts, facts, layers, out, type = "f32";
  readout::CaptureOptions options;
  bool with_answer = false;
  uint64_t seed = 0;
};

std::vector<readout::CapturePrompt> prompts_from(const Flags& flags, const model::Model& model) {
  if (!flags.prompts.empty()) {
    if (!flags.facts.empty() || flags.with_answer)
      fail_usage("cache", "--prompts are read as they are; leave --facts and --with-answer out");
    if (!fs::exists(flags.prompts))
      fail_usage("cache", "{} is no file; --prompts reads records with \"prompt\", or a prompt a line", flags.prompts);
    return readout::read_prompts(flags.prompts);
  }
  const auto facts = open_facts(model, flags.facts);
  return readout::prompts_of(facts, style_from(flags.prompt, model, &facts, flags.seed), flags.with_answer);
}

void run(Flags flags) {
  apply(flags.common);
  if (fs::exists(flags.out) && !fs::is_directory(flags.out))
    fail_usage("cache", "{} is no folder; the shards need one", flags.out);
  const auto model = open_model(flags.model);
  flags.options.layers = readout::layers_listed(flags.layers);
  flags.options.dtype = io::weight_type(flags.type);
  flags.options.compute = nn::compute_from(flags.common.compute);
  flags.options.progress = printer();
  const Json index = readout::capture(*model, prompts_from(flags, *model), flags.options, flags.out);
  size_t bytes = 0;
  for (const auto& shard : index.at("shards"))
    bytes += size_t(fs::file_size(fs::path(flags.out) / shard.at("file").get<std::string>()));
  Json summary{{"out", flags.out},
               {"prompts", index.at("prompts")},
               {"points", index.at("points")},
               {"tokens", index.at("tokens")},
               {"dtype", index.at("dtype")},
               {"shards", index.at("shards").size()},
               {"bytes", bytes},
               {"compute", flags.common.compute}};
  print(flags.common.json
            ? dumped(summary) + "\n"
            : fmt::format("{} prompts, {} points, {} shards, {:.1f} MB in {}\n", summary["prompts"].get<size_t>(),
                          summary["points"].size(), summary["shards"].get<size_t>(), double(bytes) / 1e6, flags.out));
}

void add(CLI::App& app, Flags& flags) {
  auto& o = flags.options;
  app.add_option("-m,--model", flags.model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  app.add_option("--prompts", flags.prompts,
                 "records with \"prompt\" (and \"id\", \"answer\", any words), or plain text, a prompt a line");
  app.add_option("--facts", flags.facts, "questions with answers; without it, the model's own world");
  app.add_flag("--with-answer", flags.with_answer, "of facts: the question with its answer behind it");
  app.add_option("-o,--out", flags.out, "folder for the shards and index.json; a run that was stopped goes on there")
      ->required();
  app.add_option("--point", o.points, "activations by name, any number of times (docs/models.md, ken logits --tap)")
      ->capture_default_str();
  app.add_option("--layers", flags.layers, "of the points with *, as 0,4-7; without it all");
  app.add_option("--tokens", o.tokens,
                 "answer (the last token before the answer), last, a field of the records such as subject, or all")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--type", flags.type, "f32 or bf16: what the activations are stored as")->capture_default_str();
  add_number(app, "--block", o.block, "prompts of a shard at most", 1, 1 << 20);
  app.add_option("--seed", flags.seed, "of worked examples")->capture_default_str();
  add_prompt_flags(app, flags.prompt);
  add_common(app, flags.common, "f32");
}

const Register<Command> entry{command("cache", 62, add, run,
                                      "Write named activations of many prompts to safetensors shards.",
                                      "ken cache --tokens answer,subject --layers 3-5 --type bf16 -o states")};

}  // namespace
}  // namespace ken::cli::cache_file
