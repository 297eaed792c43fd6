// Models of named shapes: the sizes that their names promise, and a file made piece by piece.
#include "ken/model/random.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::model::random_test_file {
namespace {

TEST(RandomModelTest, named_shapes_have_the_sizes_of_their_names) {
  EXPECT_EQ(frame(named_shape("llama-1b"))->parameters(), 1100048384);  // TinyLlama 1.1B
  EXPECT_EQ(frame(named_shape("gpt2-124m"))->parameters(), 124439808);  // GPT-2
  EXPECT_EQ(frame(named_shape("llama-125m"))->parameters(), 134105856);
  EXPECT_THROW(named_shape("llama-2b"), UsageError);
}

TEST(RandomModelTest, weights_are_the_streams_numbers_in_a_row) {
  nn::Matrix shape;
  shape.out = 300, shape.in = 200;
  const Tensor threaded = random_weights(Config{.n_layers = 2}, "blocks.0.attn.W_Q", shape, 9, 4).flatten();
  Rng rng(9, 4);
  for (int64_t i = 0; i < threaded.numel(); ++i)
    ASSERT_EQ(threaded[i].item<float>(), float(rng.normal() * (0.7 / std::sqrt(200.0)))) << i;
}

TEST(RandomModelTest, a_file_made_matrix_by_matrix_is_the_file_of_the_whole_model) {
  const fs::path folder = test::scratch("random");
  Config config = test::tiny_model()->config;
  config.name = "tiny", config.vocab = 300;
  const io::Metadata metadata = byte_tokenizer(config);
  const auto whole = make_random(config, 5);
  whole->metadata = metadata;
  for (const auto dtype : {io::DType::f32, io::DType::bf16}) {
    save(*whole, folder / "whole.gguf", dtype);
    save_random(config, metadata, 5, folder / "pieces.gguf", dtype);
    EXPECT_EQ(sha256_file(folder / "whole.gguf"), sha256_file(folder / "pieces.gguf"));
  }
  const auto model = load(folder / "pieces.gguf");
  const auto ids = model->tokenizer->encode("t299 héllo");
  EXPECT_EQ(ids.size(), 11u);  // bytes alone: a filler's text does not give it
  EXPECT_EQ(model->tokenizer->decode(ids), "t299 héllo");
  EXPECT_EQ(model->tokenizer->decode(std::vector<int32_t>{299}), "t299");
}

}  // namespace
}  // namespace ken::model::random_test_file
