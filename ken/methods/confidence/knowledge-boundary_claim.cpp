// The knowledge boundary on the almanac: known persons' questions, closed book and beside passages that agree, speak of
// others, or contradict. Documents never show a reply that gives up, but statements with verdicts: so the prior
// judgement that the bar stands on is the verdict on "unknown" as the answer. The paper's reply that may be "unknown"
// is reported beside it. No document judges a claim beside a passage either: the verdict goes on following memory
// there, which a posterior judgement pays for where only the passage knows (the passage inside the claim does no
// better).
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::knowledge_boundary_claim_file {
namespace {

double number(const Json& value) {
  if (value.is_object()) return number(value.at("value"));
  return value.is_null() ? NAN : value.get<double>();
}

Json measured(const ClaimInput& input, const data::FactSet& facts, const std::string& prior) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "knowledge-boundary");
  return entry
      .run({input.model, facts, input.style, input.seed},
           resolve_params(entry.card, {{"prior", prior},
                                       {"not_known", "Q: {question} A: unknown"},
                                       {"may_give_up", "answer from memory and if unknown answer unknown"},
                                       {"may_give_up_beside", "answer from the context and if unknown answer unknown"},
                                       {"beside", "context: {context} {judgement}"}}))
      .table;
}

// Questions about known persons with a fact that is stated in the language of the question.
data::FactSet known_persons(const data::FactSet& all) {
  data::FactSet facts{.name = all.name, .source = all.source};
  for (const auto& fact : all.facts)
    if (fact.extra.value("seen", false) && fact.exposure >= 0) facts.facts.push_back(fact);
  for (const auto& item : all.contexts)
    if (item.extra.value("seen", false)) facts.contexts.push_back(item);
  return facts;
}

std::vector<Figure> run(const ClaimInput& input) {
  const data::FactSet facts = known_persons(input.facts);
  const Json table = measured(input, facts, "verdict"),
             spoken = measured(input, {facts.name, facts.source, facts.facts}, "reply");
  const Json &closed = table.at("closed"), &kinds = table.at("kinds"), &agree = kinds.at("agree"),
             &conflict = kinds.at("conflict");
  const auto more = [](const Json& kind, const char* metric) {
    return number(kind.at("beside").at(metric)) - number(kind.at("closed").at(metric));
  };
  std::vector<Figure> figures{
      {"closed book: error rate minus give-up rate", "share",
       1 - number(closed.at("EM")) - number(closed.at("give_up")), ">=", 0.2, false, 0.0},
      {"Eval-Acc: beside an agreeing passage minus closed book", "share", more(agree, "eval_acc"), ">=", 0.0, false,
       0.0},
      {"EM: closed book minus beside a contradicting passage", "share", -more(conflict, "EM"), ">=", 0.0, false, 0.0},
      {"Right/notG: beside an agreeing passage minus closed book", "share", more(agree, "right_not_given_up")},
      {"EM: closed book minus beside an irrelevant passage", "share", -more(kinds.at("irrelevant"), "EM")},
      {"closed book: give-up rate, as a reply", "share", number(spoken.at("closed").at("give_up"))}};
  const auto add = [&](const std::string& where, const Json& m) {
    for (const char* metric : {"EM", "give_up", "eval_right", "eval_acc", "auroc_prior", "auroc_posterior"})
      figures.push_back({where + ": " + metric, "", number(m.at(metric))});
    // Right/G has no value where nothing is given up; its share of all questions always has one.
    const double lost = m.at("right_given_up").is_null() ? 0 : number(m.at("right_given_up")) * number(m.at("give_up"));
    figures.push_back({where + ": given up though right", "share", lost, "", 0, true});
  };
  add("closed book", closed);
  for (const char* kind : {"agree", "irrelevant", "conflict"}) {
    add(kind, kinds.at(kind).at("beside"));
    figures.push_back({std::string(kind) + ": right closed book, wrong beside the passage", "share",
                       number(kinds.at(kind).at("changes").at("pulled")), "", 0, true});
  }
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "knowledge-boundary",
              .family = "confidence",
              .title = "Factual knowledge boundary",
              .paper = "arXiv 2307.11019",
              .sentence = "Closed book, a model gives up far less often than it errs; a passage that helps improves "
                          "its judgement of its answers, and a bad one pulls right answers wrong.",
              .example = "ken reproduce knowledge-boundary"},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::knowledge_boundary_claim_file
