// ken confidence gather | score: evidence for every estimator asked for, once; scores from it, then or later.
#include "ken/study/confidence.h"

#include "ken/cli/command.h"
#include "ken/cli/prompt_flags.h"
#include "ken/io/records.h"

namespace ken::cli::confidence_file {
namespace {

struct Flags {
  Common common;
  PromptFlags prompt;
  std::string model, facts, saved, out = "confidence";
  std::vector<std::string> estimators;
  uint64_t seed = 0;
  size_t limit = 0, timed = 0;
  bool passages = false;
};

std::vector<evidence::EstimatorSpec> estimators_from(const Flags& flags) {
  std::vector<evidence::EstimatorSpec> result;
  for (const auto& text : flags.estimators) result.push_back(evidence::estimator_from(text));
  return result;
}

std::string cell(const Json& number) {
  const Json& value = number.at("value");
  return value.is_null() ? "     -" : fmt::format("{:6.3f}", value.get<double>());
}

// The estimators by falling AUROC.
std::string table(const Json& summary, const Json& prices) {
  std::vector<const Json*> order;
  for (const Json& one : summary.at("estimators")) order.push_back(&one);
  const auto area = [](const Json* one) {
    const Json& value = one->at("auroc").at("value");
    return value.is_null() ? -1.0 : value.get<double>();
  };
  std::stable_sort(order.begin(), order.end(), [&](const Json* a, const Json* b) { return area(a) > area(b); });
  std::string text =
      fmt::format("accuracy {} over {} questions\n{:<24} {:>6} {:>6} {:>6} {:>6} {:>6}{}\n",
                  cell(summary.at("accuracy")), summary.at("accuracy").at("n").get<int64_t>(), "estimator", "AUROC",
                  "PRR", "AURC", "ECE", "Brier", prices.is_null() ? "" : "  ms alone");
  for (const Json* one : order) {
    text += fmt::format("{:<24} {} {} {}", one->at("id").get<std::string>(), cell(one->at("auroc")),
                        cell(one->at("prr")), cell(one->at("aurc")));
    const Json& calibrated = one->at("calibrated");
    text += calibrated.is_null() ? "      -      -"
                                 : " " + cell(calibrated.at("ece_debiased")) + " " + cell(calibrated.at("brier"));
    if (!prices.is_null())
      text += fmt::format("  {:8.1f}", prices.at("alone").at(one->at("definition").get<std::string>()).get<double>());
    text += "\n";
  }
  text += "ECE (debiased) and Brier score after isotonic calibration on other groups\n";
  if (!prices.is_null())
    text += fmt::format("all together: {:.1f} ms a question\n", prices.at("together").get<double>());
  return text;
}

void gather(const Flags& flags) {
  apply(flags.common);
  const auto model = open_model(flags.model);
  data::FactSet facts = open_facts(*model, flags.facts);
  const auto style = style_from(flags.prompt, *model, &facts, flags.seed);
  if (flags.limit > 0) facts = data::draw_facts(std::move(facts), flags.limit, flags.seed);
  study::ConfidenceOptions options{.out = flags.out,
                                   .compute = nn::compute_from(flags.common.compute),
                                   .seed = flags.seed,
                                   .estimators = estimators_from(flags),
                                   .passages = flags.passages,
                                   .timed = flags.timed,
                                   .progress = printer()};
  const auto result = study::run_confidence(*model, facts, style, options);
  if (result.resumed) say(fmt::format("{} of {} rows were there already\n", result.resumed, result.rows.size()));
  if (flags.common.json) return print(io::jsonl_line(result.summary));
  print(table(result.summary, result.times.value("ms_a_question", Json())) +
        fmt::format("{}/rows.jsonl holds the evidence; ken confidence score reads it again\n", flags.out));
}

void score(const Flags& flags) {
  auto rows = study::read_confidence_rows(flags.saved);
  const auto estimators = estimators_from(flags);
  study::score_rows(rows, estimators);
  const Json summary = study::summarize_confidence(rows, estimators, flags.seed);
  if (!flags.common.json) return print(table(summary, Json()));
  for (const Json& row : rows)
    print(io::jsonl_line({{"id", row.at("id")}, {"right", row.at("right")}, {"scores", row.at("scores")}}));
  print(io::jsonl_line(summary));
}

void add(CLI::App& app) {
  app.require_subcommand(1);
  const auto flags = std::make_shared<Flags>();
  const auto shared = [&](CLI::App& sub) {
    sub.add_option("-e,--estimator", flags->estimators,
                   "NAME[:key=value,...], any number of times (ken methods --family confidence)");
    sub.add_option("--seed", flags->seed, "of samples, folds and bootstrap")->capture_default_str();
    add_common(sub, flags->common, "fast");
  };
  auto* gathering = app.add_subcommand("gather", "ask a model, keep the evidence, score it");
  gathering->add_option("MODEL", flags->model,
                        "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  gathering->add_option("--facts", flags->facts, "questions with answers; without it, the model's own world");
  gathering->add_option("--limit", flags->limit, "ask this many of the facts, drawn by --seed; 0 = all");
  gathering->add_flag("--passages", flags->passages, "ask beside the facts' passages instead of closed book");
  gathering->add_option("--timed", flags->timed,
                        "ask this many questions again for each estimator alone, for its price");
  gathering
      ->add_option("-o,--out", flags->out,
                   "folder for rows.jsonl, confidence.json and run.json; an unfinished run goes on there")
      ->capture_default_str();
  add_prompt_flags(*gathering, flags->prompt);
  shared(*gathering);
  gathering->callback([flags] { gather(*flags); });
  auto* scoring = app.add_subcommand("score", "score saved evidence again, without a model");
  scoring->add_option("SAVED", flags->saved, "rows.jsonl of ken confidence gather")->required();
  shared(*scoring);
  scoring->callback([flags] {
    if (flags->estimators.empty()) fail_usage("confidence", "name the estimators to score with, by --estimator");
    score(*flags);
  });
}

const Register<Command> entry{command("confidence", 21, add,
                                      "Ask with every estimator of confidence at once, and see what each is worth.",
                                      "ken confidence gather --limit 200 -o confidence")};

}  // namespace
}  // namespace ken::cli::confidence_file
