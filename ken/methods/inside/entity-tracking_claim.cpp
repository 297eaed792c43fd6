// Entity tracking on the almanac and on its tuned copy (Prakash et al., arXiv 2402.14811): passages about persons of
// whom no document speaks, so that only the passage can tell. The same heads serve both models; what tuning improves
// sits in heads that carry the place of the answer.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::entity_tracking_claim_file {
namespace {

double number(const Json& value) {
  const Json& inner = value.is_object() ? value.at("value") : value;
  return inner.is_null() ? NAN : inner.get<double>();
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "entity-tracking");
  data::FactSet unknown = input.facts;
  std::erase_if(unknown.facts, [](const data::Fact& fact) { return fact.exposure != 0; });
  const Json t = entry
                     .run({input.model, unknown, input.style, input.seed},
                          resolve_params(entry.card, {{"other", "almanac-tuned"}}))
                     .table;
  const Json &own = t["faithfulness"], &other = t["other"]["faithfulness"], &cross = t["other"]["cross_model"];
  const double heads = t["circuit_heads"].get<double>() / t["all_heads"].get<double>();
  return {{.name = "accuracy that the circuit recovers",
           .unit = "share",
           .value = number(own["recovered"]),
           .op = ">=",
           .bar = 0.8,
           .null = 0},
          {.name = "the same heads in the tuned model",
           .unit = "share",
           .value = number(other["recovered"]),
           .op = ">=",
           .bar = 0.8,
           .null = 0},
          {.name = "gain of the tuned model's place heads minus its value heads",
           .unit = "accuracy",
           .value = number(cross["place"]["gain"]) - number(cross["value"]["gain"]),
           .op = ">=",
           .bar = 0,
           .null = -1},
          // Without it there is no gain that any heads could carry.
          {.name = "accuracy that tuning adds",
           .unit = "accuracy",
           .value = number(other["model"]) - number(own["model"]),
           .op = ">=",
           .bar = 0.02,
           .null = 0},
          {.name = "heads of the circuit", .unit = "share of all", .value = heads, .side_effect = true},
          {.name = "as many random heads recover",
           .unit = "accuracy",
           .value = number(own["random_heads"]),
           .side_effect = true},
          {.name = "accuracy of the model", .unit = "accuracy", .value = number(own["model"])},
          {.name = "accuracy of the tuned model", .unit = "accuracy", .value = number(other["model"])},
          {.name = "place heads move the answer to another place",
           .unit = "share",
           .value = number(t["place"]["moves_answer"])},
          {.name = "as many random heads do",
           .unit = "share",
           .value = number(t["place"]["random_heads"]),
           .side_effect = true},
          {.name = "value heads move the answer to another value",
           .unit = "share",
           .value = number(t["value"]["moves_answer"])},
          {.name = "as many random heads do it",
           .unit = "share",
           .value = number(t["value"]["random_heads"]),
           .side_effect = true},
          {.name = "label heads move the answer to another subject's",
           .unit = "share",
           .value = number(t["label"]["moves_answer"])},
          {.name = "as many random heads move it",
           .unit = "share",
           .value = number(t["label"]["random_heads"]),
           .side_effect = true},
          {.name = "gain by the tuned model's heads B", .unit = "accuracy", .value = number(cross["B"]["gain"])},
          {.name = "gain by the tuned model's heads A", .unit = "accuracy", .value = number(cross["A"]["gain"])}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "entity-tracking",
              .family = "inside",
              .title = "Entity-tracking circuits",
              .paper = "arXiv 2402.14811",
              .sentence = "One circuit looks up a subject's value in base and tuned model; tuning improves the heads "
                          "that carry its place.",
              .example = "ken reproduce entity-tracking",
              .cost = Cost::minutes,
              .needs = {"model:almanac-tuned"}},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::entity_tracking_claim_file
