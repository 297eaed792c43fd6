// ken ask: one question, with or without a passage; the answer with its probability and, beside a passage, its source.
#include <iostream>

#include "ken/cli/abstain_flags.h"
#include "ken/cli/prompt_flags.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/shots.h"
#include "ken/evidence/source.h"

namespace ken::cli::ask_file {
namespace {

struct Flags {
  Common common;
  PromptFlags prompt;
  AbstainFlags abstain;
  std::vector<std::string> words;  // [MODEL] QUESTION
  std::string model, facts, context_file, context_text, instruction;
  std::vector<std::string> controls, confidence;
  uint64_t seed = 0;
  int64_t max_tokens = 32, alternatives = 0;
};

constexpr size_t longest_passage = size_t{1} << 24;  // bytes

std::string read_passage(const Flags& flags) {
  if (flags.context_file != "-")
    return flags.context_file.empty() ? flags.context_text : read_text(flags.context_file, longest_passage);
  std::string text(longest_passage + 1, '\0');
  std::cin.read(text.data(), std::streamsize(text.size()));
  text.resize(size_t(std::cin.gcount()));
  if (text.size() > longest_passage) fail("ask", "the passage on stdin is longer than {} bytes", longest_passage);
  return text;
}

struct Question {
  std::string model, text, passage;
};

Question read_question(const Flags& flags) {
  if (flags.words.size() == 2 && !flags.model.empty())
    fail_usage("ask", "the model is named twice: {} and --model {}", flags.words[0], flags.model);
  Question question{flags.words.size() == 2 ? flags.words[0] : flags.model, flags.words.back(), read_passage(flags)};
  // The end of a file's last line is no part of the passage.
  question.passage.erase(question.passage.find_last_not_of(" \t\r\n") + 1);
  if (question.text.empty()) fail_usage("ask", "the question is empty");
  const bool given = !flags.context_file.empty() || !flags.context_text.empty();
  if (given && question.passage.empty())
    fail_usage("ask", "the passage is empty; leave --context out to ask without one");
  return question;
}

generate::Request request_from(const Flags& flags, const data::PromptStyle& style, const Question& question) {
  generate::Request request = evidence::question_request(question.text, question.passage, flags.instruction, style);
  request.max_tokens = flags.max_tokens;
  for (const auto& control : flags.controls) request.controls.push_back(generate::control_from(control));
  return request;
}

void add_source(Json& result, const evidence::Source& source) {
  result["source"] = source.name;
  result["closed_book_answer"] = source.without.text;
  result["probabilities"] = evidence::probabilities(source);
}

// What the answer could have begun with.
Json alternatives(const model::Model& model, const std::vector<generate::Alternative>& tokens) {
  Json result = Json::array();
  for (const auto& one : tokens) {
    const std::vector<int32_t> ids{one.token};
    result.push_back({{"text", model.tokenizer->decode(ids)}, {"probability", std::exp(one.logprob)}});
  }
  return result;
}

void add_abstention(Json& result, const Abstention& abstention, const evidence::Evidence& evidence) {
  const double confidence = abstention.calibration.confidence(evidence);
  result["calibrated"] = {{"confidence", confidence},
                          {"estimator", abstention.calibration.estimator.definition()},
                          {"abstain_under", abstention.under}};
  result["abstained"] = confidence < abstention.under;
}

Json answer(const Flags& flags) {
  const Question question = read_question(flags);
  const auto model = open_model(question.model);
  model->int8_cache = flags.common.int8_cache;
  std::optional<data::FactSet> facts;
  if (!flags.facts.empty()) facts = data::read_facts(flags.facts);
  const auto style = style_from(flags.prompt, *model, facts ? &*facts : nullptr, flags.seed);
  std::vector<generate::Request> requests{request_from(flags, style, question)};
  // The same question without the passage, in the same passes.
  if (!question.passage.empty()) requests.push_back(evidence::without_passage(requests[0]));
  std::vector<evidence::EstimatorSpec> scores, wanted;
  for (const auto& name : flags.confidence) scores.push_back(evidence::estimator_from(name));
  const auto abstention = abstention_from(flags.abstain, *model);
  wanted = scores;
  if (abstention) wanted.push_back(abstention->calibration.estimator);
  const auto compute = nn::compute_from(flags.common.compute);
  data::Fact fact;
  fact.question = question.text;
  std::vector<evidence::Question> asked;
  const auto shown = facts ? evidence::with_examples(style, *facts, flags.seed) : style;
  for (const auto& request : requests) asked.push_back({request, shown, fact});
  const auto found =
      evidence::gather(*model, asked, wanted, {compute, flags.seed, 0, {.alternatives = flags.alternatives}});
  const generate::Generated& given = found[0].greedy;
  Json result{{"question", question.text}, {"answer", given.text}, {"probability", std::exp(given.logprob())}};
  if (abstention) add_abstention(result, *abstention, found[0]);
  if (!given.alternatives.empty()) result["alternatives"] = alternatives(*model, given.alternatives[0]);
  if (!question.passage.empty())
    add_source(result, evidence::trace(*model, requests[0], given, found[1].greedy, question.passage, compute));
  for (size_t i = 0; i < scores.size(); ++i)
    result["confidence"][flags.confidence[i]] = {{"score", scores[i].score(found[0])},
                                                 {"direction", scores[i].entry->card.direction}};
  result["prompt"] = {{"form", style.form()}, {"label", style.label()}};
  result["finish"] = given.finish;
  result["compute"] = flags.common.compute;
  result["seed"] = flags.seed;
  return result;
}

void run(const Flags& flags) {
  apply(flags.common);
  const Json result = answer(flags);
  if (flags.common.json) return print(dumped(result) + "\n");
  const bool abstained = result.value("abstained", false);
  std::string text = abstained
                         ? fmt::format("I don't know (it would have said: {})", result.at("answer").get<std::string>())
                         : result.at("answer").get<std::string>();
  text += fmt::format("\n  probability {:.2f}", result.at("probability").get<double>());
  if (result.contains("calibrated"))
    text += fmt::format(", chance of being right {:.2f}", result.at("calibrated").at("confidence").get<double>());
  if (result.contains("source"))
    text += fmt::format(", from {} (closed book: {})", result.at("source").get<std::string>(),
                        result.at("closed_book_answer").get<std::string>());
  const Json confidence = result.value("confidence", Json::object());
  for (const auto& [name, score] : confidence.items())
    text += fmt::format("\n  {} {:.3f} ({})", name, score.at("score").get<double>(),
                        score.at("direction").get<std::string>());
  if (result.contains("alternatives")) {
    text += "\n  it could have begun:";
    for (const Json& one : result.at("alternatives"))
      text += fmt::format(" {} {:.2f}", one.at("text").get<std::string>(), one.at("probability").get<double>());
  }
  print(text + "\n");
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("QUESTION", flags.words, "the question; a model before it is the model that is asked")
      ->required()
      ->expected(1, 2)
      ->type_name("[MODEL] TEXT");
  app.add_option("-m,--model", flags.model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  auto* file = app.add_option("--context", flags.context_file, "a text file with the passage to read; - is stdin");
  app.add_option("--context-text", flags.context_text, "the passage itself")->excludes(file);
  app.add_option("--instruction", flags.instruction,
                 "words between passage and question, such as 'use only the context'");
  app.add_option("--facts", flags.facts, "where worked examples are drawn from (ken study --help)");
  app.add_option("--control", flags.controls, "NAME[:key=value,...], any number of times (ken methods --family steer)");
  app.add_option("--confidence", flags.confidence,
                 "NAME[:key=value,...], any number of times (ken methods --family confidence)");
  add_abstain_flags(app, flags.abstain);
  app.add_option("--alternatives", flags.alternatives, "show this many tokens that the answer could have begun with")
      ->check(CLI::Range(0, 1000));
  app.add_option("--seed", flags.seed, "of sampled evidence and of the examples")->capture_default_str();
  add_number(app, "--max-tokens", flags.max_tokens, "longest answer", 1, 100000);
  add_prompt_flags(app, flags.prompt);
  add_common(app, flags.common, "fast");
  add_cache(app, flags.common);
}

const Register<Command> entry{command(
    "ask", 20, add, run, "Ask one question; the answer comes with its probability and, beside a passage, its source.",
    "ken ask --context-text \"the birthplace of Ada Lovelace is Turin .\" \"where was Ada Lovelace born ?\"")};

}  // namespace
}  // namespace ken::cli::ask_file
