// The flags that say how a model is asked; shared by the commands that ask.
#pragma once
#include "ken/cli/command.h"
#include "ken/data/prompt_choice.h"

namespace ken::cli {

struct PromptFlags {
  std::string prompt = "auto", template_file;
  std::optional<size_t> shots;
  std::optional<std::string> system;
};
// `with_shots`: --shots, for commands that draw examples from facts.
void add_prompt_flags(CLI::App& app, PromptFlags& flags, bool with_shots = true);
data::PromptChoice choice_from(const PromptFlags& flags, uint64_t seed);
// `facts` give the examples; null: there are none to draw from.
data::PromptStyle style_from(const PromptFlags& flags, const model::Model& model, const data::FactSet* facts,
                             uint64_t seed);
// A template's source, of at most the size that ken reads.
std::string read_template(const std::string& file);

}  // namespace ken::cli
