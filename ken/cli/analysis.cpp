#include "ken/cli/analysis.h"

#include "ken/cli/prompt_flags.h"
#include "ken/io/records.h"
#include "ken/readout/analysis.h"
#include "ken/readout/control_vector.h"
#include "ken/readout/lever.h"

namespace ken::cli {
namespace {

struct Flags {
  Common common;
  PromptFlags prompt;
  std::string family, id, model, facts, texts, out, probes;
  std::vector<std::string> params;
  uint64_t seed = 0;
};

// A control vector in llama.cpp's form, a lever, or plain tensors.
void write(const readout::AnalysisResult& result, const Flags& flags, const model::Model& model) {
  if (result.lever.is_null()) {
    write_tensors({result.tensors.begin(), result.tensors.end()}, {}, flags.out);
  } else if (result.lever.value("form", "") == "control vector") {
    readout::ControlVector vector{model.config.arch, result.lever.at("point"), result.lever.at("operation"), {}};
    for (const auto& [name, tensor] : result.tensors) {
      // llama.cpp counts the first block's output as no layer that it could steer.
      const int64_t layer = std::stoll(name.substr(name.find('.') + 1));
      if (layer > 0 || model.config.n_layers == 1) vector.directions[layer] = tensor;
    }
    readout::save(vector, flags.out);
  } else {
    readout::save(readout::Lever{flags.id, model.sha256(), result.lever, result.tensors}, flags.out);
  }
}

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
  if (!flags.out.empty()) write(result, flags, *model);
  if (!flags.probes.empty() && result.probes.empty())
    fail_usage(flags.family, "{} fits no probes that could be saved; 'probe-map' does", flags.id);
  if (!flags.probes.empty()) readout::save(result.probes, flags.probes);
  const Json whole{{"id", flags.id},
                   {"params", params},
                   {"seed", flags.seed},
                   {"compute", flags.common.compute},
                   {"table", result.table}};
  print(flags.common.json ? io::jsonl_line(whole) : dumped(whole.at("table"), 1) + "\n");
}

}  // namespace

void add_analysis(CLI::App& app, const std::string& family) {
  auto flags = std::make_shared<Flags>();
  flags->family = family;
  app.add_option("ID", flags->id, "the analysis (ken methods --family " + family + ")");
  app.add_option("PARAMS", flags->params, "its parameters, as key=value");
  app.add_option("-m,--model", flags->model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  app.add_option("--facts", flags->facts, "questions with answers; without it, the model's own world");
  app.add_option("--texts", flags->texts,
                 "running text to fit on (records with \"text\", or plain text); without it, the model's own world, "
                 "or texts about the facts");
  app.add_option("-o,--out", flags->out,
                 "file for what the analysis found: its tensors, or what --control ID:file=FILE reads");
  app.add_option("--save-probes", flags->probes, "safetensors file for the probes that the analysis fits");
  app.add_option("--seed", flags->seed, "of folds, bootstrap and worked examples")->capture_default_str();
  add_prompt_flags(app, flags->prompt);
  add_common(app, flags->common, "f32");
  app.callback([flags, &app] {
    if (!app.get_subcommands().empty()) return;  // it has run
    if (flags->id.empty())
      fail_usage(flags->family, "name the analysis; 'ken methods --family {}' lists them", flags->family);
    run(*flags);
  });
}

}  // namespace ken::cli
