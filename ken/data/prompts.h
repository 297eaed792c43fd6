// How a model is asked: patterns from the model's own metadata (ken.prompt.*), a chat template, or a plain default.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ken/io/tensors.h"

namespace ken::data {

// Patterns hold {question}, {context}, {instruction}; {instruction} with its trailing blank vanishes when empty.
struct PromptStyle {
  std::string name = "plain";  // shown in reports
  std::string question = "Q: {question}\nA:";
  std::string context = "{context}\n\n{instruction} Q: {question}\nA:";
  std::vector<std::string> stop = {"\n"};  // an answer ends before any of these (or at EOS)
  // A claim and the two words that judge it, each with its leading blank.
  std::string claim = "{statement}\nIs this true or false?\nAnswer:", yes = " true", no = " false";
};
PromptStyle prompt_style(const io::Metadata& metadata);
void put_prompt_style(io::Metadata& metadata, const PromptStyle& style);

std::string judge(const PromptStyle& style, std::string_view statement);
std::string ask(const PromptStyle& style, std::string_view question);
std::string ask_with_context(const PromptStyle& style, std::string_view context, std::string_view instruction,
                             std::string_view question);

}  // namespace ken::data
