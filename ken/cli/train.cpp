// ken train: trains an organism on a world from scratch, or a model on documents; resumes where a run was killed.
#include <cmath>

#include "ken/cli/command.h"
#include "ken/study/figures.h"
#include "ken/train/organism.h"
#include "ken/train/trainer.h"

namespace ken::cli::train_file {
namespace {

struct Flags {
  Common common;
  std::string world, documents, model, out, name = "organism", dtype = "bf16";
  train::OrganismShape shape;
  train::TrainOptions options;
  double answer_weight = 3;
  bool figures = false;
};

// The card says what a file cannot say of itself: how it was made, and with --figures what it learned.
Json card_of(const Flags& flags, const model::Model& model, const train::TrainResult& result) {
  return {{"name", flags.name},
          {"seed", flags.options.seed},
          {"recipe", train::to_json(flags.options)},
          {"steps", result.steps},
          {"tokens", result.tokens},
          {"documents", result.documents},
          {"parameters", model.parameters()},
          {"metrics", result.metrics}};
}

// The study of the trained file, as a user would make it.
Json measured(const fs::path& path, const fs::path& out) {
  const auto model = model::load(path);
  const auto facts = open_facts(*model, "");
  const auto style = data::prompt_style(model->metadata);
  study::StudyOptions options;
  options.out = out;
  options.progress = printer();
  return study::organism_figures(*model, facts, style, study::run_study(*model, facts, style, options).rows);
}

void run(const Flags& flags) {
  apply(flags.common);
  auto group = train::group_from_environment();
  auto options = flags.options;
  options.compute = nn::compute_from(flags.common.compute);
  options.out = flags.out;
  options.threads = flags.common.threads;
  const io::DType dtype = io::weight_type(flags.dtype);
  std::shared_ptr<model::Model> model;
  std::shared_ptr<const train::SampleSource> source;
  if (!flags.documents.empty()) {
    model = open_model(flags.model);
    source = train::records_source(flags.documents, model->tokenizer, float(flags.answer_weight));
  } else {
    const Json params = flags.world.empty()
                            ? Json::object()
                            : Json::parse(read_text(fs::path(flags.world) / "world.json"), nullptr, false);
    if (params.is_discarded()) fail("train", "{}/world.json is no JSON; make the world with `ken world`", flags.world);
    const auto world = std::make_shared<const world::World>(world::world_params(params));
    model = train::new_organism(*world, flags.shape, options.seed, flags.name);
    source = train::world_source(world, model->tokenizer, float(flags.answer_weight));
  }
  if (group->rank() == 0) {
    say(fmt::format("training {}: {} parameters, vocabulary {}, {} documents, {}, seed {}, {} x {} threads\n",
                    flags.name, model->parameters(), model->config.vocab, source->size(), options.optimizer.kind,
                    options.seed, group->size(), at::get_num_threads()));
  }
  const auto result = train::train(*model, train::train_all(*model), *train::next_token(), source, options, *group,
                                   group->rank() == 0 ? printer() : Progress{});
  train::freeze(*model);
  if (group->rank() != 0) return;
  Json card = card_of(flags, *model, result);
  const fs::path path = fs::path(flags.out) / "model.gguf";
  model->metadata.values["ken.card"] = card.dump();
  model::save(*model, path, dtype);
  if (flags.figures) {
    card["seconds"] = std::round(result.seconds);
    card["figures"] = measured(path, fs::path(flags.out) / "study");
    model->metadata.values["ken.card"] = card.dump();
    model::save(*model, path, dtype);
  }
  const Json line{{"model", path.string()},    {"steps", result.steps},
                  {"tokens", result.tokens},   {"resumed_at_step", result.first_step},
                  {"metrics", result.metrics}, {"compute", flags.common.compute},
                  {"seed", options.seed}};
  if (flags.common.json) return print(line.dump() + "\n");
  std::string text = fmt::format("{}: {} steps, {} tokens", path.string(), result.steps, result.tokens);
  for (const auto& [name, value] : result.metrics) text += fmt::format(", {} {:.3f}", name, value);
  print(text + "\n");
}

void add(CLI::App& app, Flags& flags) {
  auto& o = flags.options;
  app.add_option("--world", flags.world,
                 "folder that `ken world` wrote; without it and --documents, the standard world");
  app.add_option("--documents", flags.documents, "records with text or tokens, to go on training --model");
  app.add_option("-m,--model", flags.model, "the GGUF file to go on from, with --documents");
  app.add_option("-o,--out", flags.out, "folder for model.gguf, log.jsonl, run.json and the checkpoint")->required();
  app.add_option("--name", flags.name, "general.name of the model")->capture_default_str();
  add_number(app, "--layers", flags.shape.layers, "blocks", 1, 1000);
  add_number(app, "--d-model", flags.shape.d_model, "width", 8, 65536);
  add_number(app, "--heads", flags.shape.heads, "query heads", 1, 1024);
  add_number(app, "--kv-heads", flags.shape.kv_heads, "key/value heads", 1, 1024);
  add_number(app, "--d-ff", flags.shape.d_ff, "feed-forward width", 8, 262144);
  add_number(app, "--context", flags.shape.context, "context length", 8, 1000000);
  app.add_option("--batch-tokens", o.batch_tokens, "tokens of a step, of one rank")->capture_default_str();
  app.add_option("--steps", o.max_steps, "stop after this many steps; 0 = when the documents end")
      ->capture_default_str();
  app.add_option("--epochs", o.epochs, "passes over the documents")->capture_default_str();
  app.add_option("--optimizer", o.optimizer.kind, "muon or adamw")->capture_default_str();
  app.add_option("--lr", o.optimizer.lr, "learning rate of hidden matrices; 0 = the optimiser's own")
      ->capture_default_str();
  app.add_option("--table-lr", o.optimizer.table_lr, "learning rate of embeddings and gains; 0 = the optimiser's own")
      ->capture_default_str();
  app.add_option("--weight-decay", o.optimizer.weight_decay, "decoupled, times the learning rate")
      ->capture_default_str();
  app.add_option("--schedule", o.schedule.kind, "linear, cosine or constant")->capture_default_str();
  app.add_option("--warmup", o.schedule.warmup, "share of the run")->capture_default_str();
  app.add_option("--clip", o.clip, "largest gradient norm; 0 = none")->capture_default_str();
  app.add_option("--answer-weight", flags.answer_weight, "how much an answer's tokens count")->capture_default_str();
  app.add_option("--kept-blocks", o.kept_blocks,
                 "blocks that keep their activations; those of the others are computed again, which takes less memory "
                 "and a third more time; -1 = all")
      ->capture_default_str();
  app.add_option("--checkpoint-every", o.checkpoint_every, "steps")->capture_default_str();
  app.add_flag("--figures", flags.figures, "study the trained organism and write what it learned into its card");
  app.add_option("--dtype", flags.dtype, "weights of model.gguf: f32, bf16, f16, q8_0, ...")->capture_default_str();
  app.add_option("--seed", o.seed, "of the weights and, with epochs, the order")->capture_default_str();
  add_common(app, flags.common, "fast");
}

const Register<Command> entry{
    command("train", 51, add, run,
            "Train an organism on a world, or go on training a model on documents; a killed run resumes.",
            "ken train --world world --layers 2 --d-model 64 --heads 2 --kv-heads 2 --d-ff 128 -o organism")};

}  // namespace
}  // namespace ken::cli::train_file
