// ken calibrate: from a score to a probability of being right, with a promise about errors, kept in a file.
#include "ken/cli/command.h"
#include "ken/cli/prompt_flags.h"
#include "ken/study/confidence.h"

namespace ken::cli::calibrate_file {
namespace {

struct Flags {
  Common common;
  PromptFlags prompt;
  std::string model, facts, saved, out = "calibration.json", estimator = "sequence-probability", method = "isotonic";
  double risk = 0.05, delta = 0.05;
  uint64_t seed = 0;
  size_t limit = 0;
};

// Rows of an earlier run, or of one made here, beside the calibration's file.
std::vector<Json> rows_for(const Flags& flags, const model::Model& model, const evidence::EstimatorSpec& estimator) {
  if (!flags.saved.empty()) {
    auto rows = study::read_confidence_rows(flags.saved);
    study::score_rows(rows, {estimator});
    return rows;
  }
  data::FactSet facts = open_facts(model, flags.facts);
  const auto style = style_from(flags.prompt, model, &facts, flags.seed);
  if (flags.limit > 0) facts = data::draw_facts(std::move(facts), flags.limit, flags.seed);
  const study::ConfidenceOptions options{.out = flags.out + ".rows",
                                         .compute = nn::compute_from(flags.common.compute),
                                         .seed = flags.seed,
                                         .estimators = {estimator},
                                         .progress = printer()};
  return study::run_confidence(model, facts, style, options).rows;
}

std::string describe(const evidence::Calibration& c, const std::string& file) {
  const Json& about = c.about;
  const auto value = [](const Json& number) { return number.at("value").get<double>(); };
  std::string text = fmt::format("{} -> {}, fitted on {} answers, judged on {} of other groups\n",
                                 c.estimator.definition(), c.calibrator.to_json().at("kind").get<std::string>(),
                                 about.at("fitted_on").get<int64_t>(), about.at("judged_on").get<int64_t>());
  text += fmt::format("  {:<28} {:>10} {:>10}\n", "", "raw", "calibrated");
  for (const char* figure : {"ece", "ece_debiased", "brier", "nll"})
    text += fmt::format("  {:<28} {:>10} {:>10.4f}\n", figure,
                        about.contains("raw") ? fmt::format("{:.4f}", value(about.at("raw").at(figure))) : "-",
                        value(about.at("calibrated").at(figure)));
  if (about.contains("mean_confidence_never_seen"))
    text +=
        fmt::format("  mean confidence on facts never seen: {:.3f}\n", value(about.at("mean_confidence_never_seen")));
  if (std::isnan(c.promised)) {
    text += fmt::format("  nothing can be promised at an error of {}: abstain always, or calibrate on more facts\n",
                        c.risk);
  } else {
    const Json& promise = about.at("promise");
    text += fmt::format(
        "  abstain under {:.3f}: at most {:.0f} % of the answers wrong, with probability {:.2f}; "
        "on the others {:.1f} % wrong, {:.0f} % answered\n",
        c.promised, 100 * c.risk, 1 - c.delta, 100 * value(promise.at("error")), 100 * value(promise.at("coverage")));
  }
  return text + fmt::format("{}: use it with --calibration {} --abstain-under promised\n", file, file);
}

void run(const Flags& flags) {
  apply(flags.common);
  const auto estimator = evidence::estimator_from(flags.estimator);
  const auto model = open_model(flags.model);
  const auto rows = rows_for(flags, *model, estimator);
  auto calibration = study::calibrate_rows(rows, estimator, flags.method, flags.risk, flags.delta, flags.seed);
  calibration.model_sha256 = model->sha256();
  evidence::save(calibration, flags.out);
  print(flags.common.json ? calibration.about.dump() + "\n" : describe(calibration, flags.out));
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  app.add_option(
      "--facts", flags.facts,
      "questions with answers, some of which the model knows and some not; without it, the model's own world");
  app.add_option("--from", flags.saved, "rows.jsonl of ken confidence gather, instead of asking again");
  app.add_option("-e,--estimator", flags.estimator, "NAME[:key=value,...] (ken methods --family confidence)")
      ->capture_default_str();
  app.add_option("--method", flags.method, "how a score becomes a probability")
      ->capture_default_str()
      ->check(CLI::IsMember(stats::calibrator_kinds));
  add_number(app, "--risk", flags.risk, "share of wrong answers that is promised not to be passed", 1e-6, 0.999);
  add_number(app, "--delta", flags.delta, "probability with which the promise may fail", 1e-6, 0.999);
  app.add_option("--limit", flags.limit, "ask this many of the facts, drawn by --seed; 0 = all");
  app.add_option("--seed", flags.seed, "of the split and of samples")->capture_default_str();
  app.add_option("-o,--out", flags.out, "the calibration; the rows lie beside it, in OUT.rows")->capture_default_str();
  add_prompt_flags(app, flags.prompt);
  add_common(app, flags.common, "fast");
}

const Register<Command> entry{command(
    "calibrate", 22, add, run, "Fit a confidence to a model on facts: honest probabilities, and from where to abstain.",
    "ken calibrate --limit 1000 -o calibration.json")};

}  // namespace
}  // namespace ken::cli::calibrate_file
