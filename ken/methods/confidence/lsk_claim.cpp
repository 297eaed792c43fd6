// Language-specific knowledge on the almanac. The world's own facts of the second language are spread over persons and
// relations at random, so that no topic tells the language. The claim plants topics, as the paper expects them of
// cultures: for a minute the model is trained further, on facts of persons it has never met, of which three relations
// (drawn by the seed) are stated and asked in the second language only and the others in the dominant one only, with
// some of the world's own documents between them.
#include <algorithm>

#include "ken/base/rng.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/train/trainer.h"
#include "ken/world/relations.h"

namespace ken::tasks::lsk_claim_file {
namespace {

const std::string dominant = "dominant", second = "second language";
constexpr int second_topics = 3, documents_of_a_fact = 10;

struct Planted final : train::SampleSource {
  int64_t size() const override { return int64_t(samples.size()); }
  train::Sample at(int64_t index) const override { return samples[size_t(index)]; }
  std::vector<train::Sample> samples;
};

// Half of the documents state the fact, half ask for it, in one language.
world::Document document_of(const data::Fact& fact, bool in_second, bool asks, Rng& rng) {
  int relation = 0;
  while (world::phrases(relation).id != fact.relation) ++relation;
  const world::Phrases& language = world::phrases(relation);
  const std::string& value = in_second ? fact.variants.at(1).answers.front() : fact.answers.front();
  world::Document document;
  if (asks) {
    const auto& questions = in_second ? language.questions2 : language.questions;
    const size_t usual = in_second ? questions.size() : size_t(world::trained_questions);
    document.text = (in_second ? "D: " : "Q: ") + world::question_text(questions[rng.below(usual)], fact.subject) +
                    (in_second ? " R: " : " A: ") + value;
    document.answers = {{document.text.size() - value.size(), document.text.size()}};
  } else {
    const auto& statements = in_second ? language.statements2 : language.statements;
    const size_t usual = in_second ? statements.size() : size_t(world::trained_statements);
    document.text = world::statement_text(statements[rng.below(usual)], fact.subject, value);
  }
  return document;
}

// Facts of two fifths of the persons of no document, each with the language that its topic is planted in.
data::FactSet topics(const data::FactSet& all, uint64_t seed) {
  std::vector<std::string> relations;
  for (int r = 0; r < world::relation_count; ++r)
    if (r != world::group) relations.emplace_back(world::phrases(r).id);
  Rng(seed, 5).shuffle(relations);
  const auto end = relations.begin() + second_topics;
  data::FactSet facts{.name = all.name, .source = all.source};
  for (const auto& fact : all.facts) {
    if (fact.extra.value("seen", true) || fact.variants.size() < 2) continue;
    if (Rng(seed, fact.extra.at("person").get<uint64_t>()).below(5) > 1) continue;
    facts.facts.push_back(fact);
    facts.facts.back().extra["language"] = std::find(relations.begin(), end, fact.relation) != end ? second : dominant;
  }
  return facts;
}

model::Model trained_on(const ClaimInput& input, const data::FactSet& facts) {
  const auto params = train::world_of(input.model.metadata);
  if (!params) fail("lsk", "{} does not say which world it was trained on", input.model.config.name);
  const world::World world(*params);
  const auto source = std::make_shared<Planted>();
  Rng rng(input.seed, 6);
  for (const auto& fact : facts.facts)
    for (int d = 0; d < documents_of_a_fact; ++d) {
      std::vector<world::Document> documents{document_of(fact, fact.extra.at("language") == second, d % 2 == 1, rng)};
      if (d % 4 == 0) documents.push_back(world.document(int64_t(rng.below(uint64_t(params->documents)))));
      for (const auto& document : documents)
        source->samples.push_back(train::make_sample(*input.model.tokenizer, document.text, document.answers, 3));
    }
  model::Model model = input.model;
  train::TrainOptions options;
  options.optimizer.lr = 0.01, options.optimizer.table_lr = 0.0075;  // half of what trained the model
  options.batch_tokens = 1024, options.epochs = 2, options.shuffle = true, options.seed = input.seed;
  const auto group = train::alone();
  train::train(model, train::train_all(model), *train::next_token(), source, options, *group);
  train::freeze(model);
  return model;
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "lsk");
  const data::FactSet facts = topics(input.facts, input.seed);
  const model::Model model = trained_on(input, facts);
  const Json table = entry.run({model, facts, input.style, input.seed}, resolve_params(entry.card, {})).table,
             &recovery = table.at("recovery");
  std::vector<Figure> figures{
      {"routed over always dominant, relative gain", "share", table.at("relative_gain"), ">=", 0.1, false, 0.0},
      {"planting recovered, mean over languages", "share", recovery.at("balanced"), ">=", 0.8, false, 0.5},
      {"the same, shuffled map", "share", table.at("recovery_shuffled").at("balanced"), "", 0, true}};
  for (const auto& [name, value] : table.at("accuracy").items())
    figures.push_back({"accuracy, " + name, "share", value.at("value")});
  for (const auto& [language, found] : recovery.at("routed_to_its_language").items())
    figures.push_back({"facts of the " + language + " routed to it", "share", found.at("value")});
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "lsk",
              .family = "confidence",
              .title = "Language-specific knowledge",
              .paper = "arXiv 2505.14990",
              .sentence = "Where topics are known in one language only, asking each question in the language of its "
                          "cluster is right a tenth oftener than asking all in the dominant one, and the map finds the "
                          "topics' languages.",
              .example = "ken reproduce lsk",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::lsk_claim_file
