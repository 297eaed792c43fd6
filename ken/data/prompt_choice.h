// Which way a model is asked, decided by what its file states: its own form, its chat template, or worked examples.
#pragma once
#include "ken/data/facts.h"
#include "ken/data/prompts.h"

namespace ken::data {

struct PromptChoice {
  std::string prompt = "auto";        // "auto", "plain", "few-shot" or "chat"
  std::optional<size_t> shots;        // worked examples; without a value 5 where the form is few-shot, else none
  std::optional<std::string> system;  // of a chat; without a value the one that asks for a short answer
  std::string chat_template;          // a template's source instead of the model's own
  uint64_t seed = 0;                  // of the examples
};

// auto: the model's own form where its metadata state one (ken.prompt.*), else its chat template, else few-shot where
// `facts` can give examples, else plain: the own form or "Q: ... A:" alone. Examples are drawn from the facts by the
// seed, of different subjects; a set too small for `shots` gives fewer. UsageErrors: a chat without a template,
// examples without facts, an unknown name.
PromptStyle choose_style(const io::Metadata& metadata, std::shared_ptr<const text::Tokenizer> tokenizer,
                         const PromptChoice& choice, const FactSet* facts);

}  // namespace ken::data
