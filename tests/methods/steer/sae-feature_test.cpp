// Steering by a feature: the value it is set to is what is read afterwards, and what the dictionary cannot explain
// stays in the stream. On a dictionary with orthogonal rows, where the answer is known.
#include <gtest/gtest.h>
#include <unistd.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/readout/sae.h"
#include "tests/tiny.h"

namespace ken::generate::sae_feature_test_file {
namespace {

constexpr int64_t d = 32, m = 12;

class SaeFeatureTest : public testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(5);
    sae.w_dec = std::get<0>(at::linalg_qr(at::randn({d, m}))).t().contiguous();  // [m, d], orthonormal rows
    sae.w_enc = sae.w_dec.t().contiguous();
    sae.b_enc = at::zeros({m});
    sae.b_dec = at::randn({d}) * 0.1;
    sae.b_enc = -at::mv(sae.w_dec, sae.b_dec);
    sae.point = "blocks.1.hook_resid_post";
    folder = fs::temp_directory_path() / fmt::format("ken-sae-feature-test-{}", ::getpid());
    readout::save_sae(sae, folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  std::optional<Tensor> steered(const std::string& params, const Tensor& h,
                                model::Phase phase = model::Phase::prefill) {
    const auto control = control_from("sae-feature:sae=" + folder.string() + "," + params).make();
    const auto taps = control->taps();
    EXPECT_EQ(taps.at(0).point, sae.point);
    std::vector<int64_t> positions;
    for (int64_t i = 0; i < h.size(0); ++i) positions.push_back(i);
    return taps[0].fn(h, {0, positions, phase, 1, model::Point::resid_post});
  }
  Tensor error(const Tensor& h) const { return h - sae.decode(sae.encode(h)); }

  readout::Sae sae;
  fs::path folder;
};

TEST_F(SaeFeatureTest, a_feature_that_is_set_is_read_back_and_the_error_term_is_kept) {
  // Rows on which the feature is active: a negative pre-activation elsewhere is part of the error, and setting the
  // feature there explains a part of it.
  const Tensor drawn = at::randn({12, d});
  const Tensor h = drawn.index_select(0, (sae.encode(drawn).select(1, 3) > 0).nonzero().squeeze(1));
  ASSERT_GT(h.size(0), 2);
  const Tensor after = *steered("feature=3,strength=0,value=5", h);
  const Tensor z = sae.encode(h), z_after = sae.encode(after);
  EXPECT_TRUE(at::allclose(z_after.select(1, 3), at::full({h.size(0)}, 5.0), 1e-4, 1e-4));
  Tensor others = z_after.clone();
  others.select(1, 3).copy_(z.select(1, 3));
  EXPECT_TRUE(at::allclose(others, z, 1e-4, 1e-4));
  EXPECT_GT(error(h).norm().item<double>(), 1);  // there is an error to lose
  EXPECT_TRUE(at::allclose(error(after), error(h), 1e-4, 1e-4));
  // What putting the reconstruction in the stream's place would leave of it:
  Tensor set = z.clone();
  set.select(1, 3).fill_(5);
  EXPECT_LT(error(sae.decode(set)).norm().item<double>(), 1e-3);
}

TEST_F(SaeFeatureTest, strength_adds_the_decoder_row_and_nothing_else) {
  const Tensor h = at::randn({4, d});
  const Tensor after = *steered("feature=7,strength=2.5", h);
  EXPECT_TRUE(at::allclose(after - h, (2.5 * sae.w_dec[7]).expand({4, d}), 1e-5, 1e-5));
}

TEST_F(SaeFeatureTest, only_the_chosen_rows_change) {
  const Tensor h = at::randn({4, d});
  const auto changed = [&](const std::string& where, model::Phase phase) {
    const auto after = steered("feature=0,strength=1,where=" + where, h, phase);
    std::vector<bool> rows;
    for (int64_t i = 0; i < 4; ++i) rows.push_back(after && !at::equal((*after)[i], h[i]));
    return rows;
  };
  using Rows = std::vector<bool>;
  EXPECT_EQ(changed("all", model::Phase::decode), (Rows{true, true, true, true}));
  EXPECT_EQ(changed("prompt", model::Phase::prefill), (Rows{true, true, true, true}));
  EXPECT_EQ(changed("prompt", model::Phase::decode), (Rows{false, false, false, false}));
  EXPECT_EQ(changed("last", model::Phase::prefill), (Rows{false, false, false, true}));
  EXPECT_EQ(changed("last", model::Phase::decode), (Rows{false, false, false, false}));
  EXPECT_EQ(changed("answer", model::Phase::decode), (Rows{false, false, false, true}));
}

TEST_F(SaeFeatureTest, steers_a_generation_on_a_model) {
  const auto model = test::tiny_model();
  const auto first_logprob = [&](const std::string& control) {
    Request request;
    request.prompt.text = "where was Ada born ?";
    request.max_tokens = 1;
    if (!control.empty()) request.controls = {control_from(control)};
    return generate(*model, {request}, {.compute = nn::Compute::f32}).at(0).at(0).logprobs.at(0);
  };
  const std::string base = "sae-feature:sae=" + folder.string() + ",feature=2,strength=";
  EXPECT_EQ(first_logprob(base + "0"), first_logprob(""));
  EXPECT_NE(first_logprob(base + "20"), first_logprob(""));
  EXPECT_NE(first_logprob("sae-feature:feature=1,strength=20"), first_logprob("sae-feature:feature=2,strength=20"));
}

TEST_F(SaeFeatureTest, refuses_what_cannot_be_steered) {
  EXPECT_THROW(control_from("sae-feature:value=1").make(), UsageError);  // a random direction holds no value
  EXPECT_THROW(control_from("sae-feature:sae=" + folder.string() + ",feature=12").make(), UsageError);
  EXPECT_THROW(control_from("sae-feature:sae=/nowhere").make(), UsageError);
  EXPECT_THROW(control_from("sae-feature:where=here"), UsageError);
}

}  // namespace
}  // namespace ken::generate::sae_feature_test_file
