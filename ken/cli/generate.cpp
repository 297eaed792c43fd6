#include "ken/generate/generate.h"

#include "ken/cli/abstain_flags.h"
#include "ken/cli/prompt_flags.h"

namespace ken::cli::generate_file {
namespace {

struct Flags {
  Common common;
  AbstainFlags abstain;
  std::string model, prompt, without, form = "plain", system;
  std::vector<std::string> controls, stop;
  generate::Sampling sampling;
  int64_t max_tokens = 64, samples = 1;
};

// The likeliest text with its chance of being right, or word that it is not sure enough.
void run_calibrated(const Flags& flags, const model::Model& model, const generate::Request& request,
                    const data::PromptStyle& style) {
  if (flags.samples != 1 || flags.sampling.temperature > 0)
    fail_usage("generate", "--calibration judges the likeliest text; leave out --samples and --temperature");
  const auto abstention = abstention_from(flags.abstain, model);
  data::Fact fact;
  fact.question = flags.prompt;
  const auto found = evidence::gather(model, std::vector<evidence::Question>{{request, style, fact}},
                                      {abstention->calibration.estimator},
                                      {nn::compute_from(flags.common.compute), flags.sampling.seed, 0})[0];
  const double confidence = abstention->calibration.confidence(found);
  const bool abstained = confidence < abstention->under;
  if (!flags.common.json)
    return print(abstained ? fmt::format("I don't know (chance of being right {:.2f})\n", confidence)
                           : fmt::format("{}\n", found.greedy.text));
  const Json line{{"text", found.greedy.text},         {"tokens", found.greedy.tokens},
                  {"logprobs", found.greedy.logprobs}, {"finish", found.greedy.finish},
                  {"confidence", confidence},          {"abstained", abstained},
                  {"seed", flags.sampling.seed},       {"compute", flags.common.compute}};
  print(dumped(line) + "\n");
}

void run(const Flags& flags) {
  apply(flags.common);
  const auto model = open_model(flags.model);
  model->int8_cache = flags.common.int8_cache;
  data::PromptStyle style;
  generate::Request request{.prompt = {flags.prompt, flags.without},
                            .sampling = flags.sampling,
                            .max_tokens = flags.max_tokens,
                            .samples = flags.samples,
                            .stop = flags.stop};
  if (flags.form == "chat") {
    style = data::chat_style(std::make_shared<const data::Chat>(model->metadata, model->tokenizer), flags.system);
    const auto stops = style.chat->stops();
    request.prompt = {data::ask(style, flags.prompt), flags.without.empty() ? "" : data::ask(style, flags.without),
                      style.tokens()};
    request.ends = style.chat->ends();
    request.stop.insert(request.stop.end(), stops.begin(), stops.end());
  } else if (!flags.system.empty()) {
    fail_usage("generate", "a system message needs a chat; give --prompt chat");
  }
  for (const auto& control : flags.controls) request.controls.push_back(generate::control_from(control));
  if (!flags.abstain.calibration.empty()) return run_calibrated(flags, *model, request, style);
  const bool stream = !flags.common.json && flags.samples == 1;
  if (stream) request.on_text = [](const generate::Piece& piece) { print(piece.text); };
  generate::GenerateOptions options;
  options.compute = nn::compute_from(flags.common.compute);
  const auto results = generate::generate(*model, {request}, options)[0];
  if (stream) return print("\n");
  for (const auto& result : results) {
    Json line{{"text", result.text},     {"tokens", result.tokens},     {"logprobs", result.logprobs},
              {"finish", result.finish}, {"seed", flags.sampling.seed}, {"compute", flags.common.compute}};
    for (const auto& [name, values] : result.notes) line["notes"][name] = values;  // NaN is written as null
    print((flags.common.json ? dumped(line) : result.text) + "\n");
  }
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("PROMPT", flags.prompt, "the text to continue")->required();
  app.add_option("-m,--model", flags.model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  add_number(app, "-n,--samples", flags.samples, "how many continuations; they share the prompt's pass", 1, 65535);
  add_number(app, "--max-tokens", flags.max_tokens, "longest continuation", 1, 1000000);
  app.add_option("--temperature", flags.sampling.temperature, "0 = the likeliest token")->capture_default_str();
  app.add_option("--top-k", flags.sampling.top_k, "keep the k likeliest; 0 = all")->capture_default_str();
  app.add_option("--top-p", flags.sampling.top_p, "keep the likeliest that together reach p")->capture_default_str();
  app.add_option("--min-p", flags.sampling.min_p, "keep tokens with at least this share of the largest probability")
      ->capture_default_str();
  app.add_option("--seed", flags.sampling.seed, "of the noise")->capture_default_str();
  app.add_option("--stop", flags.stop, "end before this text; any number of times");
  app.add_option("--control", flags.controls, "NAME[:key=value,...], any number of times");
  app.add_option("--without-context", flags.without,
                 "the same prompt without its passage, for controls that compare the two");
  app.add_option("--prompt", flags.form,
                 "plain: the text as it stands; chat: as a message, through the model's template")
      ->capture_default_str()
      ->check(CLI::IsMember({"plain", "chat"}));
  app.add_option("--system", flags.system, "the system message of a chat");
  add_abstain_flags(app, flags.abstain);
  add_common(app, flags.common, "fast");
  add_cache(app, flags.common);
}

const Register<Command> entry{
    command("generate", 30, add, run, "Continue a text.", "ken generate --temperature 0.8 --seed 1 -n 3 \"Q: where\"")};

}  // namespace
}  // namespace ken::cli::generate_file
