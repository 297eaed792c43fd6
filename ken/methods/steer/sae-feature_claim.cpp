// Steering by features on the almanac: a feature that is set to three times its usual value makes the tokens likelier
// that its decoder row promotes, more than a random direction of the same length does. Held against it: what the same
// change costs when the reconstruction takes the stream's place instead of being added as a difference.
#include <unistd.h>

#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/model/partial.h"
#include "ken/readout/sae.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/world/texts.h"

namespace ken::tasks::sae_feature_claim_file {
namespace {

using at::Tensor;
constexpr int64_t tried = 24, questions = 64, promoted = 5;

struct Setting {
  readout::Sae sae;
  std::vector<readout::FeatureUse> uses;
  model::Batch batch;  // of questions
};
Setting prepare(const ClaimInput& input) {
  const auto params = train::world_of(input.model.metadata);
  if (!params) fail("sae-feature", "{} does not say which world it was trained on", input.model.config.name);
  const auto texts =
      world::texts_of(std::make_shared<const world::World>(*params), params->documents, params->documents);
  readout::StreamOptions options;
  options.point = fmt::format("blocks.{}.hook_resid_post", input.model.config.n_layers / 2);
  options.seed = input.seed;
  readout::ActivationStream stream(input.model, readout::without_part(texts, 10, 9), options);
  readout::SaeTraining training;
  training.features = 4 * input.model.config.d_model;
  training.tokens = 200000;
  training.seed = input.seed;
  Setting s{readout::train_sae(stream, training), {}, {}};
  std::vector<int64_t> features;
  Rng rng(input.seed);
  for (int64_t i = 0; i < 3 * tried; ++i) features.push_back(int64_t(rng.below(uint64_t(s.sae.features()))));
  readout::SaeEvaluationOptions judged;
  judged.rows = 10000;
  for (auto& use : readout::feature_uses(input.model, s.sae, readout::only_part(texts, 10, 9), features, 1, judged))
    if (use.density > 0.0005 && use.density < 0.05 && s.uses.size() < tried) s.uses.push_back(std::move(use));
  std::vector<model::Row> rows;
  for (int64_t i = 0; i < questions; ++i) {
    const auto& fact = input.facts.facts[rng.below(input.facts.facts.size())];
    rows.push_back({model::prompt_ids(input.model, data::ask(input.style, fact.question))});
  }
  s.batch = model::pack(rows, input.model.config.vocab);
  return s;
}

// [questions, vocab], of the next token.
Tensor logprobs(const ClaimInput& input, const Setting& s, std::vector<model::Tap> taps) {
  const model::TapPlan plan(input.model.config, std::move(taps));
  return at::log_softmax(model::forward(input.model, s.batch, {.taps = &plan}).logits, -1);
}

Tensor steered(const ClaimInput& input, const Setting& s, const Json& params) {
  return logprobs(input, s, generate::control_from("sae-feature", params).make()->taps());
}

double divergence(const Tensor& from, const Tensor& to) {
  return (from.exp() * (from - to)).sum(-1).mean().item<double>();
}

std::vector<Figure> run(const ClaimInput& input) {
  const Setting s = prepare(input);
  const fs::path folder = fs::temp_directory_path() / fmt::format("ken-sae-feature-{}", ::getpid());
  readout::save_sae(s.sae, folder);
  const Tensor plain = logprobs(input, s, {});
  double by_feature = 0, by_random = 0, moved = 0, moved_random = 0;
  for (const auto& use : s.uses) {
    const Json set{{"sae", folder.string()}, {"feature", use.feature}, {"strength", 0.0}, {"value", 3 * use.mean}};
    const Json random{{"feature", use.feature}, {"strength", 3 * use.mean}, {"point", s.sae.point}};
    const Tensor logits = model::read_out(input.model, s.sae.w_dec.narrow(0, use.feature, 1), nn::Compute::f32)[0];
    const Tensor tokens = std::get<1>(logits.topk(promoted));
    const Tensor feature_run = steered(input, s, set), random_run = steered(input, s, random);
    by_feature += (feature_run - plain).index_select(1, tokens).mean().item<double>();
    by_random += (random_run - plain).index_select(1, tokens).mean().item<double>();
    moved += divergence(plain, feature_run);
    moved_random += divergence(plain, random_run);
  }
  fs::remove_all(folder);
  const Tensor replaced = logprobs(input, s, {{s.sae.point, [&](const Tensor& x, const model::Site&) {
                                                 return std::optional(s.sae.decode(s.sae.encode(x)));
                                               }}});
  const double n = std::max(1.0, double(s.uses.size()));
  return {
      {.name = "promoted tokens, feature minus random direction",
       .unit = "nats",
       .value = (by_feature - by_random) / n,
       .op = ">=",
       .bar = 0.0,
       .null = 0.0},
      {.name = "promoted tokens, feature at three times its mean minus plain", .unit = "nats", .value = by_feature / n},
      {.name = "promoted tokens, random direction minus plain", .unit = "nats", .value = by_random / n},
      {.name = "features tried", .unit = "features", .value = n},
      {.name = "divergence from plain, feature", .unit = "nats", .value = moved / n, .side_effect = true},
      {.name = "divergence from plain, random direction",
       .unit = "nats",
       .value = moved_random / n,
       .side_effect = true},
      {.name = "divergence from plain, reconstruction in the stream's place, nothing set",
       .unit = "nats",
       .value = divergence(plain, replaced),
       .side_effect = true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "sae-feature",
              .family = "steer",
              .sentence = "A feature set to three times its usual value makes the tokens likelier that its decoder row "
                          "promotes, more than a random direction of the same length."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::sae_feature_claim_file
