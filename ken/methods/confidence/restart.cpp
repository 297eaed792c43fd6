// Restart probability (Manvi et al., "Adaptive Inference-Time Compute: LLMs Can Predict if They Can Do Better, Even
// Mid-Generation", arXiv 2410.02725): after the answer the model is asked whether it would do better if it started
// over;
//   v = P(No) / (P(No) + P(Yes)) is the chance that a fresh sample would not beat this one.
// The paper tunes the model to say so; an untuned one is asked as it is, and its v wants calibrating.
#include "ken/evidence/asking.h"
#include "ken/evidence/evidence.h"

namespace ken::evidence::restart_file {
namespace {

std::vector<FollowUp> follow(const Question& q, const View& view, const Json&) {
  const std::string blank = q.style.chat ? "" : " ";
  return {
      {"restart",
       data::pose(q.style, fmt::format("Question: {}\nAnswer: {}\nWould you do better if you started over? (Yes / No)"
                                       "\nReply:",
                                       view.question(), view.greedy().text)),
       {blank + "No", blank + "Yes"}}};
}

double score(const View& view, const Json&) {
  const auto& logprobs = view.reply("restart").logprobs;
  return 1 / (1 + std::exp(logprobs.at(1) - logprobs.at(0)));
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "restart",
              .family = "confidence",
              .title = "Restart probability",
              .paper = "arXiv 2410.02725",
              .sentence = "The probability with which the model says that starting over would not do better.",
              .example = "ken ask --confidence restart \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs = [](const Json&) { return Needs{.greedy = true}; },
     .score = score,
     .follow = follow,
     .probability = true}};

}  // namespace
}  // namespace ken::evidence::restart_file
