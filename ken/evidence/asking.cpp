#include "ken/evidence/asking.h"

#include "ken/base/select.h"

namespace ken::evidence {

namespace {

data::Asked asked(const data::Fact& fact) { return {fact.question, fact.beginning, fact.id, fact.subject, fact.group}; }

// The question in its parts: `text` as it is read, and how it is asked beside another passage.
generate::Prompt prompt_of(std::string text, std::string without_context, const data::Asked& asked,
                           const std::string& instruction, const data::PromptStyle& style) {
  generate::Prompt prompt{std::move(text), std::move(without_context)};
  prompt.question = asked.question.empty() ? asked.beginning : asked.question;
  // The question outlives its record.
  prompt.beside = [style, instruction, question = std::string(asked.question), beginning = std::string(asked.beginning),
                   id = std::string(asked.id), subject = std::string(asked.subject),
                   group = std::string(asked.group)](const std::string& passage) {
    return data::ask_with_context(style, passage, instruction, data::Asked{question, beginning, id, subject, group});
  };
  return prompt;
}

generate::Request unaided(const data::Asked& asked, const data::PromptStyle& style) {
  return request_of(style, prompt_of(data::ask(style, asked), "", asked, "", style));
}

}  // namespace

generate::Request request_of(const data::PromptStyle& style, generate::Prompt prompt) {
  generate::Request request;
  request.prompt = std::move(prompt);
  request.prompt.chat = style.tokens();
  request.stop = style.stop;
  if (style.chat) request.ends = style.chat->ends();
  request.max_tokens = style.max_tokens;
  return request;
}

generate::Request closed_book(const data::Fact& fact, const data::PromptStyle& style) {
  return unaided(asked(fact), style);
}

generate::Request as_variant(const data::Fact& fact, const data::Variant& variant, const data::PromptStyle& style) {
  // A prompt that is given whole is the model's own form; a chat or examples would be wrapped around another one.
  if (!variant.prompt.empty() && style.form() == "plain") return request_of(style, {variant.prompt, ""});
  data::Asked other = asked(fact);
  other.question = variant.question;
  other.beginning = variant.beginning;
  return unaided(other, style);
}

generate::Request with_passage(const data::ContextCase& item, const data::PromptStyle& style) {
  const data::Asked asked{item.question, item.beginning, item.fact, item.context_subject, item.group};
  return request_of(style, prompt_of(data::ask_with_context(style, item.context, item.instruction, asked),
                                     data::ask(style, asked), asked, item.instruction, style));
}

OptionItem verdicts(const data::Claim& claim, const data::PromptStyle& style) {
  return {data::judge(style, claim.statement), {style.yes, style.no}, style.tokens()};
}

std::string statement_with(const data::Fact& fact, const std::string& answer) {
  const std::string gold = fact.answers.empty() ? "" : fact.answers.front();
  const size_t at = gold.empty() ? std::string::npos : fact.statement.rfind(gold);
  if (at == std::string::npos) return (fact.question.empty() ? fact.beginning : fact.question) + " " + answer;
  return std::string(fact.statement).replace(at, gold.size(), answer);
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

std::vector<generate::Generated> greedy_answers(const readout::AnalysisInput& input,
                                                const std::vector<generate::Request>& requests) {
  static const std::map<std::string, generate::Generated> none;
  const auto& known = input.answered ? *input.answered : none;
  std::vector<generate::Generated> answers(requests.size());
  std::vector<size_t> open;
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto found = known.find(requests[i].prompt.text);
    if (found != known.end() && requests[i].controls.empty())
      answers[i] = found->second;
    else
      open.push_back(i);
  }
  auto rest = greedy_answers(input.model, pick(requests, open), input.compute);
  for (size_t n = 0; n < open.size(); ++n) answers[open[n]] = std::move(rest[n]);
  return answers;
}

}  // namespace ken::evidence
