#include "ken/evidence/evidence.h"

#include <gtest/gtest.h>

#include "ken/evidence/shots.h"
#include "tests/tiny.h"

namespace ken::evidence::evidence_test_file {
namespace {

TEST(EvidenceTest, needs_unite_and_two_temperatures_do_not_mix) {
  const Needs a{.greedy = true}, b{.samples = 5}, c{.samples = 10};
  const Needs all = a | b | c;
  EXPECT_TRUE(all.greedy);
  EXPECT_EQ(all.samples, 10);
  EXPECT_THROW(b | (Needs{.samples = 2, .temperature = 0.5}), UsageError);
}

TEST(EvidenceTest, scores_are_the_same_from_saved_evidence) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  std::vector<generate::Request> requests;
  for (int i = 0; i < 5; ++i) requests.push_back(evidence::closed_book(facts.facts[size_t(i)], world::prompt_style()));
  const auto gathered = gather(*model, requests, {.greedy = true, .samples = 4}, {nn::Compute::f32, 3, 0});
  for (const auto& evidence : gathered) {
    ASSERT_EQ(evidence.samples.size(), 4u);
    const Evidence again =
        evidence_from_json(Json::parse(to_json(evidence).dump(-1, ' ', false, Json::error_handler_t::replace)));
    for (const char* name : {"sequence-probability", "token-entropy", "semantic-entropy:samples=4"}) {
      EXPECT_EQ(estimator_from(name).score(evidence), estimator_from(name).score(again)) << name;
    }
  }
}

// Everything that the registered estimators need, of a few questions.
std::vector<Evidence> gather_all(const model::Model& model, const data::PromptStyle& plain,
                                 std::vector<EstimatorSpec>& estimators) {
  const auto facts = test::tiny_facts();
  const auto style = with_examples(plain, facts, 1);
  for (const auto* entry : Registry<EstimatorEntry>::get().all())
    if (entry->card.needs.empty()) estimators.push_back(estimator_from(entry->card.id));
  for (const char* text : {"deg-mat:judge=embedding", "semantic-entropy:judge=entailment", "sar:judge=embedding",
                           "p-true:form=letters,shown=true,samples=2"})
    estimators.push_back(estimator_from(text));
  std::vector<Question> questions;
  for (size_t i = 0; i < 3; ++i) questions.push_back({closed_book(facts.facts[i], style), style, facts.facts[i]});
  return gather(model, questions, estimators, {nn::Compute::f32, 3, 0});
}

TEST(EvidenceTest, every_estimator_scores_the_same_from_a_saved_line) {
  const auto model = test::tiny_model();
  std::vector<EstimatorSpec> estimators;
  for (const auto& evidence : gather_all(*model, world::prompt_style(), estimators)) {
    const Evidence again =
        evidence_from_json(Json::parse(to_json(evidence).dump(-1, ' ', false, Json::error_handler_t::replace)));
    for (const auto& estimator : estimators) {
      const double score = estimator.score(evidence);
      EXPECT_TRUE(std::isfinite(score)) << estimator.definition();
      EXPECT_EQ(score, estimator.score(again)) << estimator.definition();
    }
  }
}

TEST(EvidenceTest, follow_up_questions_go_through_a_chat_models_template) {
  const auto model = test::tiny_chat_model();
  model->config.context = 1024;  // the small vocabulary spells such questions in bytes
  const auto style = data::chat_style(std::make_shared<const data::Chat>(model->metadata, model->tokenizer), "");
  std::vector<EstimatorSpec> estimators;
  const auto all = gather_all(*model, style, estimators);
  for (const auto& estimator : estimators)
    EXPECT_TRUE(std::isfinite(estimator.score(all[0]))) << estimator.definition();
}

TEST(EvidenceTest, an_answer_read_again_after_the_same_prompt_has_the_same_logprobs) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  std::vector<generate::Request> requests;
  for (size_t i = 0; i < 4; ++i) {
    requests.push_back(closed_book(facts.facts[i], world::prompt_style()));
    requests.back().prompt.without_context = requests.back().prompt.text;
  }
  for (const auto& e : gather(*model, requests, {.greedy = true, .readings = {without_context}}, {nn::Compute::f32})) {
    const Reading& reading = e.readings.at(without_context);
    ASSERT_EQ(reading.logprobs.size(), size_t(e.greedy.answer_tokens));
    for (size_t t = 0; t < reading.logprobs.size(); ++t) {
      EXPECT_NEAR(reading.logprobs[t], e.greedy.logprobs[t], 1e-4);
      EXPECT_NEAR(reading.entropies[t], e.greedy.entropies[t], 1e-4);
    }
  }
}

TEST(EvidenceTest, alternatives_begin_with_the_chosen_token_and_fall) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  const auto all = gather(*model, {closed_book(facts.facts[0], world::prompt_style())},
                          {.greedy = true, .alternatives = 5}, {nn::Compute::f32});
  const auto& greedy = all[0].greedy;
  ASSERT_EQ(greedy.alternatives.size(), greedy.logprobs.size());
  for (size_t t = 0; t < greedy.tokens.size(); ++t) {
    ASSERT_EQ(greedy.alternatives[t].size(), 5u);
    EXPECT_EQ(greedy.alternatives[t][0].token, greedy.tokens[t]);
    EXPECT_NEAR(greedy.alternatives[t][0].logprob, greedy.logprobs[t], 1e-9);
    for (size_t k = 1; k < 5; ++k) EXPECT_GE(greedy.alternatives[t][k - 1].logprob, greedy.alternatives[t][k].logprob);
  }
}

TEST(EvidenceTest, an_access_that_was_not_declared_throws) {
  const Evidence e;
  const Needs nothing;
  const View view(e, nothing);
  EXPECT_THROW(view.greedy(), Error);
  EXPECT_THROW(view.samples(), Error);
  EXPECT_THROW(view.reading(without_context), Error);
  EXPECT_THROW(view.relevance(0), Error);
  EXPECT_THROW(view.states("answer hook_embed"), Error);
  EXPECT_THROW(view.reply("p-true"), Error);
}

TEST(EvidenceTest, saved_evidence_whose_parts_do_not_fit_is_an_error) {
  const auto model = test::tiny_model();
  std::vector<EstimatorSpec> estimators;
  const Json good = to_json(gather_all(*model, world::prompt_style(), estimators)[0]);
  const auto broken = [&](const char* pointer, const Json& value) {
    Json bad = good;
    bad[Json::json_pointer(pointer)] = value;
    EXPECT_THROW(evidence_from_json(bad), Error) << pointer;
  };
  broken("/greedy/answer_tokens", 1000);
  broken("/greedy/margins", Json::array());
  broken("/similarity/embedding", {1, 2, 3});
  broken("/relevance", {{0.1}});
  broken("/readings", {{"without prompt",
                        {{"logprobs", Json::array({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})},
                         {"entropies", Json::array()}}}});
  broken("/samples/0/logprobs", "none");
}

TEST(EvidenceTest, damaged_saved_evidence_is_an_error) { EXPECT_THROW(evidence_from_json({{"prompt", "x"}}), Error); }

}  // namespace
}  // namespace ken::evidence::evidence_test_file
