// LinEAS's claim (arXiv 2503.10679): from 32 prompts of either kind, unpaired, jointly learned affine maps move the
// rate of the target's attribute by 40 points at 5 % of perplexity, and more than maps fitted layer by layer do.
// Source: conflicts answered from memory; target: other conflicts, told to use the passage; judged on other persons'
// conflicts, untold, that are answered from memory without steering, so that the rate begins at 0. Each kind of map has
// the strength that flips most answers of a validation part within 5 % of perplexity there.
// Held against no bar: target prompts that are answered from the passage untold, as the paper's sets by attribute.
#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/world/texts.h"

namespace ken::tasks::lineas_claim_file {
namespace {

double number(const Json& num) { return num.at("value").is_null() ? NAN : num.at("value").get<double>(); }
double flipped(const Json& judged) { return number(judged.at("rates").at("memory_to_context")); }

std::vector<Figure> run(const ClaimInput& input) {
  const auto params = train::world_of(input.model.metadata);
  if (!params) fail("lineas", "{} does not say which world it was trained on", input.model.config.name);
  readout::AnalysisInput with{input.model, input.facts, input.style, input.seed};
  with.texts = world::texts_of(std::make_shared<const world::World>(*params), params->documents, 400);
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "lineas");
  std::map<std::string, Json> tables;
  for (const char* kind : {"joint", "mean", "gaussian", "linear"})
    tables[kind] = entry.run(with, resolve_params(entry.card, {{"kind", kind}})).table;
  const Json untold = entry.run(with, resolve_params(entry.card, {{"target_by", "answer"}})).table;
  const Json &joint = tables["joint"], &steered = joint.at("steered"), &plain = joint.at("unsteered");
  double relatives = 0;
  for (const char* kind : {"mean", "gaussian", "linear"})
    relatives = std::max(relatives, flipped(tables[kind].at("steered")));
  const auto kept = [&](const char* what) {
    return number(steered.at("kept").at(what)) - number(plain.at("kept").at(what));
  };
  const auto side = [](const char* name, const char* unit, double value) {
    return Figure{.name = name, .unit = unit, .value = value, .side_effect = true};
  };
  std::vector<Figure> figures = {
      {"answers from the passage, of those from memory", "share", flipped(steered), ">=", 0.4, false, 0.0},
      {"perplexity on held-out documents, above the plain model's", "share", steered.at("perplexity"), "<=", 0.05,
       true},
      {"the best of the maps fitted layer by layer taken away", "share", flipped(steered) - relatives, ">=", 0.0},
      {"strength", "share", joint.at("strength")},
      {"at full strength", "share", flipped(joint.at("whole"))},
      side("perplexity at full strength, above the plain model's", "share", joint.at("whole").at("perplexity")),
      {"from target prompts that are answered from the passage untold", "share", flipped(untold.at("steered"))},
      {"under random maps of the same length", "share", flipped(joint.at("random"))}};
  for (const char* kind : {"mean", "gaussian", "linear"}) {
    figures.push_back({fmt::format("{} maps", kind), "share", flipped(tables[kind].at("steered"))});
    figures.push_back({fmt::format("{} maps at full strength", kind), "share", flipped(tables[kind].at("whole"))});
    figures.push_back(side("", "share", tables[kind].at("whole").at("perplexity")));
    figures.back().name = fmt::format("perplexity of {} maps at full strength", kind);
  }
  const std::vector<Figure> rest = {
      {"distance that is left", "share",
       joint.at("distance_after").get<double>() / joint.at("distance_before").get<double>()},
      side("neither, minus plain", "share",
           number(steered.at("rates").at("neither")) - number(plain.at("rates").at("neither"))),
      side("right beside an agreeing passage, minus plain", "share", kept("agree")),
      side("right closed-book, minus plain", "share", kept("closed_book")),
      side("fluency, minus plain", "nats a token", kept("fluency"))};
  figures.insert(figures.end(), rest.begin(), rest.end());
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "lineas",
              .family = "steer",
              .sentence =
                  "From 32 unpaired prompts of each kind, jointly learned maps move the rate of the target's "
                  "attribute by at least 40 points at 5 % of perplexity, more than maps fitted layer by layer."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::lineas_claim_file
