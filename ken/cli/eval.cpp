// ken eval: a benchmark's file, asked and scored; results in the form of lm-evaluation-harness.
#include "ken/study/eval.h"

#include "ken/cli/command.h"
#include "ken/cli/prompt_flags.h"

namespace ken::cli::eval_file {
namespace {

struct Flags {
  Common common;
  PromptFlags prompt;
  std::string task, model, file, out = "eval";
  std::vector<std::string> controls;
  size_t limit = 0;
  std::optional<size_t> fewshot;
  uint64_t seed = 0;
  CLI::Option* seeded = nullptr;
};

std::string table(const std::string& task, const Json& results) {
  const Json& own = results.at("results").at(task);
  const Json& counts = results.at("n-samples").at(task);
  std::string text = fmt::format("{}: {} of {} items, {} worked examples, {}\n", task, counts.at("effective").dump(),
                                 counts.at("original").dump(), results.at("n-shot").at(task).dump(),
                                 results.at("config").at("prompt").at("label").get<std::string>());
  for (const Json& metric : results.at("configs").at(task).at("metric_list")) {
    const std::string name = metric.at("metric").get<std::string>();
    const Json& error = own.at(name + "_stderr,none");
    text += fmt::format("  {:<14} {:>8.4f}", name, own.at(name + ",none").get<double>());
    if (error.is_number()) text += fmt::format(" ± {:.4f}", error.get<double>());
    text += fmt::format("   {}\n", metric.at("meaning").get<std::string>());
  }
  return text;
}

void run(const Flags& flags) {
  apply(flags.common);
  const NamedParams named = parse_named_params(flags.task);
  const auto& task = Registry<tasks::TaskEntry>::get().at("task", named.name);
  if (!fs::is_regular_file(flags.file))
    fail_usage("eval", "{} is no file; {} reads {}", flags.file, task.card.id, task.file);
  study::EvalOptions options{.out = flags.out,
                             .compute = nn::compute_from(flags.common.compute),
                             .limit = flags.limit,
                             .fewshot = flags.fewshot,
                             .prompt = choice_from(flags.prompt, 0),
                             .progress = printer()};
  if (flags.seeded->count() > 0) options.seed = flags.seed;
  for (const auto& control : flags.controls) options.controls.push_back(generate::control_from(control));
  const auto model = open_model(flags.model);
  say(fmt::format("{} on {}: compute {}, {} threads\n", task.card.id, model->config.name, flags.common.compute,
                  at::get_num_threads()));
  const auto result = study::evaluate(*model, task, named.params, flags.file, options);
  if (result.resumed) say(fmt::format("{} of {} items were there already\n", result.resumed, result.items));
  if (flags.common.json) return print(dumped(result.results) + "\n");
  print(table(task.card.id, result.results) +
        fmt::format("{}/results.json, {}/samples_{}.jsonl\n", flags.out, flags.out, task.card.id));
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("TASK", flags.task, "NAME[:key=value,...] of a benchmark (ken methods --family tasks)")->required();
  app.add_option("MODEL", flags.model,
                 "a GGUF file or Hugging Face folder; without it, the almanac's organism inside the program");
  app.add_option("--file", flags.file, "the benchmark's records, as they are published")->required();
  app.add_option("-o,--out", flags.out,
                 "folder for results.json and samples_TASK.jsonl; an unfinished run goes on there")
      ->capture_default_str();
  app.add_option("--limit", flags.limit, "score the first N items only; 0 = all")->capture_default_str();
  app.add_option(
         "--fewshot", flags.fewshot,
         "show the first N items as worked examples, and do not score them; without it 5 where open questions are "
         "put to a base model, else none")
      ->check(CLI::Range(0, 10000));
  flags.seeded = app.add_option("--seed", flags.seed,
                                "shuffle the items before --fewshot and --limit take theirs; without it, the file's "
                                "order");
  app.add_option("--control", flags.controls,
                 "NAME[:key=value,...] on generated answers, any number of times (ken methods --family steer)");
  add_prompt_flags(app, flags.prompt, false);
  add_common(app, flags.common, "fast");
}

const Register<Command> entry{command("eval", 15, add, run,
                                      "Run a benchmark on its own file and write results as "
                                      "lm-evaluation-harness does.",
                                      "ken eval jsonl --file questions.jsonl -o eval")};

}  // namespace
}  // namespace ken::cli::eval_file
