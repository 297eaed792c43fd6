// Counterfactual tokens (arXiv 2409.17027) on biographies that the organism writes: a sentence about a person, and what
// it goes on with at temperature 1. Agreement is 1 - edit distance / length of the longer text, over tokens.
#include <unistd.h>

#include "ken/base/rng.h"
#include "ken/evidence/agreement.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::counterfactual_tokens_claim_file {
namespace {

using evidence::identical, evidence::mean_agreement, evidence::renamed;
using Texts = std::vector<generate::Generated>;
constexpr size_t prompts = 250, where = 3;  // where: the token that is replaced

struct Items {
  std::vector<std::string> texts, persons, others;  // sentences about persons, each with another person
};
Items items_of(const ClaimInput& input) {
  std::vector<const data::Fact*> facts;
  for (const auto& fact : input.facts.facts)
    if (fact.exposure >= 16 && fact.extra.contains("person_group")) facts.push_back(&fact);
  Rng(input.seed).shuffle(facts);
  Items items;
  for (size_t i = 0; i + 1 < facts.size() && items.texts.size() < prompts; i += 2)
    if (facts[i]->subject != facts[i + 1]->subject)
      items.texts.push_back(facts[i]->statement), items.persons.push_back(facts[i]->subject),
          items.others.push_back(facts[i + 1]->subject);
  return items;
}

struct Writing {
  const model::Model& model;
  Items items;
  uint64_t seed;
  nn::Compute compute = nn::Compute::f32;
  int64_t rows = 256, samples = 1;
  Texts operator()(const std::function<Json(size_t)>& params) const {  // of each item; null: without the Control
    std::vector<generate::Request> requests(items.texts.size());
    for (size_t i = 0; i < requests.size(); ++i) {
      requests[i] = {.prompt = {items.texts[i], ""}, .max_tokens = 24, .samples = samples, .alternatives = 2, .key = i};
      requests[i].sampling = {.temperature = 1, .seed = seed};
      if (params) requests[i].controls = {generate::control_from("counterfactual-tokens", params(i))};
    }
    Texts texts;
    for (auto& some : generate::generate(model, requests, {.compute = compute, .max_rows = rows}))
      texts.insert(texts.end(), some.begin(), some.end());
    return texts;
  }
};

std::vector<Figure> run(const ClaimInput& input) {
  const Writing write{input.model, items_of(input), input.seed};
  const text::Tokenizer& words = *input.model.tokenizer;
  const auto swap_of = [&](size_t i) { return write.items.persons[i] + ">" + write.items.others[i]; };
  const auto with = [&](const char* noise, bool swap) {
    return [&, noise, swap](size_t i) { return Json{{"noise", noise}, {"swap", swap ? swap_of(i) : ""}}; };
  };
  // Replays: four samples of each prompt, written again in other batches and with other threads.
  Writing many{input.model, write.items, input.seed, nn::Compute::f32, 256, 4};
  const Texts four = many(nullptr);
  const int threads = at::get_num_threads();
  at::set_num_threads(2), many.rows = 28;
  const double replayed = identical(four, many(with("same", false)));
  at::set_num_threads(threads);
  const Texts factual = write(nullptr), ranked = write(with("position", false));
  const Texts same = write(with("same", true)), fresh = write(with("fresh", true));
  const auto unnamed = [&](const Texts& t) { return renamed(words, t, write.items.others, write.items.persons); };
  const double nearer = mean_agreement(factual, same) - mean_agreement(factual, fresh);
  // The likeliest other token in one token's place; texts that end before it go on unchanged.
  const auto replaced = [&](const char* kind) {
    return mean_agreement(factual, write([&, kind](size_t i) {
                            if (factual[i].tokens.size() <= where) return Json{{"noise", kind}};
                            const auto& two = factual[i].alternatives[where];
                            const int32_t other = two[two[0].token == factual[i].tokens[where]].token;
                            return Json{{"noise", kind}, {"at", where}, {"token", words.decode({&other, 1})}};
                          }),
                          where + 1);
  };
  // The factual texts as if they came from elsewhere: other seeds know nothing of their noise.
  const Writing elsewhere{input.model, write.items, input.seed + 1000},
      fast{input.model, write.items, input.seed, nn::Compute::fast};
  const auto seen = [&](bool swap) {
    return elsewhere([&, swap](size_t i) {
      const bool ended = factual[i].finish == "stop";
      return Json{{"observed", words.decode(factual[i].tokens)}, {"ended", ended}, {"swap", swap ? swap_of(i) : ""}};
    });
  };
  const auto stored = [&](const char* type) {
    const fs::path path = fs::temp_directory_path() / fmt::format("ken-counterfactual-{}.gguf", ::getpid());
    model::save(input.model, path, io::weight_type(type));
    const auto copy = model::load(path);
    fs::remove(path);  // the mapping stays
    return mean_agreement(factual, Writing{*copy, write.items, write.seed}(nullptr));
  };
  return {{"replays without an edit that are token-identical", "share", replayed, ">=", 1.0, false, 0.9},
          {"another person: agreement, same noise minus fresh", "share", nearer, ">=", 0.15, false, 0.0},
          {"another person: agreement, same noise", "share", mean_agreement(factual, same)},
          {"another person: agreement, fresh noise", "share", mean_agreement(factual, fresh)},
          {"another person: agreement, noise by rank", "share", mean_agreement(ranked, write(with("position", true)))},
          {"names undone: agreement, same noise", "share", mean_agreement(factual, unnamed(same))},
          {"names undone: agreement, fresh noise", "share", mean_agreement(factual, unnamed(fresh))},
          {"token replaced: agreement after it, same noise", "share", replaced("same")},
          {"token replaced: agreement after it, fresh noise", "share", replaced("fresh")},
          {"hindsight noise: observed texts replayed token by token", "share", identical(factual, seen(false))},
          {"hindsight noise, another person: agreement", "share", mean_agreement(factual, seen(true))},
          {"replay in fast arithmetic: agreement", "share", mean_agreement(factual, fast(nullptr))},
          {"replay with the weights in F32: agreement", "share", stored("f32")},
          {"replay with the weights in Q4_0: agreement", "share", stored("q4_0")}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "counterfactual-tokens",
              .family = "steer",
              .sentence =
                  "The same noise replays a text token by token, and keeps that of another person nearer to it."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::counterfactual_tokens_claim_file
