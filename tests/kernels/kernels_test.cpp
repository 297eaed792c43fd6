// Each fast kernel against its plain torch twin, and its independence of batch and threads, bit for bit.
#include "ken/kernels/kernels.h"

#include <gtest/gtest.h>

#include "ken/kernels/reference.h"

namespace ken::kernels::kernels_test_file {
namespace {

double distance(const Tensor& a, const Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}
Tensor offsets_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> at{0};
  for (int64_t n : lengths) at.push_back(at.back() + n);
  return at::tensor(at::ArrayRef<int64_t>(at), at::kLong);
}

class KernelsTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { at::manual_seed(7); }
  void TearDown() override { at::set_num_threads(2); }
  Tensor random(at::IntArrayRef shape) const { return at::randn(shape).to(GetParam()); }
  double bound() const { return GetParam() == at::kFloat ? 2e-5 : 4e-2; }
};

TEST_P(KernelsTest, norm_with_and_without_the_addition) {
  const Tensor x = at::randn({37, 48}), w = at::rand({48}) + 0.5, delta = random({37, 48});
  const auto [sum, y, rstd] = add_rms_norm(x, delta, w, 1e-5, GetParam());
  const auto [sum2, y2, rstd2] = reference::add_rms_norm(x, delta, w, 1e-5, GetParam());
  EXPECT_EQ(distance(sum, sum2), 0);
  EXPECT_LE(distance(y, y2), bound());
  const auto [alone, r] = rms_norm(sum, w, 1e-5, GetParam());
  EXPECT_TRUE(at::equal(alone, y)) << "the fused step is not the two steps";
  const Tensor dy = random({37, 48}), carry = at::randn({37, 48});
  const auto [dx, dw] = rms_norm_backward(dy, sum, w, rstd, carry);
  const auto [dx2, dw2] = reference::rms_norm_backward(dy, sum, w, rstd, carry);
  EXPECT_LE(distance(dx, dx2), 2e-5);
  EXPECT_LE(distance(dw, dw2), 2e-4);
}

TEST_P(KernelsTest, rope_in_both_orders_and_partial_widths) {
  const Tensor x = random({23, 3, 16}), positions = at::randint(0, 500, {23}, at::kLong), frequencies = at::rand({6});
  const Tensor angles = rope_angles(positions, frequencies);
  EXPECT_LE(distance(angles, reference::rope_angles(positions, frequencies)), 1e-6);
  const Tensor repeated = at::remainder(positions, 5);  // each position once in a table
  EXPECT_LE(distance(rope_angles(repeated, frequencies), reference::rope_angles(repeated, frequencies)), 1e-6);
  for (bool interleaved : {false, true}) {
    const Tensor y = rope(x, angles, interleaved, 1);
    EXPECT_LE(distance(y, reference::rope(x, angles, interleaved, 1)), bound());
    EXPECT_LE(distance(rope(y, angles, interleaved, -1), x), bound());
  }
}

TEST_P(KernelsTest, swiglu_and_its_gradients) {
  const Tensor gate = random({19, 40}) * 4, up = random({19, 40}), dy = random({19, 40});
  EXPECT_LE(distance(swiglu(gate, up), reference::swiglu(gate, up)), 4 * bound());
  const auto [dgate, dup] = swiglu_backward(dy, gate, up);
  const auto [dgate2, dup2] = reference::swiglu_backward(dy, gate, up);
  EXPECT_LE(distance(dgate, dgate2), 4 * bound());
  EXPECT_LE(distance(dup, dup2), 4 * bound());
}

TEST_P(KernelsTest, attention_forward_and_backward_for_grouped_heads) {
  const std::tuple<int64_t, int64_t, double> cases[] = {{16, 0, 0},  {20, 0, 0}, {32, 0, 0}, {64, 0, 0},  {128, 0, 0},
                                                        {16, 37, 0}, {32, 1, 0}, {20, 0, 3}, {64, 70, 2}, {32, 500, 5}};
  for (const auto& [width, window, cap] : cases) {
    // The longest sequence is more than two tiles of the backward pass.
    const Tensor offsets = offsets_of({1, 7, 150, 2}), q = random({160, 6, width}), k = random({160, 2, width}),
                 v = random({160, 2, width});
    const Scores how{1 / std::sqrt(double(width)), window, cap};
    const auto [z, lse] = attention(q, k, v, offsets, how);
    const auto [z2, lse2] = reference::attention(q, k, v, offsets, how.scale, how.window, how.cap);
    EXPECT_LE(distance(z, z2), bound()) << width;
    EXPECT_LE(distance(lse, lse2), 2e-5) << width;
    const Tensor dz = random({160, 6, width});
    const auto [dq, dk, dv] = attention_backward(dz, q, k, v, z, lse, offsets, how);
    const auto [dq2, dk2, dv2] =
        reference::attention_backward(dz, q, k, v, z, lse, offsets, how.scale, how.window, how.cap);
    EXPECT_LE(distance(dq, dq2), 4 * bound()) << width;
    EXPECT_LE(distance(dk, dk2), 8 * bound()) << width;
    EXPECT_LE(distance(dv, dv2), 8 * bound()) << width;
  }
}

TEST_P(KernelsTest, a_sequence_gives_the_same_bits_alone_in_a_batch_and_on_any_thread_count) {
  const Tensor q = random({40, 4, 32}), k = random({40, 4, 32}), v = random({40, 4, 32}),
               offsets = offsets_of({11, 29});
  const auto [together, lse] = attention(q, k, v, offsets, {0.2});
  const auto [dq, dk, dv] = attention_backward(q, q, k, v, together, lse, offsets, {0.2});
  at::set_num_threads(1);
  const auto part = [](const Tensor& x) { return x.narrow(0, 11, 29).contiguous(); };
  const auto [alone, own] = attention(part(q), part(k), part(v), offsets_of({29}), {0.2});
  EXPECT_TRUE(at::equal(part(together), alone));
  const auto [dq2, dk2, dv2] =
      attention_backward(part(q), part(q), part(k), part(v), alone, own, offsets_of({29}), {0.2});
  EXPECT_TRUE(at::equal(part(dq), dq2) && at::equal(part(dk), dk2) && at::equal(part(dv), dv2));
}

TEST_P(KernelsTest, cross_entropy_leaves_its_gradient_in_the_logits) {
  const Tensor logits = random({9, 100}), targets = at::randint(0, 100, {9}, at::kLong), weights = at::rand({9});
  Tensor ours = logits.clone(), theirs = logits.clone();
  const auto [loss, hit] = cross_entropy_(ours, targets, weights);
  const auto [loss2, hit2] = reference::cross_entropy_(theirs, targets, weights);
  EXPECT_LE(distance(loss, loss2), 2e-5);
  EXPECT_LE(distance(ours, theirs), bound());
  EXPECT_TRUE(at::equal(hit, hit2));
}

INSTANTIATE_TEST_SUITE_P(Types, KernelsTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return std::string(info.param == at::kFloat ? "f32" : "bf16"); });

TEST(WidenTest, every_stored_type_widens_to_the_scalar_reference) {
  const Tensor x = at::randn({6, 64});
  EXPECT_TRUE(
      at::equal(widen(x.to(at::kHalf), nullptr, 64, 1, 5, at::kFloat), x.to(at::kHalf).to(at::kFloat).narrow(0, 1, 4)));
  EXPECT_TRUE(at::equal(widen(x.to(at::kBFloat16), nullptr, 64, 0, 6, at::kFloat), x.to(at::kBFloat16).to(at::kFloat)));
}

TEST(WidenTest, every_block_format_widens_to_its_scalar_reference) {
  const Tensor x = at::randn({6, 768});  // more than one block of any format, and of the tile on the way to bf16
  for (const quant::Format* format : quant::formats()) {
    Tensor blocks = at::empty({6, int64_t(format->bytes_of(768))}, at::kByte), expected = at::empty({6, 768});
    quant::quantize(*format, x.data_ptr<float>(), blocks.data_ptr<uint8_t>(), x.numel());
    quant::dequantize(*format, blocks.data_ptr<uint8_t>(), expected.data_ptr<float>(), x.numel());
    EXPECT_TRUE(at::equal(widen(blocks, format, 768, 0, 6, at::kFloat), expected)) << format->card.id;
    EXPECT_TRUE(at::equal(widen(blocks, format, 768, 2, 5, at::kBFloat16), expected.narrow(0, 2, 3).to(at::kBFloat16)))
        << format->card.id;
    EXPECT_LE((expected - x).square().mean().item<double>(), 0.01) << format->card.id;
    EXPECT_ANY_THROW(widen(blocks, format, 512, 0, 6, at::kFloat)) << format->card.id;
  }
}

}  // namespace
}  // namespace ken::kernels::kernels_test_file
