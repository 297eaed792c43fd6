// Parts of the pass on every architecture: entered at each layer, left from each layer, over the last rows alone.
#include "ken/model/partial.h"

#include "ken/base/error.h"
#include "tests/model/architectures.h"

namespace ken::model::partial_test_file {
namespace {

class PartialTest : public test::ArchitectureTest {
 protected:
  // The residual stream before layer l, of n_layers: after the last.
  void run_whole(nn::KvCache* cache = nullptr, int row = -1) {
    const TapPlan plan(model->config, states.taps({"blocks.*.hook_resid_pre", "blocks.*.hook_resid_post"}));
    const Batch rows = pack({{longest(), row}}, model->config.vocab, cache);
    logits = forward(*model, rows, {.taps = &plan, .cache = cache, .logits = ForwardOptions::Logits::all}).logits;
  }
  Tensor before(int64_t layer) const {
    const int64_t layers = model->config.n_layers;
    return layer < layers ? states.at(point_name(Point::resid_pre, layer))
                          : states.at(point_name(Point::resid_post, layers - 1));
  }
  Tensor from(int64_t layer, const Tensor& resid, const TapPlan* taps = nullptr) const {
    const Start start{layer, resid};
    return forward(*model, batch(), {.taps = taps, .logits = ForwardOptions::Logits::all}, &start).logits;
  }
  ActivationCache states;
  Tensor logits;
};

TEST_P(PartialTest, a_pass_from_any_layer_gives_the_same_bits) {
  run_whole();
  for (int64_t layer = 0; layer <= model->config.n_layers; ++layer) {
    EXPECT_TRUE(at::equal(from(layer, before(layer)), logits)) << layer;
    EXPECT_FALSE(at::equal(from(layer, before(layer) * 0.5 + 1), logits)) << layer;
  }
}

TEST_P(PartialTest, the_last_states_read_out_are_the_logits) {
  run_whole();
  EXPECT_TRUE(at::equal(read_out(*model, before(model->config.n_layers), nn::Compute::f32), logits));
}

TEST_P(PartialTest, the_last_rows_alone_on_a_truncated_fork_give_the_same_bits) {
  nn::KvCache cache = make_cache(*model, nn::Compute::f32);
  const int whole = cache.open();
  run_whole(&cache, whole);
  const auto& tokens = longest();
  for (const size_t t : {tokens.size() / 2, tokens.size() - 1}) {
    const std::vector<int32_t> last(tokens.begin() + long(t), tokens.end());
    const int64_t n = int64_t(last.size());
    for (int64_t layer = 0; layer < model->config.n_layers; ++layer) {
      const int fork = cache.fork(whole);
      cache.truncate(fork, int64_t(t));
      const Start start{layer, before(layer).narrow(0, int64_t(t), n)};
      const Tensor rows = forward(*model, pack({{last, fork}}, model->config.vocab, &cache),
                                  {.cache = &cache, .logits = ForwardOptions::Logits::all}, &start)
                              .logits;
      EXPECT_TRUE(at::equal(rows, logits.narrow(0, int64_t(t), n))) << "layer " << layer << ", from row " << t;
      cache.close(fork);
    }
  }
}

TEST_P(PartialTest, taps_before_the_entry_do_not_run_and_those_at_it_do) {
  run_whole();
  const int64_t layers = model->config.n_layers, entry = layers - 1;
  ActivationCache taken;
  const TapPlan plan(model->config, taken.taps({"hook_embed", "blocks.*.hook_resid_pre", "blocks.*.hook_resid_post"}));
  from(entry, before(entry), &plan);
  EXPECT_EQ(taken.names(),
            (std::vector<std::string>{point_name(Point::resid_post, entry), point_name(Point::resid_pre, entry)}));
  EXPECT_TRUE(at::equal(taken.at(point_name(Point::resid_pre, entry)), before(entry)));
}

TEST_P(PartialTest, a_layer_that_is_not_there_or_states_of_another_shape_are_errors) {
  run_whole();
  const Tensor resid = before(0);
  EXPECT_THROW(from(-1, resid), Error);
  EXPECT_THROW(from(model->config.n_layers + 1, resid), Error);
  EXPECT_THROW(from(0, resid.narrow(0, 1, resid.size(0) - 1)), Error);
  EXPECT_THROW(from(0, resid.narrow(1, 1, resid.size(1) - 1)), Error);
  EXPECT_THROW(from(0, resid.unsqueeze(0)), Error);
}

INSTANTIATE_TEST_SUITE_P(Models, PartialTest, testing::ValuesIn(test::architectures()), test::architecture_name);

}  // namespace
}  // namespace ken::model::partial_test_file
