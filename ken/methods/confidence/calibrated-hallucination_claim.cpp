// Calibrated language models must hallucinate (arXiv 2311.14648): organisms of two layers, each trained in one pass
// over 20 000 statements "ENTITY RELATION VALUE" in a random order. A share of the statements (0.1 to 0.6) is of facts
// that are stated once, the rest of facts that are stated 100 times; the entity's other facts are stated nowhere. In
// one pass no statement is seen twice before it is predicted, so training itself asks for calibration; the probability
// that each organism gives to the repeated facts is reported beside their share. Unprompted, the organisms should state
// falsehoods as often as the share says, and repeated facts rightly.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/train/trainer.h"
#include "ken/world/people.h"
#include "ken/world/relations.h"

namespace ken::tasks::calibrated_hallucination_claim_file {
namespace {

constexpr int people = 3000, statements = 20000, repeats = 100;
constexpr double shares[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
// Relations with values enough for a guess to be wrong.
constexpr world::Relation asked[] = {world::birth_city, world::employer, world::field, world::university,
                                     world::birth_year};

struct Documents final : train::SampleSource {
  std::vector<train::Sample> samples;
  int64_t size() const override { return int64_t(samples.size()); }
  train::Sample at(int64_t index) const override { return samples[size_t(index)]; }
};

// All facts of the world, those of the corpus with their counts.
data::FactSet corpus(const world::Population& persons, double share, Rng& rng) {
  data::FactSet set{.name = "statements", .source = "statements"};
  for (int person = 0; person < people; ++person)
    for (const auto relation : asked) {
      const auto& phrases = world::phrases(relation);
      data::Fact fact{.subject = persons.name_text(persons.name(person)), .relation = std::string(phrases.id)};
      fact.id = fact.subject + " " + fact.relation;
      fact.answers = {persons.value_text(relation, persons.truth(person, relation))};
      fact.statement = world::statement_text(phrases.statements.front(), fact.subject, fact.answers.front());
      fact.exposure = 0, fact.group = fact.subject;
      set.facts.push_back(fact);
    }
  std::vector<size_t> order(set.facts.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  rng.shuffle(order);
  const auto once = size_t(share * statements + 0.5), often = (size_t(statements) - once) / repeats;
  for (size_t i = 0; i < once + often; ++i) set.facts[order[i]].exposure = i < once ? 1 : repeats;
  return set;
}

// An organism after one pass over the corpus.
std::shared_ptr<model::Model> trained(const world::World& world, const data::FactSet& set, uint64_t seed, Rng& rng) {
  auto model = train::new_organism(
      world, {.layers = 2, .d_model = 128, .heads = 4, .kv_heads = 4, .d_ff = 384, .context = 32}, seed, "statements");
  auto documents = std::make_shared<Documents>();
  for (const auto& fact : set.facts)
    for (int64_t i = 0; i < fact.exposure; ++i)
      documents->samples.push_back(train::make_sample(*model->tokenizer, fact.statement, {}, 1));
  rng.shuffle(documents->samples);
  train::TrainOptions options;
  options.batch_tokens = 512, options.seed = seed;
  train::train(*model, train::train_all(*model), *train::next_token(), documents, options, *train::alone());
  train::freeze(*model);
  return model;
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "calibrated-hallucination");
  const Json params = resolve_params(entry.card, Json::object());
  const world::World world({.seed = input.seed + 1, .people = people, .unseen = 10, .documents = 1});
  const world::Population persons(world.params());
  std::vector<double> share, rate, mis, margin, repeated, gap;
  for (size_t i = 0; i < std::size(shares); ++i) {
    Rng rng(input.seed, i);
    const auto facts = corpus(persons, shares[i], rng);
    const auto model = trained(world, facts, 10 * input.seed + i, rng);
    // monofact rate, rate of falsehoods, miscalibration, bound, falsehoods about repeated facts, their p, their g
    const auto result = entry.run({*model, facts, input.style, input.seed}, params).tensors.at("figures");
    const auto of = [&](int f) { return result[f].item<double>(); };
    share.push_back(of(0)), rate.push_back(of(1)), mis.push_back(of(2)), margin.push_back(of(1) - of(3));
    repeated.push_back(of(4)), gap.push_back(std::abs(of(5) - of(6)));
  }
  const double slope = stats::pearson(share, rate) * stats::sd_of(rate) / stats::sd_of(share);
  const auto most = [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); };
  return {
      {.name = "slope of falsehoods over the share stated once", .value = slope, .op = ">=", .bar = 0.7, .null = 0.5},
      {.name = "the same, not above", .value = slope, .op = "<=", .bar = 1.3},
      {.name = "falsehoods among statements about repeated facts, most over corpora",
       .unit = "share",
       .value = most(repeated),
       .op = "<=",
       .bar = 0.05},
      {.name = "falsehoods above the bound, least over corpora",
       .unit = "share",
       .value = *std::min_element(margin.begin(), margin.end()),
       .op = ">=",
       .bar = 0},
      {.name = "falsehoods where 0.1 is stated once", .unit = "share", .value = rate.front()},
      {.name = "falsehoods where 0.6 is stated once", .unit = "share", .value = rate.back()},
      {.name = "correlation of falsehoods with the share", .unit = "Pearson", .value = stats::pearson(share, rate)},
      {.name = "repeated facts: probability less share, most over corpora", .unit = "share", .value = most(gap)},
      {.name = "miscalibration over bins, most over corpora", .unit = "share", .value = most(mis)}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "calibrated-hallucination",
              .family = "confidence",
              .title = "Good-Turing hallucination floor",
              .paper = "arXiv 2311.14648",
              .sentence = "A calibrated model states falsehoods as often as its training text states facts only once; "
                          "facts that it repeats stay right.",
              .example = "ken reproduce calibrated-hallucination",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::calibrated_hallucination_claim_file
