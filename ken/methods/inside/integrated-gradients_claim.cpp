// Integrated gradients on the almanac (arXiv 1703.01365): complete to 5 %, more on the subject's tokens than on
// others, and the tokens they name matter more to the answer than tokens drawn at random. The baseline that replaces
// each token by the mean embedding also takes the question's frame away; another person's question as long leaves it.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::integrated_gradients_claim_file {
namespace {

Json attributed(const ClaimInput& input, const Json& params) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "integrated-gradients");
  return entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, params)).table;
}

double number(const Json& num) { return num.at("value").is_null() ? NAN : num.at("value").get<double>(); }
double subject_above(const Json& table) {
  return number(table.at("subject_share_per_token")) - number(table.at("other_share_per_token"));
}
double complete(const Json& table) { return number(table.at("completeness").at("within_bound")); }

std::vector<Figure> run(const ClaimInput& input) {
  const Json mean = attributed(input, {{"max_items", 120}, {"against", "corrupt"}}),
             corrupt = attributed(input, {{"max_items", 120}, {"against", "corrupt"}, {"baseline", "corrupt"}}),
             zero = attributed(input, {{"max_items", 30}, {"against", "corrupt"}, {"baseline", "zero"}}),
             plain = attributed(input, {{"max_items", 120}, {"against", "corrupt"}, {"rule", "gradient-x-input"}}),
             layer = attributed(input, {{"max_items", 120}, {"against", "corrupt"}, {"of", "layer"}, {"depth", 0.25}});
  const auto figure = [](const char* name, const char* unit, double value) {
    return Figure{.name = name, .unit = unit, .value = value};
  };
  const auto held = [](const char* name, const char* unit, double value, const char* op, double bar, double null) {
    return Figure{.name = name, .unit = unit, .value = value, .op = op, .bar = bar, .null = null};
  };
  return {
      held("completeness gap, mean embedding (median)", "share", mean.at("completeness").at("median_gap"), "<=", 0.05,
           1),
      figure("items with a gap of at most 5 %, mean embedding", "share", complete(mean)),
      figure("items with a gap of at most 5 %, zero embedding", "share", complete(zero)),
      held("subject above other tokens, mean embedding", "share a token", subject_above(mean), ">=", 0, 0),
      figure("items with more on the subject, mean embedding", "share", number(mean.at("subject_above_others"))),
      held("subject above other tokens, another person's question", "share a token", subject_above(corrupt), ">=", 0,
           0),
      figure("subject above other tokens, states at a quarter of the depth", "share a token", subject_above(layer)),
      held("comprehensiveness above random tokens, mean embedding", "probability",
           number(mean.at("comprehensiveness_better_than_random")), ">=", 0, 0),
      figure("the same, another person's question", "probability",
             number(corrupt.at("comprehensiveness_better_than_random"))),
      figure("the same, gradient x input", "probability", number(plain.at("comprehensiveness_better_than_random"))),
      held("sufficiency under random tokens', mean embedding", "probability",
           number(mean.at("sufficiency_better_than_random")), ">=", 0, 0),
      figure("rank correlation with single patches, another person's question", "rho",
             number(corrupt.at("rank_correlation_with_single_patches"))),
  };
}

const Register<ClaimEntry> entry{
    {.card = {.id = "integrated-gradients",
              .family = "inside",
              .title = "Integrated gradients",
              .paper = "arXiv 1703.01365",
              .sentence = "Attribution along a line from a baseline accounts for all of an answer's logit, lies on the "
                          "subject, and names tokens that the answer needs.",
              .example = "ken reproduce integrated-gradients",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::integrated_gradients_claim_file
