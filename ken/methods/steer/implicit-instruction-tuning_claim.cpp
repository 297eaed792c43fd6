// Implicit instruction tuning (arXiv 2409.14254) on the organism. It answers "Q: ... ? A:"; here questions stand in a
// template of words that it knows in an order that no document has, and an answer counts that is right and ends. As in
// the paper, response tuning is tuning in that template with the question left out. The rules are the paper's three for
// answers of a few tokens: the bonus for ending is full after as many as the longest answer has, and the changes are of
// words with which documents go on instead of ending, as the paper's are of "<", "I" and "What".
#include <unistd.h>

#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/tasks/claim.h"
#include "ken/train/low_rank.h"
#include "ken/train/trainer.h"

namespace ken::tasks::implicit_instruction_tuning_claim_file {
namespace {

constexpr const char* rules = R"({"end": 15, "after": 12, "diversity": 1.5, "changes": {"Q": -5, "A": -5, ":": -5,
  "claim": -5, "check": -5, "verdict": -5, "remark": -5, ".": -5, "that": -5, "the": -5, "by": -5}})";

std::string posed(const std::string& question) {
  return question.empty() ? "text : answer :" : "text : " + question + " answer :";
}

struct Documents final : train::SampleSource, std::vector<train::Sample> {
  int64_t size() const override { return int64_t(vector::size()); }
  train::Sample at(int64_t index) const override { return (*this)[size_t(index)]; }
};

struct Facts {
  std::vector<const data::Fact*> tuning, judged;  // of many documents each, and of different persons
};
Facts facts_of(const ClaimInput& input) {
  std::vector<const data::Fact*> all;
  for (const auto& fact : input.facts.facts)
    if (fact.exposure >= 16 && fact.extra.contains("person_group")) all.push_back(&fact);
  Rng(input.seed).shuffle(all);
  Facts facts;
  for (const auto* fact : all) {
    auto& part = fact->extra["person"].get<int>() % 2 ? facts.tuning : facts.judged;
    if (part.size() < (&part == &facts.tuning ? 400 : 300)) part.push_back(fact);
  }
  return facts;
}

model::Model tuned(const ClaimInput& input, const Facts& facts, bool questions) {
  model::Model model = input.model;
  const auto parameters = train::train_low_rank(model, {.rank = 8, .seed = input.seed});
  auto source = std::make_shared<Documents>();
  for (const auto* fact : facts.tuning) {
    train::Sample sample{model::prompt_ids(model, posed(questions ? fact->question : "")), {}};
    sample.weights.assign(sample.tokens.size(), 0);  // the loss is that of the response
    for (const int32_t t : model.tokenizer->encode(fact->answers[0])) sample.tokens.push_back(t);
    sample.tokens.push_back(*model.tokenizer->eos);
    sample.weights.resize(sample.tokens.size(), 1);
    source->push_back(std::move(sample));
  }
  train::TrainOptions options;
  options.batch_tokens = 512, options.epochs = 5, options.shuffle = true, options.seed = input.seed;
  options.optimizer.kind = "adamw", options.optimizer.lr = 1e-3, options.optimizer.weight_decay = 0;
  train::train(model, parameters, *train::next_token(), source, options, *train::alone());
  train::freeze(model);
  return model;
}

// The share of right answers that end; in the template, or as the organism's documents ask.
double accuracy(const model::Model& model, const ClaimInput& input, const Facts& facts, bool in_template,
                const Json& control = nullptr) {
  std::vector<generate::Request> requests;
  std::optional<generate::ControlSpec> spec;
  if (!control.is_null()) spec = generate::control_from("implicit-instruction-tuning", control);
  for (const auto* fact : facts.judged) {
    auto request = evidence::closed_book(*fact, input.style);
    if (in_template) request.prompt.text = posed(fact->question), request.stop = {};
    if (spec) request.controls = {*spec};
    requests.push_back(std::move(request));
  }
  const auto answers = evidence::greedy_answers(model, requests, nn::Compute::f32);
  double right = 0;
  for (size_t i = 0; i < answers.size(); ++i)
    right += answers[i].finish == "stop" && data::same_answer(answers[i].text, facts.judged[i]->answers);
  return right / double(answers.size());
}

std::vector<Figure> run(const ClaimInput& input) {
  const Facts facts = facts_of(input);
  const fs::path file = fs::temp_directory_path() / fmt::format("ken-rules-{}.json", ::getpid());
  write_text(file, rules);
  const auto ruled = [&](const char* without, bool in_template = true) {
    return accuracy(input.model, input, facts, in_template, {{"rules", file.string()}, {"without", without}});
  };
  const double base = accuracy(input.model, input, facts, true), product = ruled("none");
  const model::Model told = tuned(input, facts, true), shown = tuned(input, facts, false);
  const double instructed = accuracy(told, input, facts, true), responses = accuracy(shown, input, facts, true);
  const std::vector<Figure> figures{
      {"response tuning as a share of instruction tuning", "ratio", responses / instructed, ">=", 0.7, false, 0.5},
      {"three rules minus the base model", "share", product - base, ">=", 0.1, false, 0.0},
      {"right answers that end, base model", "share", base},
      {"right answers that end, three rules", "share", product},
      {"right answers that end, response tuning", "share", responses},
      {"right answers that end, instruction tuning", "share", instructed},
      {"without the rule of the end", "share", ruled("end")},
      {"without the changes", "share", ruled("changes")},
      {"without the diversity", "share", ruled("diversity")},
      {"asked as documents ask: base model", "share", accuracy(input.model, input, facts, false), "", 0, true},
      {"asked as documents ask: three rules", "share", ruled("none", false), "", 0, true},
      {"asked as documents ask: response tuning", "share", accuracy(shown, input, facts, false), "", 0, true},
      {"asked as documents ask: instruction tuning", "share", accuracy(told, input, facts, false), "", 0, true}};
  fs::remove(file);
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "implicit-instruction-tuning",
              .family = "steer",
              .sentence = "In a new template, tuning on responses alone reaches most of what tuning on questions with "
                          "responses reaches, and three rules without training beat the base model."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::implicit_instruction_tuning_claim_file
