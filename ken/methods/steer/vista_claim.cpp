// VISTA's claim (arXiv 2502.03628; steer.md section 4), read for passages: pushing along what the passage did makes
// answers more faithful to it. On conflicts with facts that the model knows; strengths are chosen on other cases.
#include "ken/evidence/passage_judge.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::vista_claim_file {
namespace {

using evidence::PassageJudge;
using Part = PassageJudge::Part;

PassageJudge::Controls vista(const Json& params) { return {generate::control_from("vista", params)}; }

// The setting of most answers from the passage, among those that bring less than a point of answers of neither source
// and lose less than a point beside agreeing passages.
Json chosen(const PassageJudge& judge, double gamma) {
  const double neither = judge.conflict(Part::choice, {}).neither, agree = judge.right(Part::choice, "agree", {});
  Json best{{"lambda", 0.0}, {"gamma", gamma}};
  double most = -1;
  for (const double lambda : {0.01, 0.03, 0.1, 0.17, 0.3, 0.5}) {
    const Json params{{"lambda", lambda}, {"gamma", gamma}};
    const auto s = judge.conflict(Part::choice, vista(params));
    if (s.context > most && s.neither <= neither + 0.01 &&
        judge.right(Part::choice, "agree", vista(params)) >= agree - 0.01)
      best = params, most = s.context;
  }
  return best;
}

std::vector<Figure> run(const ClaimInput& input) {
  const PassageJudge judge(input.model, input.facts, input.style, input.seed, {400, 200, 100});
  const Json push = chosen(judge, 0), both = chosen(judge, 0.3);
  Json random = push;
  random["random"] = true;
  const auto on = [&](const Json& params) { return judge.conflict(Part::judged, vista(params)); };
  const auto plain = judge.conflict(Part::judged, {}), pushed = on(push), full = on(both), other = on(random),
             paper = on(Json::object()), logits = on({{"lambda", 0.0}, {"gamma", 0.3}});
  const auto lost = [&](const std::string& kind, const Json& params) {
    return judge.right(Part::judged, kind, vista(params)) - judge.right(Part::judged, kind, {});
  };
  return {{"context answers, push minus plain", "share", pushed.context - plain.context, ">=", 0.0, false, 0.0},
          {"context answers, push minus random directions of the same strength", "share",
           pushed.context - other.context, ">=", 0.0, false},
          {"context answers, plain", "share", plain.context},
          {"context answers, push and late logits (gamma 0.3) minus plain", "share", full.context - plain.context},
          {"context answers, late logits alone (gamma 0.3) minus plain", "share", logits.context - plain.context},
          {"context answers, default setting minus plain", "share", paper.context - plain.context},
          {"lambda chosen, push", "", push.at("lambda")},
          {"lambda chosen, push and late logits", "", both.at("lambda")},
          {"neither, push minus plain", "share", pushed.neither - plain.neither, "", 0, true},
          {"neither, push and late logits minus plain", "share", full.neither - plain.neither, "", 0, true},
          {"neither, default setting minus plain", "share", paper.neither - plain.neither, "", 0, true},
          {"right beside an agreeing passage, push minus plain", "share", lost("agree", push), "", 0, true},
          {"right beside an irrelevant passage, push minus plain", "share", lost("irrelevant", push), "", 0, true},
          {"logprob a token behind the first, push minus plain", "nats", pushed.fluency.behind - plain.fluency.behind,
           "", 0, true},
          {"questions under conflict", "questions", double(plain.n)}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "vista",
              .family = "steer",
              .sentence = "Pushing along what the passage did to the prompt's last token brings more answers from the "
                          "passage under conflict than plain decoding, and than random directions of the same strength "
                          "(the paper, from images: about 40 % fewer hallucinations on average)."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::vista_claim_file
