#include "ken/readout/dual_encoder.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"

namespace ken::readout::dual_encoder_test_file {
namespace {

// Texts are pairs of a topic (dimensions 0 to 3) and a style (4 to 7, three times as large): only topics should count.
Tensor texts() {
  Tensor x = at::zeros({16, 8});
  for (int64_t i = 0; i < 16; ++i) {
    x[i][i / 4] = 1;
    x[i][4 + i % 4] = 3;
  }
  return x;
}

std::vector<EncoderPairs> same_topic() {
  std::vector<EncoderPairs> pairs;
  for (int64_t i = 0; i < 16; ++i) {
    EncoderPairs p{i, {}, {}};
    for (int64_t j = 0; j < 16; ++j)
      if (j != i) (j / 4 == i / 4 ? p.near : p.far).push_back(j);
    pairs.push_back(p);
  }
  return pairs;
}

double nearest_share(const DualEncoder& encoder) {
  const Tensor e = encoder.encode(texts());
  const Tensor near = at::mm(e, e.t()) - 2 * at::eye(16);
  const Tensor best = near.argmax(1);
  double right = 0;
  for (int64_t i = 0; i < 16; ++i) right += best[i].item<int64_t>() / 4 == i / 4;
  return right / 16;
}

TEST(DualEncoderTest, learns_which_dimensions_count) {
  const DualEncoder plain = untrained_encoder(texts());
  EXPECT_LT(nearest_share(plain), 0.1);  // the style decides
  const DualEncoder trained = train_encoder(texts(), same_topic(), {.epochs = 60, .rate = 0.02, .temperature = 0.2});
  EXPECT_EQ(nearest_share(trained), 1.0);
  const Tensor lengths = trained.encode(texts()).norm(2, at::IntArrayRef{1});
  EXPECT_TRUE(at::allclose(lengths, at::ones({16})));
}

TEST(DualEncoderTest, the_same_seed_gives_the_same_map) {
  const EncoderOptions options{.epochs = 3, .batch = 5, .seed = 4};
  EXPECT_TRUE(
      at::equal(train_encoder(texts(), same_topic(), options).w, train_encoder(texts(), same_topic(), options).w));
}

TEST(DualEncoderTest, pairs_are_checked) {
  EXPECT_THROW(train_encoder(texts(), {}, {}), Error);
  EXPECT_THROW(train_encoder(texts(), {{0, {1}, {}}}, {}), Error);
  EXPECT_THROW(train_encoder(texts(), {{0, {1}, {16}}}, {}), Error);
  EXPECT_THROW(untrained_encoder(at::empty({0, 8})), Error);
}

}  // namespace
}  // namespace ken::readout::dual_encoder_test_file
