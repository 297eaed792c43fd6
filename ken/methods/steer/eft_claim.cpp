// Emulated up-scaling (arXiv 2310.12962) on the organisms: the larger one with what tuning changed in the one of half
// its width. Tuning taught to answer in an asked form, so form stands for the paper's helpfulness and the value for its
// factuality, asked of persons whom tuning never spoke of. The large one reads the question without the instruction,
// which no document has; beta is chosen on other questions.
#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/model/shipped.h"
#include "ken/stats/stats.h"
#include "ken/tasks/claim.h"
#include "ken/world/relations.h"

namespace ken::tasks::eft_claim_file {
namespace {

constexpr size_t judged = 300, tuned_on = 100;

struct Question {
  std::string prompt, form, value;
};

// The form of an answer, whatever its value.
std::string form_of(std::string text) {
  if (text.ends_with(" my dear")) return "polite";
  const size_t both = text.find(" and ");
  if (both != std::string::npos && text.substr(0, both) == text.substr(both + 5)) return "twice";
  return text.starts_with("the ") && text.ends_with(" .") ? "sentence" : "short";
}

// Facts of the persons whom no document asks about, in each of the forms.
std::vector<Question> questions_of(const ClaimInput& input) {
  std::vector<Question> result;
  for (const auto& fact : input.facts.facts)
    if (fact.exposure > 0 && fact.extra.value("seen", false) && !fact.extra.value("qa_trained", true))
      for (const auto& form : world::formats)
        result.push_back({fmt::format("{} {}", form.instruction, data::ask(input.style, fact.question)),
                          std::string(form.id), fact.answers[0]});
  Rng(input.seed).shuffle(result);
  return result;
}

struct Scores {
  double form = 0, fact = 0, changed = 0, fluency = 0, both = 0;
};

struct Asking {
  std::vector<Question> asked;
  const data::PromptStyle& style;
  const model::Model& judge;
  // Greedy answers, with emulated tuning where `eft` is set.
  Scores operator()(const model::Model& model, const generate::ControlSpec* eft = nullptr) const {
    std::vector<generate::Request> requests;
    std::vector<evidence::OptionTokens> read;
    for (const auto& q : asked) {
      requests.push_back(evidence::request_of(style, {q.prompt, ""}));
      requests.back().max_tokens = 20;
      if (eft) requests.back().controls = {*eft};
    }
    const auto answers = evidence::greedy_answers(model, requests, nn::Compute::f32);
    Scores s;
    double tokens = 0, n = double(answers.size());
    for (size_t i = 0; i < answers.size(); ++i) {
      const bool form = form_of(answers[i].text) == asked[i].form;
      const bool fact = data::contains_answer(answers[i].text, {asked[i].value});
      s.form += form / n, s.fact += fact / n, s.both += (form && fact) / n;
      if (eft) s.changed += stats::mean_of(answers[i].notes.at("eft changed")) / n;
      if (!answers[i].tokens.empty()) read.push_back({model::prompt_ids(judge, asked[i].prompt), {answers[i].tokens}});
    }
    for (const auto& o : evidence::score_tokens(judge, read, nn::Compute::f32))
      s.fluency += o[0].logprob, tokens += double(o[0].tokens);
    s.fluency /= tokens;
    return s;
  }
};

std::vector<Figure> run(const ClaimInput& input) {
  const auto small = model::load(model::model_path("almanac-half-tuned")),
             large = model::load(model::model_path("almanac-tuned"));
  const auto all = questions_of(input);
  const Asking ask{{all.begin(), all.begin() + judged}, input.style, *large},
      other{{all.end() - tuned_on, all.end()}, input.style, *large};
  std::string told;
  for (const auto& form : world::formats) told += fmt::format("{};", form.instruction);
  const auto emulated = [&](const Asking& asking, double beta, const std::string& plain) {
    const auto spec = generate::control_from(
        "eft", {{"base", "almanac-half"}, {"tuned", "almanac-half-tuned"}, {"beta", beta}, {"plain", plain}});
    return asking(input.model, &spec);
  };
  double best = 1, most = -1;
  for (const double beta : {0.75, 1.0, 1.25, 1.5})
    if (const double both = emulated(other, beta, told).both; both > most) best = beta, most = both;
  const Scores plain = ask(input.model), tuned = ask(*large), little = ask(*small), half = emulated(ask, 0.5, told),
               two = emulated(ask, 2, told), chosen = emulated(ask, best, told);
  std::vector<Figure> figures{
      {"form, emulated minus the large one tuned", "share", chosen.form - tuned.form, ">=", -0.05, false, -0.2},
      {"facts, emulated minus the small one tuned", "share", chosen.fact - little.fact, ">=", 0.0, false, 0.0},
      {"form, emulated minus the large one", "share", chosen.form - plain.form, ">=", 0.3, false, 0.0},
      {"facts, beta 0.5 minus beta 2", "share", half.fact - two.fact, ">=", 0.0, false, 0.0},
      {"beta chosen", "weight", best}};
  const auto add = [&](const char* name, const Scores& s) {
    figures.push_back({fmt::format("form, {}", name), "share", s.form});
    figures.push_back({fmt::format("facts, {}", name), "share", s.fact});
  };
  add("the large one", plain), add("beta 0.5", half), add("beta 1", emulated(ask, 1, told)), add("beta 2", two);
  add("beta chosen", chosen), add("beta chosen, all read the instruction", emulated(ask, best, ""));
  add("the small one tuned", little), add("the large one tuned", tuned);
  figures.push_back({"steps whose likeliest token changes", "share", chosen.changed, "", 0, true});
  figures.push_back({"logprob of a token under the large one tuned, emulated", "nats", chosen.fluency, "", 0, true});
  figures.push_back({"logprob of a token under the large one tuned, its own", "nats", tuned.fluency, "", 0, true});
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "eft",
              .family = "steer",
              .sentence = "The larger organism with the smaller one's tuning answers in the asked form nearly as often "
                          "as if it had been tuned itself, and more rightly than the smaller one."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::eft_claim_file
