// P(True) (Kadavath et al., "Language Models (Mostly) Know What They Know", arXiv 2207.05221): the model grades its own
// greedy answer, c = P(True) / (P(True) + P(False)).
//   claim:   the fact's statement with the answer in it, judged in the prompt style's own form
//   letters: "Is the possible answer: (A) True (B) False", also with the two swapped; the mean takes out a liking for a
//            place. With `shown` the sampled answers stand before it as brainstormed ideas.
#include "ken/evidence/asking.h"
#include "ken/evidence/meaning.h"

namespace ken::evidence::p_true_file {
namespace {

std::string letters(const Question& q, const View& view, const Json& params, bool swapped) {
  std::string shown;
  if (params.at("shown").get<bool>()) {
    shown = "Brainstormed answers:\n";
    for (const auto& sample : view.samples()) shown += sample.text + "\n";
  }
  return data::pose(q.style, fmt::format("Question: {}\n{}Possible answer: {}\nIs the possible answer:\n (A) {}\n (B) "
                                         "{}\nThe possible answer is:",
                                         view.question(), shown, view.greedy().text, swapped ? "False" : "True",
                                         swapped ? "True" : "False"));
}

std::vector<FollowUp> follow(const Question& q, const View& view, const Json& params) {
  if (params.at("form") == "claim") {
    data::Fact fact = q.fact;
    if (fact.question.empty()) fact.question = view.question();
    const OptionItem item = verdicts({.statement = statement_with(fact, view.greedy().text)}, q.style);
    return {{"p-true claim", item.prompt, item.options}};
  }
  const std::string blank = q.style.chat ? "" : " ", id = params.at("shown").get<bool>() ? "p-true shown" : "p-true";
  return {{id, letters(q, view, params, false), {blank + "(A", blank + "(B"}},
          {id + " swapped", letters(q, view, params, true), {blank + "(B", blank + "(A"}}};
}

double share(const Reply& reply) { return 1 / (1 + std::exp(reply.logprobs.at(1) - reply.logprobs.at(0))); }

double score(const View& view, const Json& params) {
  if (params.at("form") == "claim") return share(view.reply("p-true claim"));
  const std::string id = params.at("shown").get<bool>() ? "p-true shown" : "p-true";
  return (share(view.reply(id)) + share(view.reply(id + " swapped"))) / 2;
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "p-true",
              .family = "confidence",
              .title = "P(True)",
              .paper = "arXiv 2207.05221",
              .sentence = "The probability that the model calls its own greedy answer true.",
              .params = {{"form",
                          "claim",
                          "how it is asked: as a claim in the prompt style's form, or by letters",
                          -1e300,
                          1e300,
                          {"claim", "letters"}},
                         {"shown", false, "show sampled answers first (letters)"},
                         samples_param(),
                         temperature_param()},
              .example = "ken ask --confidence p-true \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs =
         [](const Json& p) {
           return p.at("shown").get<bool>() && p.at("form") == "letters" ? sampled(p, true) : Needs{.greedy = true};
         },
     .score = score,
     .follow = follow,
     .probability = true}};

}  // namespace
}  // namespace ken::evidence::p_true_file
