// ken inside ID: runs an analysis by its card; numbers to stdout, tensors to a file. Families that hold Controls or
// Estimators point to the commands that take them.
#include "ken/cli/command.h"
#include "ken/cli/prompt_flags.h"
#include "ken/io/records.h"
#include "ken/readout/analysis.h"

namespace ken::cli {
namespace {

struct Flags {
  Common common;
  PromptFlags prompt;
  std::string id, model, facts, texts, out, probes;
  std::vector<std::string> params;
  uint64_t seed = 0;
};

void run(const Flags& flags) {
  apply(flags.common);
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", flags.id);
  std::string joined = flags.id + (flags.params.empty() ? "" : ":");
  for (size_t i = 0; i < flags.params.size(); ++i) joined += (i ? "," : "") + flags.params[i];
  const Json params = resolve_params(entry.card, parse_named_params(joined).params);
  const auto model = open_model(flags.model);
  const auto facts = open_facts(*model, flags.facts);
  readout::AnalysisInput input{*model,
                               facts,
                               style_from(flags.prompt, *model, &facts, flags.seed),
                               flags.seed,
                               nn::compute_from(flags.common.compute),
                               printer(),
                               {}};
  input.texts = open_texts(*model, flags.texts);
  const auto result = entry.run(input, params);
  if (!flags.out.empty()) write_tensors({result.tensors.begin(), result.tensors.end()}, {}, flags.out);
  if (!flags.probes.empty() && result.probes.empty())
    fail_usage("inside", "{} fits no probes that could be saved; 'probe-map' does", flags.id);
  if (!flags.probes.empty()) readout::save(result.probes, flags.probes);
  const Json whole{{"id", flags.id},
                   {"params", params},
                   {"seed", flags.seed},
                   {"compute", flags.common.compute},
                   {"table", result.table}};
  print(flags.common.json ? io::jsonl_line(whole)
                          : whole.at("table").dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("ID", flags->id, "the analysis (ken methods --family inside)")->required();
  app.add_option("PARAMS", flags->params, "its parameters, as key=value");
  app.add_option("-m,--model", flags->model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  app.add_option("--facts", flags->facts, "questions with answers; without it, the model's own world");
  app.add_option("--texts", flags->texts,
                 "running text to fit on (records with \"text\", or plain text); without it, the model's own world, "
                 "or texts about the facts");
  app.add_option("-o,--out", flags->out, "safetensors file for the analysis' tensors");
  app.add_option("--save-probes", flags->probes, "safetensors file for the probes that the analysis fits");
  app.add_option("--seed", flags->seed, "of folds, bootstrap and worked examples")->capture_default_str();
  add_prompt_flags(app, flags->prompt);
  add_common(app, flags->common, "f32");
  app.callback([flags] { run(*flags); });
}

const Register<Command> entry{{.card = {.id = "inside",
                                        .family = "cli",
                                        .sentence = "Look inside: run an analysis of a model's states on a fact set.",
                                        .example = "ken inside probe-map target=conflict"},
                               .order = 40,
                               .add = add}};

}  // namespace
}  // namespace ken::cli
