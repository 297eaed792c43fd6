// HSO's claim (arXiv 2112.08653; steer.md section 11b): after the cached states of what was read are moved, what
// follows is likelier, and questions behind worked examples are answered better. Documents of no training run; rate and
// window are chosen on other documents.
#include "ken/base/rng.h"
#include "ken/data/prompt_choice.h"
#include "ken/evidence/asking.h"
#include "ken/readout/cache_shift.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/world/texts.h"

namespace ken::tasks::hso_claim_file {
namespace {

constexpr size_t documents = 60, chosen_on = 20, questions = 80;
constexpr int64_t following = 10;  // tokens behind what was optimised

struct Reading {
  std::vector<int32_t> prefix, next;
};

std::vector<Reading> readings(const ClaimInput& input, int64_t first, size_t count) {
  const auto params = train::world_of(input.model.metadata);
  if (!params) fail("hso", "the model says of no world whose documents it has not read");
  const auto texts =
      world::texts_of(std::make_shared<const world::World>(*params), params->documents, params->documents);
  std::vector<Reading> result;
  for (int64_t i = first; result.size() < count; ++i) {
    const auto tokens = model::prompt_ids(input.model, texts.at((i + int64_t(input.seed) * 100000) % texts.count));
    if (int64_t(tokens.size()) < 3 * following) continue;
    result.push_back({{tokens.begin(), tokens.end() - following}, {tokens.end() - following, tokens.end()}});
  }
  return result;
}

// Mean nll of what follows, behind the shifted cache of what stands before it: nats a token.
double following_nll(const ClaimInput& input, const std::vector<Reading>& all, const readout::CacheSteps& steps) {
  double sum = 0;
  for (const Reading& r : all) {
    const auto shift = readout::fit_cache(input.model, r.prefix, steps, nn::Compute::f32);
    const model::TapPlan plan(input.model.config, shift.taps());
    auto tokens = r.prefix;
    tokens.insert(tokens.end(), r.next.begin(), r.next.end());
    const at::NoGradGuard none;
    const auto batch = model::pack({{tokens}}, input.model.config.vocab);
    const auto logits =
        model::forward(input.model, batch, {.taps = &plan, .logits = model::ForwardOptions::Logits::all})
            .logits.narrow(0, int64_t(r.prefix.size()) - 1, following);
    const auto logprobs = at::log_softmax(logits, -1);
    for (int64_t t = 0; t < following; ++t) sum -= logprobs[t][r.next[size_t(t)]].item<double>() / following;
  }
  return sum / double(all.size());
}

readout::CacheSteps chosen(const ClaimInput& input) {
  const auto others = readings(input, 1000, chosen_on);
  readout::CacheSteps best;
  double least = 1e300;
  for (const int64_t window : {10, 25})
    for (const double rate : {1e-3, 3e-3, 1e-2, 3e-2})
      if (const double nll = following_nll(input, others, {rate, window}); nll < least)
        least = nll, best = {rate, window};
  return best;
}

double right(const ClaimInput& input, const data::PromptStyle& style, const std::vector<const data::Fact*>& facts,
             const std::vector<generate::ControlSpec>& controls) {
  std::vector<generate::Request> requests;
  for (const auto* fact : facts) {
    requests.push_back(evidence::closed_book(*fact, style));
    requests.back().controls = controls;
  }
  double hits = 0;
  const auto answers = evidence::greedy_answers(input.model, requests, nn::Compute::f32);
  for (size_t i = 0; i < facts.size(); ++i) hits += data::same_answer(answers[i].text, facts[i]->answers);
  return hits / double(facts.size());
}

std::vector<Figure> run(const ClaimInput& input) {
  const readout::CacheSteps best = chosen(input);
  const auto judged = readings(input, 5000, documents);
  const double plain = following_nll(input, judged, {0, best.window}), moved = following_nll(input, judged, best);
  std::vector<const data::Fact*> facts;
  for (const auto& fact : input.facts.facts)
    if (fact.extra.value("seen", false)) facts.push_back(&fact);
  Rng(input.seed).shuffle(facts);
  facts.resize(std::min(facts.size(), questions));
  const auto style =
      data::choose_style(input.model.metadata, input.model.tokenizer, {.shots = 5, .seed = input.seed}, &input.facts);
  const auto hso = generate::control_from("hso", {{"rate", best.rate}, {"window", best.window}});
  const double shots_plain = right(input, style, facts, {}), shots_moved = right(input, style, facts, {hso});
  return {{"perplexity of the ten tokens that follow, over that without", "ratio", std::exp(moved - plain), "<=", 1.0,
           false, 1.0},
          {"answers behind five worked examples, more than without", "share", shots_moved - shots_plain, ">=", 0.0},
          {"answers behind five worked examples, without", "share", shots_plain},
          {"perplexity of what follows, without", "", std::exp(plain)},
          {"rate, chosen", "", best.rate},
          {"window, chosen", "tokens", double(best.window)}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "hso",
              .family = "steer",
              .sentence =
                  "After one gradient step a window on the cached states, the text that follows is likelier, and "
                  "questions behind worked examples are answered at least as well."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::hso_claim_file
