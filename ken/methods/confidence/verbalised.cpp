// Verbalised confidence (Tian et al., "Just Ask for Calibration", arXiv 2305.14975), in two steps: after its greedy
// answer the model is asked for the probability that it is right, and the first number of the reply is read; above 1 it
// is a percentage. A reply without a number between 0 and 100 counts as 0.5, which imputes what the model did not say:
// `ken confidence` reports how many there were.
#include "ken/data/numbers.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/evidence.h"

namespace ken::evidence::verbalised_file {
namespace {

std::vector<FollowUp> follow(const Question& q, const View& view, const Json&) {
  return {
      {"verbalised",
       data::pose(q.style, fmt::format("Question: {}\nProposed answer: {}\nHow likely is it that the proposed answer "
                                       "is correct? Reply with only a probability between 0.0 and 1.0.\n"
                                       "Probability:",
                                       view.question(), view.greedy().text))}};
}

double score(const View& view, const Json&) {
  return data::first_probability(view.reply("verbalised").text).value_or(0.5);
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "verbalised",
              .family = "confidence",
              .title = "Verbalised confidence",
              .paper = "arXiv 2305.14975",
              .sentence = "The probability of being right that the model states in words; 0.5 where it states none.",
              .example = "ken ask --confidence verbalised \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs = [](const Json&) { return Needs{.greedy = true}; },
     .score = score,
     .follow = follow,
     .probability = true}};

}  // namespace
}  // namespace ken::evidence::verbalised_file
