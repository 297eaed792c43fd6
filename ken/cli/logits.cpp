// ken logits: ids or text in, logits and any named activation out as safetensors. The public parity interface.
#include "ken/cli/command.h"

namespace ken::cli::logits_file {
namespace {

struct Flags {
  Common common;
  std::string model, ids, text, out;
  std::vector<std::string> taps;
};

void run(const Flags& flags) {
  apply(flags.common);
  if (flags.ids.empty() == flags.text.empty()) fail_usage("logits", "give either --ids 1,2,3 or --text TEXT");
  const auto model = open_model(flags.model);
  const auto ids = flags.ids.empty() ? model::prompt_ids(*model, flags.text) : parse_ids(flags.ids);
  at::NoGradGuard no_gradients;
  model::ActivationCache cache;
  const model::TapPlan plan(model->config, cache.taps(flags.taps));
  model::ForwardOptions options{
      .compute = nn::compute_from(flags.common.compute), .taps = &plan, .logits = model::ForwardOptions::Logits::all};
  std::vector<std::pair<std::string, at::Tensor>> tensors{
      {"logits", model::forward(*model, model::pack({{ids}}, model->config.vocab), options).logits}};
  for (const auto& name : cache.names()) tensors.emplace_back(name, cache.at(name));
  const Json shapes =
      write_tensors(tensors, {{"model", model->config.name}, {"compute", flags.common.compute}}, flags.out);
  if (!flags.common.json) return;
  print(Json{{"ids", ids}, {"out", flags.out}, {"tensors", shapes}, {"compute", flags.common.compute}}.dump() + "\n");
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model, "a GGUF file, or 'almanac'")->required();
  app.add_option("--ids", flags.ids, "token ids, as 1,2,3; nothing is added");
  app.add_option("--text", flags.text, "text instead of ids; BOS is added where the model wants it");
  app.add_option("-o,--out", flags.out, "safetensors file: logits [tokens, vocab] and the tapped activations")
      ->required();
  app.add_option("--tap", flags.taps, "activations by name, such as blocks.*.hook_resid_post; any number of times");
  add_common(app, flags.common, "f32");
}

const Register<Command> entry{
    command("logits", 60, add, run, "Write logits, and any named activation, of given tokens to a safetensors file.",
            "ken logits almanac --text \"Q: where\" --tap 'blocks.*.hook_resid_post' -o out.safetensors")};

}  // namespace
}  // namespace ken::cli::logits_file
