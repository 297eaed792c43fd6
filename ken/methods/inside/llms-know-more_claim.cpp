// LLMs know more than they show (arXiv 2410.02707), on answers that go on: facts asked as the beginning of a statement.
// The exact answer's tokens tell best whether it is right; probes carry over badly between relations; and where most
// sampled answers are wrong and some are right, the probe finds the right ones oftener than greedy decoding. The
// relations of these facts are one kind of task; the form of asking, another way to part them, is reported beside.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::llms_know_more_claim_file {
namespace {

double number(const Json& value) {
  if (value.is_object()) return number(value.at("value"));
  return value.is_null() ? NAN : value.get<double>();
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "llms-know-more");
  const Json params{{"form", "statement"},
                    {"max_tokens", 24},
                    {"max_items", 1000},
                    {"point", "hook_resid_post"},
                    {"train", "samples"}};
  const Json table =
      entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, params)).table;
  const Json &best = table.at("heat_map").at("best"), &forms = table.at("forms"), &relations = table.at("relations"),
             &resampling = table.at("resampling");
  const Json &wrong = resampling.at("consistently incorrect, sometimes right"), &all = resampling.at("all");
  const double exact = number(best.at("exact answer")), last = number(best.at("last token"));
  return {{"exact-answer token minus last token", "AUROC", exact - last, ">=", 0.0, false, 0.0},
          {"exact-answer token", "AUROC", exact},
          {"last generated token", "AUROC", last},
          {"last token of the question", "AUROC", number(best.at("question end"))},
          {"token after the exact answer", "AUROC", number(best.at("after exact"))},
          {"log p of the exact answer", "AUROC", number(table.at("baselines").at("mean log p, exact"))},
          {"same relation minus another one", "AUROC", number(relations.at("within")) - number(relations.at("across")),
           ">=", 0.0, false, 0.0},
          {"same form of asking minus the other one", "AUROC", number(forms.at("within")) - number(forms.at("across"))},
          {"another relation minus log p there", "AUROC", number(relations.at("across_above_baseline"))},
          {"known but wrong: probe's pick minus greedy", "share",
           number(wrong.at("probe")) - number(wrong.at("greedy")), ">=", 0.0, false, 0.0},
          {"known but wrong: probe's pick", "share", number(wrong.at("probe"))},
          {"known but wrong: greedy", "share", number(wrong.at("greedy"))},
          {"known but wrong: random sample", "share", number(wrong.at("random"))},
          {"known but wrong: questions", "count", number(wrong.at("n"))},
          {"all: probe's pick minus greedy", "share", number(all.at("probe")) - number(all.at("greedy")), "", 0, true},
          {"erring questions of a type", "share", number(resampling.at("covered_of_erring"))}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "llms-know-more",
              .family = "inside",
              .title = "LLMs know more than they show",
              .paper = "arXiv 2410.02707",
              .sentence = "Whether an answer is right is read better at its exact tokens than at the last one, not "
                          "across kinds of facts, and picks right answers where most samples are wrong.",
              .example = "ken reproduce llms-know-more",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::llms_know_more_claim_file
