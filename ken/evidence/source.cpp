#include "ken/evidence/source.h"

#include "ken/data/facts.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/options.h"
#include "ken/stats/finite.h"

namespace ken::evidence {

generate::Request question_request(const std::string& question, const std::string& passage,
                                   const std::string& instruction, const data::PromptStyle& style) {
  data::Fact fact;
  fact.question = question;
  data::ContextCase item;
  item.question = question, item.context = passage, item.instruction = instruction;
  return passage.empty() ? closed_book(fact, style) : with_passage(item, style);
}

generate::Request without_passage(generate::Request request) {
  request.prompt.text = std::exchange(request.prompt.without_context, "");
  request.controls.clear();
  return request;
}

std::string source_of(const std::string& answer, const std::string& closed_book, const std::string& passage) {
  if (answer.empty()) return "neither";
  const bool memory = data::same_answer(answer, {closed_book}), context = data::contains_answer(passage, {answer});
  return memory && context ? "both" : context ? "context" : memory ? "memory" : "neither";
}

Source trace(const model::Model& model, const generate::Request& request, const generate::Generated& answer,
             const generate::Generated& closed_book, const std::string& passage, nn::Compute compute) {
  Source source{source_of(answer.text, closed_book.text, passage), closed_book};
  // The tokens of each answer after each prompt; an answer without a token (EOS at once) has no probability to compare.
  OptionTokens with, without;
  with.prompt = generate::prompt_ids(model, request.prompt.text, request.prompt.chat.get());
  without.prompt = generate::prompt_ids(model, request.prompt.without_context, request.prompt.chat.get());
  for (const auto* given : {&answer, &closed_book}) {
    const auto& tokens = given->tokens;
    const auto end = tokens.begin() + long(std::clamp<size_t>(size_t(given->answer_tokens), 0, tokens.size()));
    with.options.emplace_back(tokens.begin(), end);
  }
  if (with.options[0].empty() || with.options[1].empty()) {
    source.p_with = source.p_without = source.memory_with = source.memory_without = NAN;
    return source;
  }
  without.options = with.options;
  const auto scores = score_tokens(model, {with, without}, compute);
  source.p_with = std::exp(scores[0][0].logprob);
  source.p_without = std::exp(scores[1][0].logprob);
  source.memory_with = std::exp(scores[0][1].logprob);
  source.memory_without = std::exp(scores[1][1].logprob);
  return source;
}

Json probabilities(const Source& source) {
  const auto pair = [](double with, double without) {
    return Json{{"with_context", stats::finite_or_null(with)}, {"without", stats::finite_or_null(without)}};
  };
  return {{"answer", pair(source.p_with, source.p_without)},
          {"closed_book_answer", pair(source.memory_with, source.memory_without)}};
}

}  // namespace ken::evidence
