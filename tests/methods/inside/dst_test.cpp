// Distributional semantics tracing: alignments are shares, marks follow from them, and the causal check keeps its two
// ends.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/repair.h"
#include "ken/readout/analysis.h"
#include "ken/readout/lens.h"
#include "tests/fixtures.h"
#include "tests/passages.h"

namespace ken::readout::dst_test_file {
namespace {

AnalysisResult run(const model::Model& model, const data::FactSet& facts, const Json& params) {
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "dst");
  return entry.run({model, facts, test::story_style(), 1}, resolve_params(entry.card, params));
}

TEST(DstTest, a_commitment_is_the_first_layer_from_which_the_wrong_answer_stays_ahead) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  for (const char* score : {"absolute", "signed", "softmax"}) {
    const auto result = run(*model, test::story_facts(), {{"score", score}, {"least", 2}});
    const at::Tensor cas = result.tensors.at("cas"), commitment = result.tensors.at("commitment");
    EXPECT_GE(cas.min().item<double>(), 0);
    EXPECT_LE(cas.max().item<double>(), 1);
    int64_t found = 0;
    for (int64_t i = 0; i < cas.size(0); ++i) {
      const int64_t layer = commitment[i].item<int64_t>(), last = cas.size(1) - 1;
      if (layer < 0) {  // not below 0.5 in the last two layers
        EXPECT_GE(cas[i].narrow(0, last - 1, 2).max().item<double>(), 0.5) << score;
        continue;
      }
      ++found;
      EXPECT_LT(cas[i].narrow(0, layer, last + 1 - layer).max().item<double>(), 0.5) << score;
      EXPECT_GE(layer, result.tensors.at("inversion")[i].item<int64_t>()) << score;
    }
    EXPECT_GT(found, 0) << score;
  }
}

TEST(DstTest, the_embedding_is_always_repaired_and_the_last_state_never) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  data::FactSet facts = test::story_facts();
  // The "fact" is what the model says after reading the statement, where that is another answer than without it.
  const AnalysisInput input{*model, facts, test::story_style(), 1};
  for (auto& fact : facts.facts) {
    data::ContextCase item;
    item.context = fact.statement, item.question = fact.question, item.fact = fact.id;
    const auto request = evidence::with_passage(item, test::story_style());
    const std::string said = evidence::greedy_answers(*model, {request}, nn::Compute::f32)[0].text;
    fact.answers = {said.substr(0, said.find(' '))};
    fact.statement += " " + fact.answers[0];
  }
  const auto contests = evidence::closed_book_contests(input, 1000);
  const at::Tensor states = last_states(*model, evidence::tokens_of(contests), nn::Compute::f32);
  const auto repairs = evidence::find_repairs(input, contests, states, 1000);
  if (repairs.items.empty()) GTEST_SKIP() << "no statement changes what this model says";
  EXPECT_TRUE(repairs.restored.select(1, 0).all().item<bool>());
  for (size_t i = 0; i < repairs.items.size(); ++i) {
    const auto& c = contests[repairs.items[i]];
    const int64_t best =
        Lens{}
            .read(*model, model->config.n_layers,
                  states[int64_t(repairs.items[i])].narrow(0, model->config.n_layers, 1), nn::Compute::f32)
            .argmax()
            .item<int64_t>();
    EXPECT_EQ(repairs.restored[int64_t(i)][model->config.n_layers].item<bool>(), best == c.right);
  }
}

TEST(DstTest, no_facts_is_an_error) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  EXPECT_THROW(run(*model, {}, Json::object()), Error);
}

}  // namespace
}  // namespace ken::readout::dst_test_file
