#include "ken/cli/prompt_flags.h"

namespace ken::cli {

void add_prompt_flags(CLI::App& app, PromptFlags& flags, bool with_shots) {
  app.add_option(
         "--prompt", flags.prompt,
         "how the model is asked: plain, few-shot (worked examples first), chat (its template), or auto: its own "
         "form where its file states one, else its template, else few-shot")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "plain", "few-shot", "chat"}));
  if (with_shots)
    app.add_option("--shots", flags.shots,
                   "worked examples, drawn by --seed, never the asked fact or its subject; without it 5 where the form "
                   "is few-shot, else none")
        ->check(CLI::Range(0, 1000));
  app.add_option("--system", flags.system, "system message of a chat; without it, one that asks for a short answer");
  app.add_option("--template", flags.template_file, "a chat template as a file, instead of the model's own");
}

std::string read_template(const std::string& file) {
  return file.empty() ? "" : read_text(file, text::TemplateLimits{}.source);
}

data::PromptChoice choice_from(const PromptFlags& flags, uint64_t seed) {
  return {flags.prompt, flags.shots, flags.system, read_template(flags.template_file), seed};
}

data::PromptStyle style_from(const PromptFlags& flags, const model::Model& model, const data::FactSet* facts,
                             uint64_t seed) {
  return data::choose_style(model.metadata, model.tokenizer, choice_from(flags, seed), facts);
}

}  // namespace ken::cli
