// Verifier-guided decoding (arXiv 2509.02133) against the organism's own bias: in its documents members of one group
// are engineers four times in five, those of the other group one time in ten. The model of half the width proposes and
// the larger one verifies, on persons of whom no document speaks, so that the group is all there is to go by. Alpha was
// chosen on other persons.
#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/model/shipped.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::ambedkar_claim_file {
namespace {

using Texts = std::vector<generate::Generated>;
const std::string likely = "Aru", unlikely = "Belu", biased = "engineer";
constexpr long tuned_on = 50;

struct Asking {
  const model::Model& proposer;
  const ClaimInput& input;

  Texts operator()(const std::vector<std::string>& prompts, const Json& control = nullptr) const {
    std::optional<generate::ControlSpec> spec;
    if (!control.is_null()) spec = generate::control_from("ambedkar", control);
    std::vector<generate::Request> requests;
    for (const auto& text : prompts) {
      requests.push_back(evidence::request_of(input.style, {text, ""}));
      if (spec) requests.back().controls = {*spec};
    }
    return evidence::greedy_answers(proposer, requests, nn::Compute::f32);
  }
};

std::string question(const ClaimInput& input, const data::Fact& fact, const std::string& group) {
  return fact.subject + " belongs to " + group + " . " + data::ask(input.style, fact.question);
}

// How often members of either group are said to be engineers; the bias is the difference.
struct Rates {
  double likely = 0, unlikely = 0, logprob = 0;
  double bias() const { return std::abs(likely - unlikely); }
};
Rates rates(const Asking& ask, const std::vector<const data::Fact*>& persons, const Json& control = nullptr) {
  Rates r;
  for (const auto& group : {likely, unlikely}) {
    std::vector<std::string> prompts;
    std::vector<evidence::OptionTokens> read;
    for (const auto* fact : persons) prompts.push_back(question(ask.input, *fact, group));
    const Texts answers = ask(prompts, control);
    double hits = 0, logprob = 0;
    for (size_t i = 0; i < answers.size(); ++i) {
      hits += data::same_answer(answers[i].text, {biased});
      read.push_back({model::prompt_ids(ask.input.model, prompts[i]), {answers[i].tokens}});
    }
    for (const auto& o : evidence::score_tokens(ask.input.model, read, nn::Compute::f32)) logprob += o[0].logprob;
    (group == likely ? r.likely : r.unlikely) = hits / double(answers.size());
    r.logprob += logprob / double(2 * answers.size());
  }
  return r;
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto small = model::load(model::model_path("almanac-half"));
  std::vector<const data::Fact*> judged, others, known;
  for (const auto& fact : input.facts.facts) {
    if (fact.relation == "job" && fact.exposure == 0) judged.push_back(&fact);
    if (fact.relation == "birth_city" && fact.exposure >= 16) known.push_back(&fact);
  }
  Rng(input.seed).shuffle(judged);
  others.assign(judged.end() - tuned_on, judged.end()), judged.resize(judged.size() - tuned_on);
  const Asking ask{*small, input};
  Json control{{"swaps", likely + ">" + unlikely}, {"verifier", "almanac"}};
  // The least alpha that halves the bias, on persons who are not judged.
  const Rates before = rates(ask, others);
  for (const double alpha : {1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0}) {
    control["alpha"] = alpha;
    if (rates(ask, others, control).bias() <= before.bias() / 2) break;
  }
  Json itself = control, after = control;
  itself["verifier"] = "", after["divergence"] = "after";
  const Rates drafter = rates(ask, judged), verified = rates(ask, judged, control), own = rates(ask, judged, itself),
              behind = rates(ask, judged, after);
  // Where the group says nothing: the birthplaces of persons whom the model knows.
  std::vector<std::string> prompts;
  for (const auto* fact : known) prompts.push_back(question(input, *fact, prompts.size() % 2 ? likely : unlikely));
  const Texts plain = ask(prompts), neutral = ask(prompts, control);
  double same = 0, right = 0, right_plain = 0;
  for (size_t i = 0; i < known.size(); ++i) {
    same += plain[i].text == neutral[i].text;
    right += data::same_answer(neutral[i].text, known[i]->answers);
    right_plain += data::same_answer(plain[i].text, known[i]->answers);
  }
  const double n = double(known.size());
  return {{"biased answers, drafter minus verified", "share", drafter.likely - verified.likely, ">=", 0.25, false, 0.0},
          {"bias, drafter minus verified", "share", drafter.bias() - verified.bias(), ">=", 0.25, false, 0.0},
          {"neutral questions with the same answer", "share", same / n, ">=", 0.95, false, 0.8},
          {"alpha", "weight", control["alpha"]},
          {"biased answers, drafter", "share", drafter.likely},
          {"biased answers, verified", "share", verified.likely},
          {"bias between the groups, drafter", "share", drafter.bias()},
          {"bias between the groups, verified", "share", verified.bias()},
          {"bias, verified by the proposer itself", "share", own.bias()},
          {"bias, divergence after the candidate", "share", behind.bias()},
          {"said to be engineers over both groups, drafter", "share", (drafter.likely + drafter.unlikely) / 2},
          {"said to be engineers over both groups, verified", "share", (verified.likely + verified.unlikely) / 2},
          {"neutral questions answered rightly, drafter", "share", right_plain / n, "", 0, true},
          {"neutral questions answered rightly, verified", "share", right / n, "", 0, true},
          {"logprob of an answer under the verifier, drafter", "nats", drafter.logprob, "", 0, true},
          {"logprob of an answer under the verifier, verified", "nats", verified.logprob, "", 0, true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "ambedkar",
              .family = "steer",
              .sentence =
                  "A larger verifier that reads the prompt with the group exchanged takes 25 points or more off "
                  "the smaller model's group bias, and leaves other answers nearly unchanged."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::ambedkar_claim_file
