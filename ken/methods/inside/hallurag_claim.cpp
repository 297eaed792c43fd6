// HalluRAG (arXiv 2412.17056): hidden states at a sentence's end tell whether the passage grounds it, with 75 %
// accuracy on balanced held-out persons, and a detector for either kind of prompt beats one for both. The answer's own
// probability and shuffled labels stand beside it.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::hallurag_claim_file {
namespace {

double value(const Json& table, const char* detector, const char* metric) {
  return table.at("detectors").at(detector).at(metric).at("value").get<double>();
}

double either(const Json& table, const char* kind, const char* metric) {
  const auto of = [&](const char* prompts) {
    return value(table, fmt::format("{} {}", prompts, kind).c_str(), metric);
  };
  return (of("answerable") + of("unanswerable")) / 2;
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "hallurag");
  const readout::AnalysisInput on{input.model, input.facts, input.style, input.seed};
  const Json params{{"runs", 1}, {"folds", 3}, {"max_items", 1600}, {"batch", 64}, {"rate", 0.001}};
  const Json table = entry.run(on, resolve_params(entry.card, params)).table;
  const auto surprise = [&](const char* prompts) { return table.at("surprise").at(prompts).at("value").get<double>(); };
  return {{"accuracy, a detector for either kind of prompt", "share", either(table, "separate", "accuracy"), ">=", 0.75,
           false, 0.5},
          {"accuracy, separate minus one for both", "share",
           either(table, "separate", "accuracy") - either(table, "joint", "accuracy"), ">=", 0.0, false, 0.0},
          {"accuracy, answerable, separate", "share", value(table, "answerable separate", "accuracy")},
          {"accuracy, answerable, joint", "share", value(table, "answerable joint", "accuracy")},
          {"accuracy, unanswerable, separate", "share", value(table, "unanswerable separate", "accuracy")},
          {"accuracy, unanswerable, joint", "share", value(table, "unanswerable joint", "accuracy")},
          {"AUROC, answerable, separate", "AUROC", value(table, "answerable separate", "auroc")},
          {"AUROC, unanswerable, separate", "AUROC", value(table, "unanswerable separate", "auroc")},
          {"AUROC of -log p, answerable", "AUROC", surprise("answerable")},
          {"AUROC of -log p, unanswerable", "AUROC", surprise("unanswerable")},
          {"accuracy with shuffled labels", "share", either(table, "shuffled", "accuracy")}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "hallurag",
              .family = "inside",
              .title = "HalluRAG",
              .paper = "arXiv 2412.17056",
              .sentence = "A small net on hidden states flags sentences that the passage does not ground in three of "
                          "four cases, better with one detector for answerable and one for unanswerable prompts.",
              .example = "ken reproduce hallurag",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::hallurag_claim_file
