#include "ken/study/study.h"

#include "ken/cli/abstain_flags.h"
#include "ken/cli/prompt_flags.h"

namespace ken::cli::study_file {
namespace {

struct Flags {
  Common common;
  PromptFlags prompt;
  AbstainFlags abstain;
  std::string model, facts, out = "study";
  uint64_t seed = 0;
  int64_t samples = 10;
  size_t limit = 0;
  std::vector<std::string> controls;
};

std::string known_shapes() {
  std::string text = "Records that --facts reads, one a line, as a JSON array, CSV or TSV:\n";
  for (const auto& shape : data::fact_shapes()) text += fmt::format("  {}\n    {}\n", shape.name, shape.example);
  return text;
}

void run(const Flags& flags) {
  apply(flags.common);
  const auto model = open_model(flags.model);
  data::FactSet facts = open_facts(*model, flags.facts);
  const data::PromptStyle style = style_from(flags.prompt, *model, &facts, flags.seed);
  if (flags.limit > 0) facts = data::draw_facts(std::move(facts), flags.limit, flags.seed);
  study::StudyOptions options{.out = flags.out,
                              .seed = flags.seed,
                              .compute = nn::compute_from(flags.common.compute),
                              .samples = flags.samples,
                              .progress = printer()};
  for (const auto& text : flags.controls) {
    const NamedParams named = parse_named_params(text);
    options.levers.push_back({named.name, named.params});
    generate::control_from(named.name, named.params);  // a mistake is told before anything is asked
  }
  if (const auto abstention = abstention_from(flags.abstain, *model)) {
    options.calibration = std::make_shared<const evidence::Calibration>(abstention->calibration);
    options.abstain_under = abstention->under;
  }
  say(fmt::format("studying {}: {} facts, {} passages, {}; seed {}, compute {}, {} threads\n", model->config.name,
                  facts.facts.size(), facts.contexts.size(), style.label(), flags.seed, flags.common.compute,
                  at::get_num_threads()));
  const auto result = study::run_study(*model, facts, style, options);
  if (result.resumed) say(fmt::format("{} of {} rows were there already\n", result.resumed, result.questions));
  if (flags.common.json) return print(result.study.dump() + "\n");
  std::string text = fmt::format("{} rows; {}/report.html shows them\n", result.questions, flags.out);
  for (const Json& finding : result.study.at("findings")) {
    text += "- " + finding.at("text").get<std::string>() + "\n";
    if (!finding.at("advice").get<std::string>().empty())
      text += "    " + finding.at("advice").get<std::string>() + "\n";
  }
  print(text);
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model,
                 "a GGUF file or Hugging Face folder; without it, the almanac's organism inside the program");
  app.add_option(
      "--facts", flags.facts,
      "questions with answers: JSONL, JSON, CSV or TSV, such as PopQA's, CounterFact's and NQ-Swap's as they "
      "are (shapes below); without it, the model's own world");
  app.add_option("--limit", flags.limit, "ask this many of the facts, drawn by --seed; 0 = all")->capture_default_str();
  app.add_option("-o,--out", flags.out,
                 "folder for study.json, rows.jsonl, run.json and report.html; an unfinished study goes on there")
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "of sampling, folds and bootstrap")->capture_default_str();
  add_number(app, "--samples", flags.samples, "answers sampled a question, for semantic entropy", 2, 100);
  app.add_option("--control", flags.controls,
                 "NAME[:key=value,...]: show what this control moves and breaks; again for another");
  add_abstain_flags(app, flags.abstain);
  add_prompt_flags(app, flags.prompt);
  add_common(app, flags.common, "fast");
  app.footer(known_shapes() + "\n" + app.get_footer());
}

const Register<Command> entry{command("study", 10, add, run,
                                      "Ask a model everything in a fact set and write a report: what it "
                                      "knows, how sure it is, context or memory.",
                                      "ken study -o report")};

}  // namespace
}  // namespace ken::cli::study_file
