// WACK on the almanac: known persons and those of no or few documents, behind shots with wrong answers, and beside
// passages that contradict (a conflict of sources: reported beside the claim).
#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::wack_claim_file {
namespace {

double number(const Json& num) {
  return num.is_null() || num.at("value").is_null() ? NAN : num.at("value").get<double>();
}
double auroc(const Json& place, const char* task) { return number(place.at(task).at("auroc")); }

Json analyse(const ClaimInput& input, const Json& params) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "wack");
  return entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, params)).table;
}

// The share of right answers of a kind under a shift; where no layer is fit to be shifted, as without one.
double rate(const Json& table, const char* kind, const char* how, double otherwise) {
  const Json& mitigation = table.at("mitigation");
  return mitigation.contains(kind) ? number(mitigation.at(kind).at(how)) : otherwise;
}

// The same of a conflict and of bad shots.
std::vector<Figure> mitigation(const Json& table, const std::string& under, bool judged) {
  const double known = rate(table, "HK+", "static", 0), unknown = rate(table, "HK-", "static", 0);
  std::vector<Figure> figures = {
      {"errors repaired, " + under, "share", known, judged ? ">=" : "", judged ? 0.1 : 0.0},
      {"ignorance repaired, " + under, "share", unknown, judged ? "<=" : "", judged ? 0.05 : 0.0},
      {"errors repaired where flagged, " + under, "share", rate(table, "HK+", "dynamic", 0)},
      {"errors repaired by random directions, " + under, "share", rate(table, "HK+", "random", 0)},
      {"strength, " + under, "alpha", table.at("mitigation").at("alpha")},
      {"right answers kept, " + under, "share", rate(table, "correct", "static", 1), "", 0, true},
      {"known facts still right closed-book under the shift, " + under, "share",
       rate(table, "HK+", "closed_book_static", 1), "", 0, true}};
  return figures;
}

std::vector<Figure> run(const ClaimInput& input) {
  const Json shots = analyse(input, {{"derail", "bad-shots"}, {"max_items", 500}}),
             passage = analyse(input, {{"derail", "passage"}, {"max_items", 500}});
  const Json &last = shots.at("last"), &answered = shots.at("answered"), &beside = passage.at("last");
  std::vector<Figure> figures = {
      {"ignorance against error", "AUROC", auroc(last, "cause"), ">=", 0.8, false, 0.5},
      {"ignorance against error, minus generic training", "AUROC", auroc(last, "cause") - auroc(last, "cause_generic"),
       ">=", 0, false, 0.0},
      {"ignorance against error, after the answer", "AUROC", auroc(answered, "cause")},
      {"error against right", "AUROC", auroc(last, "error")},
      {"error against right, minus generic training", "AUROC", auroc(last, "error") - auroc(last, "error_generic")},
      {"three kinds", "balanced accuracy", last.at("three_way_balanced_accuracy")},
      {"ignorance against error, beside a passage", "AUROC", auroc(beside, "cause")},
      {"error against right, beside a passage", "AUROC", auroc(beside, "error")}};
  for (const auto& [table, under, judged] :
       {std::tuple(&shots, "bad shots", true), std::tuple(&passage, "beside a passage", false)})
    for (const Figure& figure : mitigation(*table, under, judged)) figures.push_back(figure);
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "wack",
              .family = "inside",
              .sentence = "Ignorance and error in spite of knowledge are told apart from states at AUROC 0.80, better "
                          "than by generic training, and shifting states repairs errors but not ignorance."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::wack_claim_file
