// The claim of knowledge overshadowing (arXiv 2407.08039, 2502.16143; steer.md section 5). The population is every fact
// of the almanac whose subject shares a word (a first or last name, a city or its date) with a better known fact of the
// same relation and another answer: two conditions in the question, none of which tells alone, with exposures that
// differ up to a thousandfold. (The group that makes a job likely was left out: the job is drawn by chance, so nothing
// in the prompt makes another answer true.) A wrong fact is any answer that is not the true one.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::knowledge_overshadowing_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto& analysis = Registry<readout::AnalysisEntry>::get().at("analysis", "knowledge-overshadowing");
  const readout::AnalysisInput given{
      .model = input.model, .facts = input.facts, .style = input.style, .seed = input.seed};
  const Json table = analysis.run(given, resolve_params(analysis.card, {{"max_items", 900}})).table;
  const Json &law = table.at("law"), &bins = law.at("bins"), &found = table.at("detection"),
             &made = table.at("decoding");
  const auto rate = [](const Json& number) { return number.at("value").get<double>(); };
  const double plain = rate(made.at("wrong_plain")), others = rate(made.at("better_known_plain"));
  return {
      {"wrong facts, highest quarter of the frequency ratio minus lowest", "share",
       rate(bins.back().at("wrong")) - rate(bins.front().at("wrong")), ">=", 0.0, false, 0.0},
      {"rank correlation of wrong facts with the log ratio", "", law.at("spearman"), ">=", 0.0, false, 0.0},
      {"the same where the fact itself is about equally known", "", law.at("spearman_at_equal_exposure")},
      {"F1 of foretelling a wrong fact", "", found.at("f1"), ">=", 0.8, false},
      {"F1 of calling every fact wrong", "", found.at("f1_flagging_all")},
      {"F1 with the papers' threshold, 0", "", found.at("f1_below_zero")},
      {"AUROC of the indicator", "", found.at("auroc")},
      {"wrong facts cut by decoding, relative", "share", (plain - rate(made.at("wrong"))) / plain, ">=", 0.11, false,
       0.0},
      {"answers of the better known fact cut by decoding, relative", "share",
       (others - rate(made.at("better_known"))) / others},
      {"wrong facts, plain", "share", plain},
      {"answers of the better known fact, plain", "share", others},
      {"alpha chosen", "", table.at("setting").at("alpha")},
      {"threshold chosen", "nats", table.at("setting").at("threshold")},
      {"wrong on the better known facts, decoded minus plain", "share",
       rate(made.at("wrong_on_better_known_facts")) - rate(made.at("wrong_on_better_known_facts_plain")), "", 0, true},
      {"logprob a token of answers, decoded minus plain", "nats",
       made.at("fluency").get<double>() - made.at("fluency_plain").get<double>(), "", 0, true},
      {"facts judged", "facts", table.at("facts").at("judged")}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "knowledge-overshadowing",
              .family = "steer",
              .sentence =
                  "Wrong facts grow with the log of how much better known another fact of the same words is; "
                  "masking words foretells them (the papers: F1 up to 0.82), and self-contrastive decoding cuts "
                  "them by 11 % or more (the papers: 11.2 to 39.4 %)."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::knowledge_overshadowing_claim_file
