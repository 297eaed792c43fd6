// Streamed activations: the rows of a plain pass, shuffled, each once a round, the same again from any position.
#include <gtest/gtest.h>

#include <set>

#include "ken/base/error.h"
#include "ken/readout/activation_stream.h"
#include "tests/tiny.h"

namespace ken::readout::activation_stream_test_file {
namespace {

data::Texts documents(int64_t count) {
  const auto world = std::make_shared<const world::World>(test::tiny_world());
  return {"documents", count, [world](int64_t i) { return world->document(i).text; }};
}

StreamOptions small() {
  StreamOptions options;
  options.point = "blocks.0.hook_resid_post";
  options.block = 100;
  options.pass_tokens = 60;
  options.compute = nn::Compute::f32;
  options.seed = 3;
  return options;
}

// Rows as sortable values.
std::multiset<std::vector<float>> rows_of(const Tensor& x) {
  std::multiset<std::vector<float>> rows;
  for (int64_t i = 0; i < x.size(0); ++i) {
    const Tensor row = x[i].contiguous();
    rows.insert({row.data_ptr<float>(), row.data_ptr<float>() + row.numel()});
  }
  return rows;
}

TEST(ActivationStreamTest, gives_the_rows_of_a_plain_pass_once_a_round_without_bos) {
  const auto model = test::tiny_model();
  const auto texts = documents(40);
  std::vector<Tensor> expected;
  for (int64_t i = 0; i < texts.count; ++i) {
    model::ActivationCache cache;
    const model::TapPlan plan(model->config, cache.taps({"blocks.0.hook_resid_post"}));
    const auto ids = model::prompt_ids(*model, texts.at(i));
    const at::NoGradGuard no_gradients;
    model::forward(*model, model::pack({{ids}}, model->config.vocab), {.taps = &plan});
    const Tensor rows = cache.at("blocks.0.hook_resid_post");
    const bool bos = model->tokenizer->add_bos && model->tokenizer->bos;
    expected.push_back(rows.narrow(0, bos, rows.size(0) - bos));
  }
  const Tensor all = at::cat(expected);
  StreamOptions options = small();
  options.block = all.size(0);  // one block a round
  ActivationStream stream(*model, texts, options);
  const Tensor found = stream.next(all.size(0));
  EXPECT_EQ(rows_of(found), rows_of(all));
  EXPECT_FALSE(at::equal(found, all));                         // shuffled
  EXPECT_EQ(rows_of(stream.next(all.size(0))), rows_of(all));  // and again
  EXPECT_EQ(stream.d(), model->config.d_model);
}

TEST(ActivationStreamTest, goes_on_from_a_position_with_the_same_rows) {
  const auto model = test::tiny_model();
  ActivationStream stream(*model, documents(30), small());
  stream.next(257);
  const auto position = stream.position();
  EXPECT_GT(position.block, 0);
  const Tensor after = stream.next(333).clone();
  ActivationStream other(*model, documents(30), small());
  other.seek(position);
  EXPECT_TRUE(at::equal(other.next(333), after));
}

TEST(ActivationStreamTest, another_seed_gives_another_order) {
  const auto model = test::tiny_model();
  StreamOptions options = small();
  ActivationStream one(*model, documents(30), options);
  options.seed = 4;
  ActivationStream two(*model, documents(30), options);
  EXPECT_FALSE(at::equal(one.next(50), two.next(50)));
}

TEST(ActivationStreamTest, the_first_blocks_give_what_the_whole_model_gives_there) {
  const auto model = test::tiny_model();
  const auto part = first_blocks(*model, 1);
  EXPECT_EQ(part->config.n_layers, 1);
  EXPECT_EQ(model->config.n_layers, 2);
  PointReader reader(*model, "blocks.0.hook_mlp_out", nn::Compute::f32);
  const std::vector<std::vector<int32_t>> rows{{5, 6, 7}, {8, 9}};
  EXPECT_EQ(reader.read(rows).sizes(), at::IntArrayRef({5, model->config.d_model}));
}

TEST(ActivationStreamTest, long_texts_are_cut_and_parts_of_texts_complement_each_other) {
  const auto model = test::tiny_model();
  const std::string text = documents(1).at(0);
  const auto whole = token_rows(*model, text, 128), cut = token_rows(*model, text, 4);
  ASSERT_EQ(whole.size(), 1u);
  const size_t bos = model->tokenizer->add_bos && model->tokenizer->bos;
  std::vector<int32_t> joined;
  for (const auto& row : cut) {
    EXPECT_LE(row.size(), 4u);
    joined.insert(joined.end(), row.begin() + long(bos), row.end());
  }
  EXPECT_EQ(joined, std::vector<int32_t>(whole[0].begin() + long(bos), whole[0].end()));
  const data::Texts numbers{"numbers", 23, [](int64_t i) { return std::to_string(i); }};
  for (const int64_t part : {0, 2, 4}) {
    std::multiset<std::string> seen;
    for (const auto& texts : {only_part(numbers, 5, part), without_part(numbers, 5, part)})
      for (int64_t i = 0; i < texts.count; ++i) seen.insert(texts.at(i));
    EXPECT_EQ(seen.size(), 23u);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 23u);
    for (int64_t i = 0; i < only_part(numbers, 5, part).count; ++i)
      EXPECT_EQ(std::stoi(only_part(numbers, 5, part).at(i)) % 5, part);
  }
}

TEST(ActivationStreamTest, refuses_points_that_are_no_rows) {
  const auto model = test::tiny_model();
  StreamOptions options = small();
  for (const char* point : {"blocks.*.hook_resid_post", "blocks.0.attn.hook_z", "blocks.9.hook_resid_post", "resid"}) {
    options.point = point;
    EXPECT_THROW(ActivationStream(*model, documents(3), options), UsageError) << point;
  }
  EXPECT_THROW(ActivationStream(*model, {}, small()), UsageError);
}

}  // namespace
}  // namespace ken::readout::activation_stream_test_file
