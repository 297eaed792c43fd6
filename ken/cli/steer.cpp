// ken steer ID: fits what a control applies. ken steer sweep: a control's effect curve with its side effects.
#include "ken/cli/analysis.h"
#include "ken/cli/prompt_flags.h"
#include "ken/study/levers.h"

namespace ken::cli::steer_file {
namespace {

struct Flags {
  Common common;
  PromptFlags prompt;
  std::string control, over, model, facts, out;
  uint64_t seed = 0;
  size_t items = 200;
};

// "alpha=-1,0,2" as a parameter with its values.
study::StudyLever lever_of(const Flags& flags) {
  const NamedParams named = parse_named_params(flags.control);
  study::StudyLever lever{named.name, named.params};
  const size_t equals = flags.over.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == flags.over.size())
    fail_usage("steer sweep", "OVER is '{}'; give a parameter with its values, such as alpha=-1,0,1", flags.over);
  lever.parameter = flags.over.substr(0, equals);
  for (size_t begin = equals + 1; begin <= flags.over.size();) {
    const size_t end = std::min(flags.over.find(',', begin), flags.over.size());
    const std::string value = flags.over.substr(begin, end - begin);
    const Json number = Json::parse(value, nullptr, false);
    lever.values.push_back(number.is_discarded() ? Json(value) : number);
    begin = end + 1;
  }
  return lever;
}

void sweep(const Flags& flags) {
  apply(flags.common);
  const auto model = open_model(flags.model);
  const auto settings = study::lever_settings(lever_of(flags));
  const auto facts = open_facts(*model, flags.facts);
  const auto style = style_from(flags.prompt, *model, &facts, flags.seed);
  study::LeverInput input{*model, facts, style, flags.seed, nn::compute_from(flags.common.compute)};
  const auto items = study::lever_items(facts, style, flags.seed, flags.items);
  const auto memory = study::memory_of(input, items);
  std::vector<Json> rows;
  const Progress progress = printer();
  for (size_t i = 0; i < settings.size(); ++i) {
    for (Json& row : study::lever_rows(input, items, settings[i], memory)) rows.push_back(std::move(row));
    progress("sweep", i + 1, settings.size(), settings[i].setting);
  }
  std::vector<const Json*> all;
  for (const Json& row : rows) all.push_back(&row);
  const Json lever = study::lever_section(all).at(0);
  if (!flags.out.empty()) {
    std::string lines;
    for (const Json& row : rows) lines += dumped(row) + "\n";
    write_text(fs::path(flags.out) / "rows.jsonl", lines);
    write_text(fs::path(flags.out) / "sweep.json", lever.dump(1) + "\n");
    write_text(fs::path(flags.out) / "sweep.html", study::sweep_html(lever, model->config.name, facts.name));
    say(fmt::format("{}/sweep.html shows the curve\n", flags.out));
  }
  print(flags.common.json ? lever.dump() + "\n" : study::lever_text(lever));
}

void add_sweep(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("CONTROL", flags->control, "NAME[:key=value,...] (ken methods --family steer)")->required();
  app.add_option("OVER", flags->over, "the parameter and its values, such as alpha=-1,0,1,2")->required();
  app.add_option("-m,--model", flags->model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  app.add_option("--facts", flags->facts, "questions beside passages; without it, the model's own world");
  app.add_option("--items", flags->items, "conflicts at most; half as many of everything else")->capture_default_str();
  app.add_option("-o,--out", flags->out, "folder for rows.jsonl, sweep.json and sweep.html, which draws the curve");
  app.add_option("--seed", flags->seed, "of the texts and worked examples")->capture_default_str();
  add_prompt_flags(app, flags->prompt);
  add_common(app, flags->common, "f32");
  app.footer("Example:\n  ken steer sweep cad alpha=-1,0,1,4 -o sweep");
  app.callback([flags] { sweep(*flags); });
}

const Register<Command> entry{
    {.card = {.id = "steer",
              .family = "cli",
              .sentence = "Fit a control's file, or draw what a control moves and what it breaks (steer sweep).",
              .example = "ken steer sweep cad alpha=-1,0,1,4"},
     .order = 42,
     .add = [](CLI::App& app) {
       add_analysis(app, "steer");
       add_sweep(*app.add_subcommand("sweep", "Draw what a control moves and what it breaks, over one parameter."));
     }}};

}  // namespace
}  // namespace ken::cli::steer_file
