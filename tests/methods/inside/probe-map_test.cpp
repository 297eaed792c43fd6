// The probe map as an analysis: the shape of its table and tensors, a planted signal found at the layer and position
// that hold it, and clear refusals.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/readout/analysis.h"
#include "tests/fixtures.h"

namespace ken::readout::probe_map_test_file {
namespace {

const AnalysisEntry& probe_map() { return Registry<AnalysisEntry>::get().at("analysis", "probe-map"); }

// Facts about girls and dogs; what is "right" is what the model happens to answer: of every second subject.
class ProbeMapTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = test::fixture("models/stories260K/model.gguf");
    if (!path) {
      if (test::fixtures_required()) FAIL() << "fixture models/stories260K is missing; set KEN_FIXTURES";
      GTEST_SKIP() << "fixture models/stories260K not found; set KEN_FIXTURES to the fixtures folder";
    }
    model = model::load(*path);
    style.question = "{question} She";
    style.context = "{context} {instruction} {question} She";
    style.stop = {"."};
    add_facts();
  }
  void add_facts() {
    const std::vector<std::string> girls = {"Lily", "Mia", "Anna", "Sue", "Lucy", "Amy"},
                                   things = {"ball", "dog", "cat",  "bird", "car",
                                             "tree", "hat", "book", "cake", "fish"};
    std::vector<generate::Request> requests;
    for (const auto& girl : girls)
      for (const auto& thing : things) {
        data::Fact fact;
        fact.id = girl + "." + thing;
        fact.subject = girl;
        fact.question = girl + " saw a big " + thing + ".";
        fact.group = girl + thing;
        set.facts.push_back(fact);
        requests.emplace_back().prompt.text = data::ask(style, fact.question);
        requests.back().stop = style.stop;
      }
    const auto answers =
        generate::generate(*model, requests, {.compute = nn::Compute::f32, .progress = {}, .what = ""});
    // right if the subject's first letter is before M: the subject's embedding holds it
    for (size_t i = 0; i < set.facts.size(); ++i) {
      data::Fact& fact = set.facts[i];
      fact.answers = {fact.subject < "M" ? answers[i][0].text : "nothing of this kind"};
    }
  }
  void add_passages() {
    for (const auto& fact : set.facts) {
      for (const bool conflict : {false, true}) {
        data::ContextCase item;
        item.id = fact.id + (conflict ? ".conflict" : ".agree");
        item.fact = fact.id;
        item.kind = conflict ? "conflict" : "agree";
        item.context_answers = {conflict ? "red" : "sun"};
        item.context = "It was the " + item.context_answers[0] + " of the day.";
        item.intent = "none";
        item.question = fact.question;
        item.answers = fact.answers;
        item.group = fact.group;
        set.contexts.push_back(item);
      }
    }
  }
  AnalysisResult run(const Json& params) {
    return probe_map().run({*model, set, style, 1}, resolve_params(probe_map().card, params));
  }
  std::shared_ptr<model::Model> model;
  data::PromptStyle style;
  data::FactSet set;
};

void expect_shape(const AnalysisResult& result, int64_t layers, int64_t places) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : result.table.items()) keys.push_back(key);
  EXPECT_EQ(keys,
            (std::vector<std::string>{"id", "title", "reads", "positions", "layers", "auroc", "best", "baseline"}));
  EXPECT_EQ(int64_t(result.table["positions"].size()), places);
  EXPECT_EQ(int64_t(result.table["layers"].size()), layers + 1);
  EXPECT_EQ(int64_t(result.table["auroc"].size()), layers + 1);
  EXPECT_EQ(result.tensors.at("auroc").sizes(), (at::IntArrayRef{layers + 1, places}));
  EXPECT_EQ(result.tensors.at("best_of_place").numel(), places);
  const auto& cell = result.table["auroc"][1][0];
  EXPECT_NEAR(cell["value"].get<double>(), result.tensors.at("auroc")[1][0].item<double>(), 1e-6);
  EXPECT_LE(cell["ci"][0].get<double>(), cell["value"].get<double>());
}

TEST_F(ProbeMapTest, correctness_is_found_where_it_stands) {
  const AnalysisResult result = run({{"target", "correct"}});
  expect_shape(result, model->config.n_layers, 3);
  const at::Tensor auroc = result.tensors.at("auroc");
  EXPECT_GT(auroc[0][0].item<double>(), 0.85);  // the last piece of the name tells, mostly
  EXPECT_EQ(auroc[0][1].item<double>(), 0.5);   // "." and "She" are the same everywhere
  EXPECT_EQ(auroc[0][2].item<double>(), 0.5);
  EXPECT_GT(result.table["best"]["auroc"]["value"].get<double>(), 0.85);
}

TEST_F(ProbeMapTest, a_conflict_is_found_at_the_value_of_the_passage) {
  add_passages();
  const AnalysisResult result = run({{"target", "conflict"}});
  expect_shape(result, model->config.n_layers, 3);
  EXPECT_GT(result.tensors.at("auroc")[0][0].item<double>(), 0.99);  // "sun" against "red"
  EXPECT_LE(result.tensors.at("auroc")[0][1].item<double>(), 0.5);   // the subject's embedding knows of no passage
  EXPECT_EQ(result.tensors.at("labels").sum().item<int64_t>() * 2, result.tensors.at("labels").numel());
}

TEST_F(ProbeMapTest, a_facts_own_statement_agrees_where_no_passage_does) {
  add_passages();
  std::erase_if(set.contexts, [](const auto& item) { return item.kind == "agree"; });
  EXPECT_THROW(run({{"target", "conflict"}}), Error);
  for (auto& fact : set.facts) fact.statement = "So it was: " + fact.answers[0];
  EXPECT_EQ(run({{"target", "conflict"}}).table["positions"].size(), 3u);
}

TEST_F(ProbeMapTest, too_few_items_or_no_passages_are_errors_that_say_so) {
  try {
    run({{"target", "conflict"}});
    FAIL() << "facts without passages were accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("passage"), std::string::npos) << error.what();
  }
  for (auto& fact : set.facts) fact.answers = {"nothing of this kind"};
  try {
    run({{"target", "correct"}});
    FAIL() << "one class was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("20 of each"), std::string::npos) << error.what();
  }
}

TEST_F(ProbeMapTest, runs_repeat) {
  EXPECT_EQ(run({{"target", "correct"}}).table.dump(), run({{"target", "correct"}}).table.dump());
}

}  // namespace
}  // namespace ken::readout::probe_map_test_file
