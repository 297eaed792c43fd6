// Sparse autoencoders on the almanac: with no more than 32 active features a row, nine tenths of a middle layer's
// variance are explained on documents that neither the model nor the dictionary has seen, the model loses next to
// nothing when the reconstruction takes the stream's place, and few features are dead. The control has the same shape
// and one step of training.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/world/texts.h"

namespace ken::tasks::sae_claim_file {
namespace {

readout::AnalysisResult train(const ClaimInput& input, const Json& params) {
  const auto world = train::world_of(input.model.metadata);
  if (!world) fail("sae", "{} does not say which world it was trained on", input.model.config.name);
  const auto texts = world::texts_of(std::make_shared<const world::World>(*world), world->documents, world->documents);
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "sae");
  return entry.run({input.model, input.facts, input.style, input.seed, nn::Compute::f32, {}, texts},
                   resolve_params(entry.card, params));
}

double number(const readout::AnalysisResult& result, const char* name) {
  const Json& value = result.table.at("evaluation").at(name).at("value");
  return value.is_null() ? NAN : value.get<double>();
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto trained = train(input, {{"k", 30}});
  const auto control = train(input, {{"k", 30}, {"tokens", 1024}, {"rows", 10000}});
  return {
      {.name = "explained variance",
       .unit = "share",
       .value = number(trained, "explained_variance"),
       .op = ">=",
       .bar = 0.9,
       .null = 0.0},
      {.name = "cross-entropy recovered, against the mean row",
       .unit = "share",
       .value = number(trained, "ce_recovered_mean"),
       .op = ">=",
       .bar = 0.95,
       .null = 0.0},
      {.name = "active features a row (L0)", .unit = "features", .value = number(trained, "l0"), .op = "<=", .bar = 32},
      {.name = "dead features", .unit = "share", .value = number(trained, "dead"), .op = "<=", .bar = 0.1},
      {.name = "cross-entropy recovered, against zeros",
       .unit = "share",
       .value = number(trained, "ce_recovered_zero")},
      {.name = "cross-entropy, plain", .unit = "nats", .value = number(trained, "ce")},
      {.name = "cross-entropy, spliced minus plain",
       .unit = "nats",
       .value = number(trained, "ce_spliced") - number(trained, "ce"),
       .side_effect = true},
      {.name = "dense features", .unit = "share", .value = number(trained, "dense")},
      {.name = "cosine of row and reconstruction", .unit = "cosine", .value = number(trained, "cosine")},
      {.name = "explained variance, one step of training",
       .unit = "share",
       .value = number(control, "explained_variance")}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "sae",
              .family = "inside",
              .title = "Sparse autoencoder",
              .paper = "arXiv 2412.06410",
              .sentence = "With at most 32 active features a row, a BatchTopK dictionary explains 90 % of the variance "
                          "of a middle layer, recovers 95 % of the loss that removing the layer's stream costs, and "
                          "has fewer than 10 % dead features.",
              .example = "ken reproduce sae",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::sae_claim_file
