// UncertaintyRAG on the almanac: short passages about persons who occur nowhere else, all in one pool that no context
// holds; the question must find its own. The organism reads documents of some tens of tokens, so the budgets are one
// piece and three; the bar stands on both.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::uncertaintyrag_claim_file {
namespace {

Json measured(const ClaimInput& input, const Json& params) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "uncertaintyrag");
  return entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, params)).table;
}

double number(const Json& table, const char* how, const char* what) { return table.at(how).at(what).at("value"); }

std::vector<Figure> run(const ClaimInput& input) {
  const Json table = measured(input, Json::object());
  const auto gain = [&](const char* what) { return number(table, "trained", what) - number(table, "untrained", what); };
  std::vector<Figure> figures{
      {"recall of the first three, trained minus untrained", "share", gain("recall@3"), ">=", 0.02, false, 0.0},
      {"answers from the first three, trained minus untrained", "share", gain("answers@3"), ">=", 0.02, false, 0.0},
      {"recall of the first, trained minus untrained", "share", gain("recall@1"), ">=", 0.02, false, 0.0},
      {"answers from the first, trained minus untrained", "share", gain("answers@1"), ">=", 0.02, false, 0.0}};
  for (const char* how : {"trained", "untrained", "trained on mean log-probability", "trained on random pairs", "bm25"})
    for (const char* what : {"recall@3", "answers@3"})
      figures.push_back({fmt::format("{}: {}", what, how), "share", number(table, how, what)});
  const Json& spearman = table.at("relevance_spearman");
  figures.push_back({"Spearman with relevance: span uncertainty", "", spearman.at("span uncertainty")});
  figures.push_back({"Spearman with relevance: mean log-probability", "", spearman.at("mean log-probability")});
  figures.push_back({"anchors of both halves", "pieces", table.at("anchors")});
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "uncertaintyrag",
              .family = "confidence",
              .sentence = "A retriever trained on a few hundred pieces by span uncertainty finds the piece that holds "
                          "the answer, and so answers, more often than the untrained one (the paper: +2 points)."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::uncertaintyrag_claim_file
