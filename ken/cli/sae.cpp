// ken sae train | eval | features | convert: sparse autoencoders of a model's activations.
#include <fmt/ranges.h>

#include <chrono>

#include "ken/cli/command.h"
#include "ken/io/records.h"
#include "ken/readout/sae.h"

namespace ken::cli::sae_file {
namespace {

constexpr int64_t parts = 10;  // one of so many texts is held out of training; eval and features read those

struct Flags {
  Common common;
  std::string model, texts, sae, out, point, kind = "batchtopk";
  readout::SaeTraining training;
  readout::SaeEvaluationOptions judged;
  int64_t width = 8, examples = 5, top = 20, checkpoint_every = 500;
  std::vector<int64_t> features;
  bool all_texts = false;
};

data::Texts texts_for(const Flags& flags, const model::Model& model) {
  data::Texts texts = open_texts(model, flags.texts);
  if (texts.empty())
    fail_usage("sae", "{} names no world to take text from; give some with --texts FILE", model.config.name);
  if (texts.count < 2 * parts)
    fail_usage("sae", "{} holds {} texts; {} are needed, because one of {} is held out", texts.name, texts.count,
               2 * parts, parts);
  return texts;
}
data::Texts held_out(const Flags& flags, const model::Model& model) {
  const data::Texts texts = texts_for(flags, model);
  return flags.all_texts ? texts : readout::only_part(texts, parts, parts - 1);
}

// A dictionary of another model may be read on purpose; it is said.
readout::Sae open_sae(const Flags& flags, const model::Model& model) {
  readout::Sae sae = readout::load_sae(flags.sae);
  if (!flags.point.empty()) sae.point = flags.point;
  if (sae.point.empty()) fail_usage("sae", "{} does not say which point it reads; give --point", flags.sae);
  if (!sae.model_sha256.empty() && !model.sha256().empty() && sae.model_sha256 != model.sha256())
    say(fmt::format("ken: {} was trained on another model ({})\n", flags.sae, sae.model_name));
  return sae;
}

void train(Flags& flags) {
  apply(flags.common);
  const auto model = open_model(flags.model);
  readout::StreamOptions options;
  options.point =
      flags.point.empty() ? fmt::format("blocks.{}.hook_resid_post", model->config.n_layers / 2) : flags.point;
  options.seed = flags.training.seed;
  options.compute = nn::compute_from(flags.common.compute);
  flags.training.compute = options.compute;
  flags.training.kind = readout::sae_kind(flags.kind);
  readout::ActivationStream stream(*model, readout::without_part(texts_for(flags, *model), parts, parts - 1), options);
  flags.training.features = flags.width * stream.d();
  say(fmt::format("training a {} dictionary of {} features at {} on {} rows, seed {}\n", flags.kind,
                  flags.training.features, options.point, flags.training.tokens, options.seed));
  const auto begin = std::chrono::steady_clock::now();
  readout::Sae sae = readout::train_sae(stream, flags.training, printer(), flags.out, flags.checkpoint_every);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  sae.model_name = model->config.name;
  sae.model_sha256 = model->sha256();
  readout::save_sae(sae, flags.out);
  std::error_code ignored;
  fs::remove(fs::path(flags.out) / "checkpoint.safetensors", ignored);
  const Json line{{"sae", flags.out},
                  {"point", sae.point},
                  {"training", readout::to_json(flags.training)},
                  {"compute", flags.common.compute}};
  print(flags.common.json
            ? io::jsonl_line(line)
            : fmt::format("{}: {} features of {}, {:.0f} s\n", flags.out, sae.features(), sae.point, seconds.count()));
}

void eval(const Flags& flags) {
  apply(flags.common);
  const auto model = open_model(flags.model);
  const auto sae = open_sae(flags, *model);
  auto options = flags.judged;
  options.compute = nn::compute_from(flags.common.compute);
  options.ce_rows = std::min(options.ce_rows, options.rows);
  const Json result = readout::to_json(readout::evaluate(*model, sae, held_out(flags, *model), options, printer()));
  if (flags.common.json)
    return print(io::jsonl_line(
        {{"sae", flags.sae}, {"point", sae.point}, {"compute", flags.common.compute}, {"evaluation", result}}));
  std::string text;
  for (const auto& [name, value] : result.items()) text += fmt::format("{:<20} {:.4g}\n", name, value.get<double>());
  print(text);
}

Json json_of(const readout::FeatureUse& use) {
  Json examples = Json::array(), tokens = Json::array(), promoted = Json::array();
  for (const auto& e : use.examples)
    examples.push_back({{"value", e.value}, {"before", e.before}, {"token", e.token}, {"after", e.after}});
  for (const auto& [token, share] : use.tokens) tokens.push_back({{"token", token}, {"share", share}});
  for (const auto& [token, logit] : use.promoted) promoted.push_back({{"token", token}, {"logit", logit}});
  return {{"feature", use.feature}, {"density", use.density}, {"mean", use.mean},
          {"tokens", tokens},       {"promoted", promoted},   {"examples", examples}};
}

std::string text_of(const readout::FeatureUse& use) {
  std::string text = fmt::format("feature {}: fires on {:.2f} % of rows, mean value {:.2f}\n  fires on ", use.feature,
                                 100 * use.density, use.mean);
  for (const auto& [token, share] : use.tokens) text += fmt::format(" '{}' {:.0f} %", token, 100 * share);
  text += "\n  promotes ";
  for (const auto& [token, logit] : use.promoted) text += fmt::format(" '{}'", token);
  for (const auto& e : use.examples) text += fmt::format("\n  {:7.2f} {}[{}]{}", e.value, e.before, e.token, e.after);
  return text + "\n";
}

// Without --feature: the ones that fire most evenly between never and always.
std::vector<int64_t> chosen(const Flags& flags, const model::Model& model, const readout::Sae& sae,
                            const data::Texts& texts, readout::SaeEvaluationOptions options) {
  if (!flags.features.empty()) return flags.features;
  options.ce_rows = 0;
  const auto density = readout::evaluate(model, sae, texts, options, printer()).density;
  std::vector<std::pair<double, int64_t>> order;
  for (int64_t j = 0; j < density.size(0); ++j)
    if (const double share = density[j].item<double>(); share > 0 && share <= 0.1) order.emplace_back(-share, j);
  std::sort(order.begin(), order.end());
  std::vector<int64_t> result;
  for (size_t i = 0; i < std::min(order.size(), size_t(flags.top)); ++i) result.push_back(order[i].second);
  return result;
}

void features(const Flags& flags) {
  apply(flags.common);
  const auto model = open_model(flags.model);
  const auto sae = open_sae(flags, *model);
  const auto texts = held_out(flags, *model);
  auto options = flags.judged;
  options.compute = nn::compute_from(flags.common.compute);
  const auto which = chosen(flags, *model, sae, texts, options);
  std::string text;
  for (const auto& use : readout::feature_uses(*model, sae, texts, which, flags.examples, options, printer()))
    text += flags.common.json ? io::jsonl_line(json_of(use)) : text_of(use);
  print(text);
}

void convert(const Flags& flags) {
  readout::Sae sae = readout::load_sae(flags.sae);
  if (!flags.point.empty()) sae.point = flags.point;
  if (fs::path(flags.out).extension() == ".npz")
    readout::save_sae_npz(sae, flags.out);
  else
    readout::save_sae(sae, flags.out);
  print(fmt::format("{}: {} with {} features of {} numbers\n", flags.out, readout::kind_name(sae.kind), sae.features(),
                    sae.d()));
}

void add_reading(CLI::App& app, Flags& f) {
  app.add_option("SAE", f.sae, "a SAELens folder, or a Gemma Scope .npz")->required();
  app.add_option("-m,--model", f.model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  app.add_option("--texts", f.texts,
                 "running text (records with \"text\", or plain text); without it, the model's own world");
  app.add_flag("--all-texts", f.all_texts, "read every text, not only the tenth that training leaves out");
  app.add_option("--point", f.point, "the point that it reads, where its file does not say");
  app.add_option("--rows", f.judged.rows, "rows to read")->check(CLI::PositiveNumber)->capture_default_str();
  add_common(app, f.common, "f32");
}

void add_training(CLI::App& app, const std::shared_ptr<Flags>& f) {
  auto& o = f->training;
  o.tokens = 500000;
  app.add_option("-o,--out", f->out, "folder; a killed run goes on from it")->required();
  app.add_option("-m,--model", f->model, "a GGUF file or Hugging Face folder; without it, the almanac's organism");
  app.add_option("--texts", f->texts,
                 "running text (records with \"text\", or plain text); without it, the model's own world");
  app.add_option("--point", f->point, "which point; without it, the residual stream after the middle block");
  app.add_option("--kind", f->kind, fmt::format("{}", fmt::join(readout::sae_kinds(), ", ")))->capture_default_str();
  app.add_option("--width", f->width, "features, times the point's width")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--k", o.k, "active features a row (relu: not used)")->capture_default_str();
  app.add_option("--sparsity", o.sparsity, "relu: weight of the sum of |z|; jumprelu: of (L0 / k - 1)^2")
      ->capture_default_str();
  app.add_option("--tokens", o.tokens, "rows to train on")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--batch", o.batch, "rows a step")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--lr", o.lr, "learning rate at its highest")->capture_default_str();
  app.add_option("--dead-after", o.dead_after, "rows without firing after which a feature is dead")
      ->capture_default_str();
  app.add_option("--checkpoint-every", f->checkpoint_every, "steps")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seed", o.seed, "of the texts' order and the first directions")->capture_default_str();
  add_common(app, f->common, "fast");
  app.callback([f] { train(*f); });
}

void add(CLI::App& app) {
  app.require_subcommand(1);
  add_training(*app.add_subcommand("train", "train one on running text"), std::make_shared<Flags>());
  {
    auto f = std::make_shared<Flags>();
    auto* sub = app.add_subcommand("eval", "judge one on texts that training left out");
    add_reading(*sub, *f);
    sub->add_option("--ce-rows", f->judged.ce_rows, "rows for the losses with splices; 0: none")->capture_default_str();
    sub->callback([f] { eval(*f); });
  }
  {
    auto f = std::make_shared<Flags>();
    auto* sub = app.add_subcommand("features", "where features fire, and what they promote");
    add_reading(*sub, *f);
    sub->add_option("--feature", f->features, "which; without any, the most frequent under a tenth of the rows")
        ->delimiter(',');
    sub->add_option("--top", f->top, "how many of those")->check(CLI::PositiveNumber)->capture_default_str();
    sub->add_option("--examples", f->examples, "contexts of each")->check(CLI::PositiveNumber)->capture_default_str();
    sub->callback([f] { features(*f); });
  }
  auto f = std::make_shared<Flags>();
  auto* sub = app.add_subcommand("convert", "between SAELens folders and Gemma Scope .npz");
  sub->add_option("SAE", f->sae, "a folder or an .npz")->required();
  sub->add_option("-o,--out", f->out, "a folder, or a name that ends with .npz")->required();
  sub->add_option("--point", f->point, "the point that it reads, for the folder's cfg.json");
  sub->callback([f] { convert(*f); });
}

const Register<Command> entry{command("sae", 41, add,
                                      "Sparse autoencoders: train, judge, list features, convert files.",
                                      "ken sae train --tokens 50000 -o sae && ken sae features sae --top 5")};

}  // namespace
}  // namespace ken::cli::sae_file
