#include "ken/evidence/asking.h"

namespace ken::evidence {

generate::Request closed_book(const data::Fact& fact, const data::PromptStyle& style) {
  generate::Request request;
  request.prompt.text = data::ask(style, fact.question);
  request.stop = style.stop;
  request.max_tokens = answer_tokens;
  return request;
}

generate::Request as_variant(const data::Fact& fact, const data::Variant& variant, const data::PromptStyle& style) {
  generate::Request request = closed_book(fact, style);
  request.prompt.text = variant.prompt.empty() ? data::ask(style, variant.question) : variant.prompt;
  return request;
}

generate::Request with_passage(const data::ContextCase& item, const data::PromptStyle& style) {
  generate::Request request;
  request.prompt.text = data::ask_with_context(style, item.context, item.instruction, item.question);
  request.prompt.without_context = data::ask(style, item.question);
  request.stop = style.stop;
  request.max_tokens = answer_tokens;
  return request;
}

std::string followed(const std::string& answer, const data::ContextCase& item, const std::vector<std::string>& memory) {
  if (data::same_answer(answer, item.context_answers)) return "context";
  return data::same_answer(answer, memory) ? "memory" : "neither";
}

std::vector<generate::Generated> greedy_answers(const model::Model& model,
                                                const std::vector<generate::Request>& requests, nn::Compute compute) {
  generate::GenerateOptions options;
  options.compute = compute;
  auto results = generate::generate(model, requests, options);
  std::vector<generate::Generated> answers;
  for (auto& samples : results) answers.push_back(std::move(samples[0]));
  return answers;
}

}  // namespace ken::evidence
