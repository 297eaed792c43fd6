// LEACE's claim (arXiv 2306.03819): after the erasure no linear probe reads the concept on persons that it was not
// fitted on, the question about it is answered no better than by its most frequent value, and little else changes.
// Concepts: the job of a person and the field, at the last token of questions in all wordings and languages, behind the
// last block. Held against it: the plain projection off the same classes' directions, and as many random directions.
#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/world/texts.h"

namespace ken::tasks::leace_claim_file {
namespace {

double number(const Json& num) { return num.at("value").is_null() ? NAN : num.at("value").get<double>(); }

// Mean over the layers, or the largest.
double over_layers(const Json& table, const char* key, bool most = false) {
  double sum = 0, largest = -1;
  for (const Json& layer : table.at("layers"))
    sum += layer.at(key).get<double>(), largest = std::max(largest, layer.at(key).get<double>());
  return most ? largest : sum / double(table.at("layers").size());
}

void add(std::vector<Figure>& figures, const std::string& concept_name, const Json& table,
         const Json& plain_projection) {
  const auto put = [&](const std::string& name, const char* unit, double value, bool side = false) {
    figures.push_back({.name = concept_name + ": " + name, .unit = unit, .value = value, .side_effect = side});
  };
  const auto change = [&](const Json& of, const char* key, const char* what) {
    return number(of.at(key).at(what)) - number(of.at("plain").at(what));
  };
  figures.push_back({concept_name + ": probes on erased states, mean of the layers", "AUROC",
                     over_layers(table, "auroc_erased"), "<=", 0.55});
  figures.push_back({concept_name + ": right answers, erased minus plain", "share", change(table, "erased", "concept"),
                     "<=", -0.3, false, 0.0});
  put("probes on erased states, worst layer", "AUROC", over_layers(table, "auroc_erased", true));
  put("probes on plain states, mean of the layers", "AUROC", over_layers(table, "auroc_plain"));
  put("right answers, erased", "share", number(table.at("erased").at("concept")));
  put("right answers on the persons that it was fitted on, erased", "share", number(table.at("erased").at("fitted")));
  put("right answers, plain projection", "share", number(plain_projection.at("erased").at("concept")));
  put("share of the most frequent answer", "share", table.at("majority"));
  put("right answers, random directions minus plain", "share", change(table, "random", "concept"));
  put("probes on states after the plain projection, mean of the layers", "AUROC",
      over_layers(plain_projection, "auroc_erased"));
  put("of a state's length moved, mean of the layers", "share", over_layers(table, "moved"), true);
  put("of a state's length moved by the plain projection", "share", over_layers(plain_projection, "moved"), true);
  put("other relations' right answers, erased minus plain", "share", change(table, "erased", "others"), true);
  put("other relations' right answers, plain projection minus plain", "share",
      change(plain_projection, "erased", "others"), true);
  put("other relations' right answers, random directions minus plain", "share", change(table, "random", "others"),
      true);
  put("perplexity on held-out documents, every row erased, above the plain model's", "share", table.at("perplexity"),
      true);
  put("perplexity under the plain projection, above the plain model's", "share", plain_projection.at("perplexity"),
      true);
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto params = train::world_of(input.model.metadata);
  if (!params) fail("leace", "{} does not say which world it was trained on", input.model.config.name);
  readout::AnalysisInput with{input.model, input.facts, input.style, input.seed};
  with.texts = world::texts_of(std::make_shared<const world::World>(*params), params->documents, 1100);
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "leace");
  const auto erase = [&](const char* relation, const char* kind) {
    return entry.run(with, resolve_params(entry.card, {{"relation", relation}, {"kind", kind}})).table;
  };
  std::vector<Figure> figures;
  for (const char* relation : {"job", "field"})
    add(figures, relation, erase(relation, "leace"), erase(relation, "orthogonal"));
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "leace",
              .family = "steer",
              .sentence = "After the erasure linear probes read the concept no better than chance on held-out persons, "
                          "and the question about it is no longer answered."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::leace_claim_file
