// Matrices as stored, their gradients, and the cache's accounting.
#include <gtest/gtest.h>

#include "ken/base/registry.h"
#include "ken/nn/functions.h"
#include "ken/nn/kv_cache.h"
#include "ken/nn/matrix.h"

namespace ken::nn {
namespace {

Matrix matrix(const Tensor& values, const std::string& type) {
  Matrix w;
  w.out = values.size(0);
  w.in = values.size(1);
  w.data = type == "f16" ? values.to(at::kHalf) : type == "bf16" ? values.to(at::kBFloat16) : values;
  if (const auto* format = Registry<quant::Format>::get().find(type)) {
    w.format = format;
    w.data = at::empty({w.out, int64_t(format->bytes_of(w.in))}, at::kByte);
    quant::quantize(*format, values.data_ptr<float>(), w.data.data_ptr<uint8_t>(), values.numel());
  }
  return w;
}

TEST(MatrixTest, every_stored_type_multiplies_as_its_dense_values_do) {
  const Tensor values = at::randn({70, 256}) * 0.1, x = at::randn({5, 256});
  std::vector<std::string> types{"f32", "f16", "bf16"};
  for (const auto* format : quant::formats()) types.push_back(format->card.id);
  ASSERT_GE(types.size(), 11u);
  for (const std::string& type : types) {
    const Matrix w = matrix(values, type);
    const Tensor expected = at::linear(x, dense(w));
    EXPECT_TRUE(at::allclose(linear(x, w, Compute::f32), expected, 1e-5, 1e-5)) << type;
    EXPECT_TRUE(at::allclose(linear(x, w, Compute::fast).to(at::kFloat), expected, 3e-2, 3e-2)) << type;
    EXPECT_TRUE(
        at::equal(rows_of(w, at::tensor({3, 69}, at::kLong)), dense(w).index_select(0, at::tensor({3, 69}, at::kLong))))
        << type;
  }
}

TEST(MatrixTest, gradients_pass_through_a_frozen_quantised_matrix) {
  const Matrix w = matrix(at::randn({70, 64}) * 0.1, "q8_0");
  const Tensor x = at::randn({5, 64}).requires_grad_(), dy = at::randn({5, 70});
  const Tensor dx = torch::autograd::grad({linear(x, w, Compute::f32)}, {x}, {dy})[0];
  EXPECT_TRUE(at::allclose(dx, at::mm(dy, dense(w)), 1e-4, 1e-5));
}

TEST(MatrixTest, an_overlay_adds_its_low_rank_product_on_every_type) {
  const Tensor values = at::randn({70, 64}) * 0.1, x = at::randn({5, 64}), a = at::randn({2, 64}),
               b = at::randn({70, 2}) * 0.1;
  for (const char* type : {"f32", "q8_0"}) {
    Matrix w = matrix(values, type);
    const Tensor expected = at::linear(x, dense(w) + at::mm(b, a));
    w.low_a = a, w.low_b = b;
    EXPECT_TRUE(at::allclose(linear(x, w, Compute::f32), expected, 1e-4, 1e-4)) << type;
  }
}

TEST(FunctionsTest, gradients_agree_with_finite_differences) {
  at::manual_seed(3);
  const Tensor w = at::rand({8}) + 0.5, offsets = at::tensor({0, 3, 5}, at::kLong),
               positions = at::tensor({0, 1, 2, 0, 1}, at::kLong), f = at::rand({2});
  const Tensor weights = at::randn({5, 8});
  const auto value = [&](const Tensor& x) {
    const auto [sum, n] = add_rms_norm(x, at::tanh(x), w, 1e-5, at::kFloat);
    const Tensor q = rope(n.view({5, 2, 4}), positions, f, true);
    const Tensor z = attention(q, q * 0.5, n.view({5, 2, 4}), offsets, {0.5}).view({5, 8});
    return ((swiglu(z, sum) + rms_norm(z, w, 1e-5, at::kFloat)) * weights).sum();
  };
  const Tensor x = at::randn({5, 8}).requires_grad_();
  const Tensor gradient = torch::autograd::grad({value(x)}, {x})[0];
  at::NoGradGuard no_gradients;
  for (int64_t i = 0; i < x.numel(); i += 3) {
    Tensor up = x.clone(), down = x.clone();
    up.view(-1)[i] += 1e-2;
    down.view(-1)[i] -= 1e-2;
    const double slope = (value(up) - value(down)).item<double>() / 2e-2;
    EXPECT_NEAR(gradient.view(-1)[i].item<double>(), slope, 2e-2 * std::max(1.0, std::abs(slope))) << i;
  }
}

TEST(KvCacheTest, forks_share_blocks_and_copy_on_write) {
  KvCache cache(1, 1, 4);
  const int a = cache.open();
  cache.extend(a, 20);
  cache.write(0, {a}, at::tensor({0, 20}, at::kLong), at::ones({20, 1, 4}), at::ones({20, 1, 4}));
  EXPECT_EQ(cache.blocks_used(), 2);
  const int b = cache.fork(a);
  EXPECT_EQ(cache.blocks_used(), 2);
  cache.extend(b, 1);
  cache.write(0, {b}, at::tensor({0, 1}, at::kLong), at::zeros({1, 1, 4}), at::zeros({1, 1, 4}));
  EXPECT_EQ(cache.blocks_used(), 3);
  const auto [table, lengths] = cache.table({a, b});
  EXPECT_EQ(lengths[0].item<int64_t>(), 20);
  EXPECT_EQ(lengths[1].item<int64_t>(), 21);
  EXPECT_EQ(table[0][0].item<int>(), table[1][0].item<int>());
  EXPECT_EQ(cache.keys(0)[table[1][1].item<int>()][0][3].sum().item<float>(), 4.0f) << "the shared part was not copied";
  cache.close(a);
  EXPECT_EQ(cache.blocks_used(), 2);
  cache.truncate(b, 3);
  EXPECT_EQ(cache.blocks_used(), 1);
  cache.close(b);
  EXPECT_EQ(cache.blocks_used(), 0);
}

TEST(KvCacheTest, a_full_cache_and_closed_sequences_are_errors) {
  KvCache cache(1, 1, 4, at::kCPU, 32);
  const int a = cache.open();
  EXPECT_THROW(cache.extend(a, 100), Error);
  cache.close(a);
  EXPECT_THROW(cache.length(a), Error);
  EXPECT_THROW(cache.fork(7), Error);
}

}  // namespace
}  // namespace ken::nn
