// DoLa's claim (arXiv 2309.03883): contrasting layers makes answers more factual. On closed-book questions of every
// exposure; the half of the layers is chosen on other questions.
#include "ken/base/select.h"
#include "ken/evidence/fluency.h"
#include "ken/evidence/passage_judge.h"
#include "ken/stats/stats.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::dola_claim_file {
namespace {

using evidence::PassageJudge;
using Facts = std::vector<const data::Fact*>;

struct Asked {
  double right = 0, common = 0, rare = 0;  // common: facts that documents state 16 times or more
  double fluency = 0;
};

Asked ask(const ClaimInput& input, const Facts& facts, const PassageJudge::Controls& controls) {
  std::vector<generate::Request> requests;
  std::vector<std::vector<generate::Prompt>> prompts;
  for (const auto* fact : facts) {
    requests.push_back(evidence::closed_book(*fact, input.style));
    prompts.push_back({requests.back().prompt});
    requests.back().controls = controls;
  }
  const auto answers = evidence::greedy_answers(input.model, requests, nn::Compute::f32);
  double right[2] = {}, n[2] = {};
  for (size_t i = 0; i < facts.size(); ++i) {
    const size_t common = facts[i]->exposure >= 16;
    right[common] += data::same_answer(answers[i].text, facts[i]->answers), n[common] += 1;
  }
  return {(right[0] + right[1]) / (n[0] + n[1]), right[1] / std::max(n[1], 1.0), right[0] / std::max(n[0], 1.0),
          evidence::fluency(input.model, prompts, answers).all};
}

PassageJudge::Controls dola(const char* layers, double mask = 0.1) {
  return {generate::control_from("dola", {{"layers", layers}, {"mask", mask}})};
}

std::vector<Figure> run(const ClaimInput& input) {
  Facts choice, judged;
  std::vector<size_t> seen;
  for (size_t i = 0; i < input.facts.facts.size(); ++i)
    if (input.facts.facts[i].exposure > 0) seen.push_back(i);
  seen = draw(std::move(seen), 1500, input.seed);
  std::vector<std::string> groups;
  for (const size_t i : seen) groups.push_back(input.facts.facts[i].group);
  const auto folds = stats::grouped_folds(groups, 3, input.seed);
  for (size_t i = 0; i < seen.size(); ++i) (folds[i] == 0 ? choice : judged).push_back(&input.facts.facts[seen[i]]);
  const bool low = ask(input, choice, dola("low")).right > ask(input, choice, dola("high")).right;
  const char *half = low ? "low" : "high", *other = low ? "high" : "low";
  const Asked plain = ask(input, judged, {}), best = ask(input, judged, dola(half)),
              second = ask(input, judged, dola(other)), bare = ask(input, judged, dola(half, 0));
  const PassageJudge judge(input.model, input.facts, input.style, input.seed, {300, 200, 100});
  const auto conflict = [&](const PassageJudge::Controls& controls) {
    return judge.conflict(PassageJudge::Part::judged, controls);
  };
  const auto sources = conflict({}), moved = conflict(dola(half));
  return {
      {"right closed-book, chosen half minus plain", "share", best.right - plain.right, ">=", 0.0, false},
      {"right closed-book, other half minus plain", "share", second.right - plain.right},
      {"right closed-book, chosen half without the mask, minus plain", "share", bare.right - plain.right},
      {"right closed-book, plain", "share", plain.right},
      {"right on facts seen 16 times or more, chosen half minus plain", "share", best.common - plain.common},
      {"right on facts seen less, chosen half minus plain", "share", best.rare - plain.rare},
      {"the lower half was chosen", "", double(low)},
      {"memory answers under conflict, chosen half minus plain", "share", moved.memory - sources.memory, "", 0, true},
      {"neither under conflict, chosen half minus plain", "share", moved.neither - sources.neither, "", 0, true},
      {"right beside an agreeing passage, chosen half minus plain", "share",
       judge.right(PassageJudge::Part::judged, "agree", dola(half)) -
           judge.right(PassageJudge::Part::judged, "agree", {}),
       "", 0, true},
      {"logprob a token of answers, chosen half minus plain", "nats", best.fluency - plain.fluency, "", 0, true},
      {"questions", "questions", double(judged.size())}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "dola",
              .family = "steer",
              .sentence = "Contrasting the last layer with the earlier one that differs most makes answers truer (the "
                          "paper: TruthfulQA up by 12 to 17 points with LLaMA models)."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::dola_claim_file
