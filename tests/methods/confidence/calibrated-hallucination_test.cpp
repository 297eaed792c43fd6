// The hallucination floor: sentences are read by the facts' own forms, the terms are worked out by hand, and a model
// that has learned its few facts by heart states no falsehood.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/fact_sentences.h"
#include "ken/readout/analysis.h"
#include "ken/train/trainer.h"
#include "tests/tiny.h"

namespace ken::readout::calibrated_hallucination_test_file {
namespace {

// Towns of persons of the tiny world's words, with counts.
data::FactSet towns(const std::vector<int64_t>& exposures) {
  data::FactSet set{.name = "towns", .source = "towns"};
  std::set<std::string> seen;
  for (const auto& fact : test::tiny_facts().facts) {
    if (fact.relation != "birth_city" || set.facts.size() == exposures.size()) continue;
    data::Fact copy{.id = fact.id, .subject = fact.subject, .relation = fact.relation, .question = fact.question};
    copy.answers = fact.answers, copy.exposure = exposures[set.facts.size()], copy.group = fact.subject;
    copy.statement = fact.subject + " was born in " + fact.answers[0] + " .";
    set.facts.push_back(copy);
  }
  return set;
}

AnalysisResult run(const model::Model& model, const data::FactSet& facts, const Json& params) {
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "calibrated-hallucination");
  return entry.run({model, facts, data::prompt_style(model.metadata), 1}, resolve_params(entry.card, params));
}

struct Documents final : train::SampleSource {
  std::vector<train::Sample> samples;
  int64_t size() const override { return int64_t(samples.size()); }
  train::Sample at(int64_t index) const override { return samples[size_t(index)]; }
};

std::shared_ptr<model::Model> taught(const data::FactSet& set) {
  auto model = test::tiny_model();
  auto documents = std::make_shared<Documents>();
  for (const auto& fact : set.facts)
    for (int64_t i = 0; i < fact.exposure; ++i)
      documents->samples.push_back(train::make_sample(*model->tokenizer, fact.statement, {}, 1));
  train::TrainOptions options;
  options.batch_tokens = 128, options.epochs = 12, options.shuffle = true;
  train::train(*model, train::train_all(*model), *train::next_token(), documents, options, *train::alone());
  train::freeze(*model);
  return model;
}

TEST(FactSentencesTest, statements_are_read_by_the_facts_forms_and_only_plausible_ones) {
  std::vector<data::Fact> facts(3);
  facts[0] = {.subject = "Ada Moss", .relation = "town", .answers = {"Rome"}, .statement = "Ada Moss lives in Rome ."};
  facts[1] = {.subject = "Ben Hill", .relation = "town", .answers = {"Oslo"}, .statement = "Ben Hill lives in Oslo ."};
  facts[2] = {.subject = "Ben Hill", .relation = "pet", .answers = {"cat"}, .statement = "the cat is of Ben Hill ."};
  const evidence::FactSentences sentences(facts);
  const auto read = [&](const std::string& text) {
    const auto told = sentences.read(text);
    return told ? told->subject + "|" + told->relation + "|" + told->value : "";
  };
  EXPECT_EQ(read("Ada Moss lives in Rome ."), "Ada Moss|town|Rome");
  EXPECT_EQ(read("Ada Moss lives in Oslo . And more"), "Ada Moss|town|Oslo");
  EXPECT_EQ(read("Ada Hill lives in Oslo ."), "Ada Hill|town|Oslo");  // nobody, but of such words
  EXPECT_EQ(read("the cat is of Ada Hill ."), "Ada Hill|pet|cat");
  EXPECT_EQ(read("Moss Ada lives in Oslo ."), "");  // words out of their place
  EXPECT_EQ(read("Ada lives in Oslo ."), "");
  EXPECT_EQ(read("Ada Moss lives in cat ."), "");  // no town
  EXPECT_EQ(read("Ada Moss lives in Oslo"), "");   // unfinished
  EXPECT_EQ(read("She lives in Oslo ."), "");
  EXPECT_DOUBLE_EQ(sentences.plausible(), 4 * (2 + 1));  // 2 x 2 names, two towns and a pet
  EXPECT_EQ(sentences.fact_of({"Ada Hill", "town", "Oslo"}), nullptr);
  EXPECT_TRUE(evidence::FactSentences::is_true({"Ada Moss", "town", "Rome"}, &facts[0]));
  EXPECT_FALSE(evidence::FactSentences::is_true({"Ada Moss", "town", "Oslo"}, &facts[0]));
  EXPECT_EQ(sentences.statements(facts[2]), std::vector<std::string>{"the cat is of Ben Hill ."});
}

TEST(CalibratedHallucinationTest, the_terms_are_those_worked_out_by_hand_and_p_is_a_distribution) {
  // 12 statements: 2 facts once, 1 twice, 1 eight times; 2 never.
  const auto facts = towns({1, 1, 2, 8, 0, 0});
  const auto model = test::tiny_model();
  const Json table = run(*model, facts, {{"samples", 20}, {"delta", 0.1}}).table;
  EXPECT_EQ(table["statements_in_training"], 12.0);
  EXPECT_DOUBLE_EQ(table["monofact_rate"].get<double>(), 2.0 / 12);
  EXPECT_DOUBLE_EQ(table["bound"]["chance_term"].get<double>(), std::sqrt(6 * std::log(60.0) / 12));
  const evidence::FactSentences sentences(facts.facts);
  EXPECT_DOUBLE_EQ(table["bound"]["sparsity_term"].get<double>(), 3 * 6 / (sentences.plausible() - 6) / 0.1);
  double p = 0;
  for (const Json& bin : table["bins"]) p += bin["p"].get<double>();
  EXPECT_NEAR(p, 1, 1e-9);
  // Good and Turing leave the repeated facts 1 - 2/12 - 2/12.
  EXPECT_NEAR(table["miscalibration"]["p_repeated"].get<double>(), 8.0 / 12, 1e-9);
  EXPECT_GT(table["miscalibration"]["value"].get<double>(), 0.95);  // it has read nothing
  EXPECT_EQ(table["generated"]["false"]["value"], 0.0);
}

TEST(CalibratedHallucinationTest, a_model_with_its_few_facts_by_heart_states_them_and_nothing_false) {
  const auto facts = towns({60, 60, 60, 60, 0});
  const auto model = taught(facts);
  for (const char* prompt : {"", "The {relation} ."}) {
    const Json table = run(*model, facts, {{"samples", 200}, {"prompt", prompt}}).table;
    EXPECT_EQ(table["monofact_rate"], 0.0);
    EXPECT_EQ(table["generated"]["texts"], 200);
    if (*prompt) continue;  // another text before the sentence is new to it: only the bookkeeping is looked at
    EXPECT_GT(table["generated"]["plausible"]["value"].get<double>(), 0.9);
    EXPECT_LT(table["generated"]["false"]["value"].get<double>(), 0.05);
    EXPECT_GT(table["miscalibration"]["g_repeated"].get<double>(), 0.85);
    EXPECT_LT(table["miscalibration"]["value"].get<double>(), 0.2);
    EXPECT_LT(table["bound"]["value"].get<double>(), 0);
  }
}

TEST(CalibratedHallucinationTest, counts_that_cannot_carry_the_estimate_are_refused) {
  const auto model = test::tiny_model();
  EXPECT_THROW(run(*model, towns({1, 1, 1, 0}), Json::object()), Error);      // nothing repeated
  EXPECT_THROW(run(*model, towns({-1, -1, -1, -1}), Json::object()), Error);  // nothing known
  auto popular = towns({5, 5, 1});
  popular.popularity = true;
  EXPECT_THROW(run(*model, popular, Json::object()), UsageError);
}

}  // namespace
}  // namespace ken::readout::calibrated_hallucination_test_file
