// ken ask: one question, with or without a passage; the answer with its probability and, beside a passage, its source.
#include "ken/cli/command.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/evidence.h"

namespace ken::cli {
namespace {

struct Flags {
  Common common;
  std::string model, question, context_file, context_text, instruction;
  std::vector<std::string> controls, confidence;
  uint64_t seed = 0;
  int64_t max_tokens = 32;
};

// "context", "memory", "both" or "neither": which of the passage and the closed-book answer the answer agrees with.
std::string source_of(const std::string& answer, const std::string& alone, const std::string& context) {
  const bool memory = data::same_answer(answer, {alone}),
             passage = !answer.empty() && data::contains_answer(context, {answer});
  return memory && passage ? "both" : passage ? "context" : memory ? "memory" : "neither";
}

Json answer(const Flags& flags) {
  if (flags.question.empty()) fail_usage("ask", "the question is empty");
  const auto model = open_model(flags.model);
  const auto style = data::prompt_style(model->metadata);
  const std::string context = flags.context_file.empty() ? flags.context_text : read_text(flags.context_file, 1 << 24);
  generate::Request request;
  const std::string alone = data::ask(style, flags.question);
  request.prompt =
      context.empty()
          ? generate::Prompt{alone, ""}
          : generate::Prompt{data::ask_with_context(style, context, flags.instruction, flags.question), alone};
  request.stop = style.stop;
  request.max_tokens = flags.max_tokens;
  for (const auto& control : flags.controls) request.controls.push_back(generate::control_from(control));
  evidence::Needs needs{.greedy = true};
  std::vector<evidence::EstimatorSpec> scores;
  for (const auto& name : flags.confidence) {
    scores.push_back(evidence::estimator_from(name));
    needs = needs | scores.back().entry->needs(scores.back().params);
  }
  const auto compute = nn::compute_from(flags.common.compute);
  const auto found = evidence::gather(*model, {request}, needs, {compute, flags.seed, 0})[0];
  Json result{
      {"question", flags.question}, {"answer", found.greedy.text}, {"probability", std::exp(found.greedy.logprob())}};
  if (!context.empty()) {
    generate::Request closed = request;
    closed.prompt = {alone, ""};
    closed.controls.clear();
    const auto memory = evidence::greedy_answers(*model, {closed}, compute)[0];
    result["source"] = source_of(found.greedy.text, memory.text, context);
    result["closed_book_answer"] = memory.text;
  }
  for (size_t i = 0; i < scores.size(); ++i)
    result["confidence"][flags.confidence[i]] = {{"score", scores[i].score(found)},
                                                 {"direction", scores[i].entry->card.direction}};
  result["compute"] = flags.common.compute;
  result["seed"] = flags.seed;
  return result;
}

void run(const Flags& flags) {
  apply(flags.common);
  const Json result = answer(flags);
  if (flags.common.json) return print(result.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  std::string text = fmt::format("{}\n  probability {:.2f}", result.at("answer").get<std::string>(),
                                 result.at("probability").get<double>());
  if (result.contains("source"))
    text += fmt::format(", from {} (closed book: {})", result.at("source").get<std::string>(),
                        result.at("closed_book_answer").get<std::string>());
  const Json confidence = result.value("confidence", Json::object());
  for (const auto& [name, score] : confidence.items())
    text += fmt::format("\n  {} {:.3f} ({})", name, score.at("score").get<double>(),
                        score.at("direction").get<std::string>());
  print(text + "\n");
}

void add(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("QUESTION", flags->question, "the question")->required();
  app.add_option("-m,--model", flags->model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  auto* file = app.add_option("--context", flags->context_file, "a text file with the passage to read");
  app.add_option("--context-text", flags->context_text, "the passage itself")->excludes(file);
  app.add_option("--instruction", flags->instruction,
                 "words between passage and question, such as 'use only the context'");
  app.add_option("--control", flags->controls,
                 "NAME[:key=value,...], any number of times (ken methods --family steer)");
  app.add_option("--confidence", flags->confidence,
                 "NAME[:key=value,...], any number of times (ken methods --family confidence)");
  app.add_option("--seed", flags->seed, "of sampled evidence")->capture_default_str();
  app.add_option("--max-tokens", flags->max_tokens, "longest answer")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  add_common(app, flags->common, "fast");
  app.callback([flags] { run(*flags); });
}

const Register<Command> entry{
    {.card =
         {.id = "ask",
          .family = "cli",
          .sentence = "Ask one question; the answer comes with its probability and, beside a passage, its source.",
          .example =
              "ken ask --context-text \"the birthplace of Ada Lovelace is Turin .\" \"where was Ada Lovelace born ?\""},
     .order = 20,
     .add = add}};

}  // namespace
}  // namespace ken::cli
