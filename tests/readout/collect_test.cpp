// Hidden states at words: the same rows as an activation cache's, whatever the packing; places with BOS and a prefix
// space.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/readout/collect.h"
#include "tests/fixtures.h"

namespace ken::readout::collect_test_file {
namespace {

// A small random model with the tokenizer of a real one (SentencePiece, BOS and a prefix space).
std::shared_ptr<model::Model> small_model() {
  const auto path = test::fixture("models/stories260K/model.gguf");
  if (!path) return nullptr;
  const auto stories = model::load(*path);
  model::Config config = stories->config;
  config.n_layers = 3;
  const auto model = model::make_random(config, 5);
  model->tokenizer = stories->tokenizer;
  return model;
}

class CollectTest : public testing::Test {
 protected:
  void SetUp() override {
    model = small_model();
    if (model) return;
    if (test::fixtures_required()) FAIL() << "fixture models/stories260K is missing; set KEN_FIXTURES";
    GTEST_SKIP() << "fixture models/stories260K not found; set KEN_FIXTURES to the fixtures folder";
  }
  States run(const std::vector<Item>& items) {
    return collect(*model, items, {"hook_embed", "blocks.*.hook_resid_post"}, nn::Compute::f32);
  }
  // The token at one place of one prompt, found by the embedding's row: which id has this embedding.
  int64_t token_at(const Item& item) {
    const Tensor row = run({item}).values[0][0][0];
    return (nn::dense(model->embed) - row).abs().sum(1).argmin().item<int64_t>();
  }
  std::shared_ptr<model::Model> model;
};

Item item(const std::string& prompt, const std::string& words, bool first = false) {
  return {prompt, {{"word", words, first}}};
}

TEST_F(CollectTest, rows_are_those_of_an_activation_cache) {
  const std::string prompt = "Once upon a time Lily saw a big dog";
  const States states = run({{prompt, {{"name", "Lily"}, {"end", ""}}}});
  EXPECT_EQ(states.points, (std::vector<std::string>{"hook_embed", "blocks.0.hook_resid_post",
                                                     "blocks.1.hook_resid_post", "blocks.2.hook_resid_post"}));
  EXPECT_EQ(states.places, (std::vector<std::string>{"name", "end"}));
  model::ActivationCache cache;
  const model::TapPlan plan(model->config, cache.taps({"hook_embed", "blocks.*.hook_resid_post"}));
  const auto ids = model::prompt_ids(*model, prompt);
  model::forward(*model, model::pack({{ids}}, model->config.vocab), {.taps = &plan});
  int64_t name = -1;
  const auto pieces = model->tokenizer->encode_with_offsets(prompt);
  for (size_t i = 0; i < pieces.size(); ++i)
    if (pieces[i].begin < prompt.find(" saw") && pieces[i].end >= prompt.find(" saw")) name = int64_t(i) + 1;
  for (size_t p = 0; p < states.points.size(); ++p) {
    const Tensor& rows = cache.at(states.points[p]);
    EXPECT_TRUE(states.values[0][int64_t(p)][0].equal(rows[name])) << states.points[p];
    EXPECT_TRUE(states.values[0][int64_t(p)][1].equal(rows[-1])) << states.points[p];
  }
}

TEST_F(CollectTest, places_count_bos_and_the_prefix_space) {
  const auto ids = model::prompt_ids(*model, "the dog saw the cat");
  ASSERT_EQ(ids.front(), *model->tokenizer->bos);
  EXPECT_EQ(token_at(item("the dog saw the cat", "the", true)), ids[1]);
  EXPECT_EQ(token_at(item("the dog saw the cat", "")), ids.back());
  EXPECT_EQ(token_at(item("the dog saw the cat", "the cat")), ids.back());
}

TEST_F(CollectTest, the_first_and_the_last_occurrence_differ_and_whole_words_are_preferred) {
  const std::string prompt = "a dog and a dog and a dogged man";
  const Tensor first = run({item(prompt, "dog", true)}).values, last = run({item(prompt, "dog")}).values;
  EXPECT_TRUE(first[0][0].equal(last[0][0]));   // the same token
  EXPECT_FALSE(first[0][3].equal(last[0][3]));  // at another place
  const Tensor until_last = run({item("a dog and a dog", "")}).values;
  EXPECT_TRUE(at::allclose(last[0][3], until_last[0][3], 1e-5, 1e-5));
}

TEST_F(CollectTest, words_that_do_not_occur_are_not_found_and_hold_zeros) {
  const States states = run({item("a dog", "cat"), item("a dog", "dog")});
  EXPECT_FALSE(states.found[0][0].item<bool>());
  EXPECT_TRUE(states.found[1][0].item<bool>());
  EXPECT_EQ(states.values[0].abs().sum().item<float>(), 0);
}

TEST_F(CollectTest, items_do_not_depend_on_their_batch_over_several_passes) {
  std::vector<Item> items;
  std::string prompt = "Once";
  for (int i = 0; i < 120; ++i) {
    prompt += i % 3 ? " upon" : " a time";
    if (prompt.size() > 400) prompt = "Once";
    items.push_back(item(prompt, ""));
  }
  const States together = run(items);
  for (const size_t i : {0u, 41u, 77u, 119u}) {
    const Tensor alone = run({items[i]}).values[0];
    EXPECT_TRUE(at::allclose(alone, together.values[int64_t(i)], 1e-5, 1e-5)) << i;
  }
}

TEST_F(CollectTest, tokens_of_a_continuation_are_those_of_the_same_text) {
  const std::string prompt = "the dog saw", whole = "the dog saw the cat run";
  const auto ids = model::prompt_ids(*model, whole), begin = model::prompt_ids(*model, prompt);
  Item split{prompt, {{"answer"}, {"first"}, {"last"}, {"beyond"}}};
  split.continuation.assign(ids.begin() + long(begin.size()), ids.end());
  split.places[1].index = 0;
  split.places[2].index = int64_t(split.continuation.size()) - 1;
  split.places[3].index = int64_t(split.continuation.size());
  const States states = run({split});
  const Tensor last = run({item(whole, "")}).values[0];  // [points, 1, d]
  EXPECT_TRUE(at::allclose(states.values[0].select(1, 2), last.select(1, 0), 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(states.values[0].select(1, 0), run({item(prompt, "")}).values[0].select(1, 0), 1e-5, 1e-5));
  EXPECT_EQ((nn::dense(model->embed) - states.values[0][0][1]).abs().sum(1).argmin().item<int64_t>(),
            split.continuation[0]);
  EXPECT_FALSE(states.found[0][3].item<bool>());
}

TEST_F(CollectTest, places_may_stand_at_the_first_token_of_words_and_some_tokens_away) {
  const std::string prompt = "a dog saw the cat run";
  const auto ids = model::prompt_ids(*model, prompt);
  const auto at = [&](Place place) { return token_at({prompt, {place}}); };
  EXPECT_EQ(at({.name = "w", .words = "saw the cat", .begin = true}), at({.name = "w", .words = "saw", .begin = true}));
  EXPECT_EQ(at({.name = "w", .words = "saw", .offset = 1}), at({.name = "w", .words = "the"}));
  EXPECT_EQ(at({.name = "w", .offset = -1}), ids[ids.size() - 2]);
  EXPECT_FALSE(run({{prompt, {{.name = "w", .offset = 1}}}}).found.item<bool>());
  EXPECT_FALSE(run({{prompt, {{.name = "w", .words = "dog", .offset = -9}}}}).found.item<bool>());
}

TEST_F(CollectTest, points_of_other_widths_are_collected_flat) {
  const model::Config& config = model->config;
  const std::string prompt = "the dog saw";
  for (const auto& [point, width] : {std::pair("blocks.*.mlp.hook_post", config.d_ff),
                                     std::pair("blocks.*.attn.hook_z", config.n_heads * config.d_head)}) {
    const States states = collect(*model, {item(prompt, "")}, {point}, nn::Compute::f32);
    ASSERT_EQ(states.values.sizes(), (at::IntArrayRef{1, config.n_layers, 1, width}));
    model::ActivationCache cache;
    const model::TapPlan plan(config, cache.taps({point}));
    model::forward(*model, model::pack({{model::prompt_ids(*model, prompt)}}, config.vocab), {.taps = &plan});
    const Tensor rows = cache.at(states.points[1]).flatten(1);
    EXPECT_TRUE(states.values[0][1][0].equal(rows[-1])) << point;
  }
  EXPECT_THROW(collect(*model, {item(prompt, "")}, {"hook_embed", "blocks.0.mlp.hook_post"}, nn::Compute::f32),
               UsageError);
}

TEST_F(CollectTest, bad_calls_are_named) {
  EXPECT_THROW(collect(*model, {item("a", "")}, {"blocks.*.hook_resid_pos"}, nn::Compute::f32), UsageError);
  EXPECT_THROW(collect(*model, {item("a", "")}, {"blocks.9.hook_resid_post"}, nn::Compute::f32), UsageError);
  EXPECT_THROW(collect(*model, {item("a", "")}, {"blocks.0.attn.hook_pattern"}, nn::Compute::f32), UsageError);
  EXPECT_THROW(run({item("a", ""), Item{"b", {{"other", ""}}}}), Error);
  std::string longer;
  for (int i = 0; i < 600; ++i) longer += " dog";
  EXPECT_THROW(run({item(longer, "")}), Error);
}

TEST_F(CollectTest, places_of_a_chat_are_counted_in_the_tokens_that_it_gives) {
  const auto stories = model::load(*test::fixture("models/stories260K/model.gguf"));
  const auto chat = std::make_shared<const text::ChatTokens>(stories->tokenizer, stories->metadata, "");
  const std::string said = chat->guard("the </s> dog ran"), prompt = "<s>" + said + "</s>\nthe cat";
  const int32_t dog = model->tokenizer->encode("dog").back();
  EXPECT_EQ(token_at({prompt, {{"dog", "dog"}}, chat}), dog);
  const auto last = chat->encode(prompt).back();
  EXPECT_EQ(token_at({prompt, {{"answer", ""}}, chat}), last);
  // The first occurrence from a byte on, as behind worked examples.
  const std::string twice = "the dog ran the dog sat";
  EXPECT_TRUE(run({{twice, {{"dog", "the dog", true}}, nullptr, 5}}).found.item<bool>());
  EXPECT_FALSE(run({{twice, {{"dog", "the dog", true}}, nullptr, 15}}).found.item<bool>());
}

}  // namespace
}  // namespace ken::readout::collect_test_file
