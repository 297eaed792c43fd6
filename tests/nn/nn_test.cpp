// Matrices as stored, their gradients, and the cache's accounting.
#include <gtest/gtest.h>

#include <cstring>

#include "ken/base/registry.h"
#include "ken/kernels/reference.h"
#include "ken/nn/autograd.h"
#include "ken/nn/functions.h"
#include "ken/nn/kv_cache.h"
#include "ken/nn/matrix.h"

namespace ken::nn::nn_test_file {
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
    const Tensor q = rope(n.view({5, 2, 4}), kernels::rope_angles(positions, f), true);
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

class CacheTypeTest : public testing::TestWithParam<at::ScalarType> {};

TEST_P(CacheTypeTest, forks_share_blocks_and_copy_on_write) {
  KvCache cache(1, 1, 4, GetParam());
  const int a = cache.open();
  cache.extend(a, 20);
  cache.write(0, cache.table({a}), at::tensor({0, 20}, at::kLong), at::ones({20, 1, 4}), at::ones({20, 1, 4}));
  EXPECT_EQ(cache.blocks_used(), 2);
  const int b = cache.fork(a);
  EXPECT_EQ(cache.blocks_used(), 2);
  cache.extend(b, 1);
  cache.write(0, cache.table({b}), at::tensor({0, 1}, at::kLong), at::zeros({1, 1, 4}), at::zeros({1, 1, 4}));
  EXPECT_EQ(cache.blocks_used(), 3);
  const auto [table, lengths] = cache.table({a, b});
  EXPECT_EQ(lengths[0].item<int64_t>(), 20);
  EXPECT_EQ(lengths[1].item<int64_t>(), 21);
  EXPECT_EQ(table[0][0].item<int>(), table[1][0].item<int>());
  using namespace kernels::reference;
  const Tensor k = gather_keys(cache.keys(0), table[1], 20), v = gather_values(cache.values(0), table[1], 20);
  EXPECT_EQ(k[19].sum().item<float>(), 4.0f) << "the shared part was not copied";
  EXPECT_EQ(v[19].sum().item<float>(), 4.0f) << "the shared part was not copied";
  cache.close(a);
  EXPECT_EQ(cache.blocks_used(), 2);
  cache.truncate(b, 3);
  EXPECT_EQ(cache.blocks_used(), 1);
  cache.close(b);
  EXPECT_EQ(cache.blocks_used(), 0);
}

TEST_P(CacheTypeTest, what_is_written_in_pieces_to_several_sequences_is_read_again) {
  KvCache cache(2, 3, 5, GetParam());
  const std::vector<int> sequences{cache.open(), cache.open()};
  const bool levels = GetParam() == at::kChar;
  Tensor k = at::randn({37, 3, 5}), v = at::randn({37, 3, 5});
  if (levels) {  // numbers that int8 holds: 2^-7 times an integer, the largest of each head 127
    for (Tensor* x : {&k, &v}) {
      *x = at::randint(-126, 127, {37, 3, 5}).to(at::kFloat) / 128;
      x->select(2, 2).fill_(127.0 / 128);
    }
  } else {
    k = k.to(GetParam()), v = v.to(GetParam());
  }
  // The first sequence gets rows 0 .. 4 and 9 .. 36, the second rows 5 .. 8; the pieces end inside a block.
  const auto add = [&](std::vector<int> ids, std::vector<int64_t> offsets, int64_t begin) {
    for (size_t s = 0; s < ids.size(); ++s) cache.extend(ids[s], offsets[s + 1] - offsets[s]);
    const auto part = [&](const Tensor& x) { return x.narrow(0, begin, offsets.back()); };
    cache.write(1, cache.table(ids), at::tensor(at::ArrayRef<int64_t>(offsets), at::kLong), part(k), part(v));
  };
  const Tensor other = cache.keys(0).clone();  // of the other layer: whatever is in memory
  add(sequences, {0, 5, 9}, 0);
  add({sequences[0]}, {0, 28}, 9);
  const auto [table, lengths] = cache.table(sequences);
  using namespace kernels::reference;
  const auto expect = [&](int64_t s, const Tensor& rows) {
    const Tensor blocks = table[s].narrow(0, 0, (rows.size(0) + KvCache::block - 1) / KvCache::block);
    EXPECT_TRUE(at::equal(gather_keys(cache.keys(1), blocks, rows.size(0)), k.index_select(0, rows)));
    EXPECT_TRUE(at::equal(gather_values(cache.values(1), blocks, rows.size(0)), v.index_select(0, rows)));
  };
  expect(0, at::cat({at::arange(0, 5), at::arange(9, 37)}));
  expect(1, at::arange(5, 9));
  EXPECT_EQ(std::memcmp(cache.keys(0).data_ptr(), other.data_ptr(), other.nbytes()), 0)
      << "the other layer was written";
}

TEST_P(CacheTypeTest, its_bytes_are_those_of_its_pools) {
  const KvCache cache(3, 2, 8, GetParam());
  int64_t bytes = 0;
  for (int64_t l = 0; l < 3; ++l) bytes += int64_t(cache.keys(l).nbytes() + cache.values(l).nbytes());
  EXPECT_EQ(cache.bytes(), bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Types, CacheTypeTest, testing::Values(at::kFloat, at::kBFloat16, at::kChar), [](const auto& info) {
      return std::string(info.param == at::kFloat ? "f32" : info.param == at::kBFloat16 ? "bf16" : "int8");
    });

TEST(KvCacheTest, a_full_cache_and_closed_sequences_are_errors) {
  KvCache cache(1, 1, 4, at::kFloat, at::kCPU, 32);
  const int a = cache.open();
  EXPECT_THROW(cache.extend(a, 100), Error);
  cache.close(a);
  EXPECT_THROW(cache.length(a), Error);
  EXPECT_THROW(cache.fork(7), Error);
}

// Rows of every stored type, in both arithmetics.
class LinearTest : public testing::TestWithParam<std::string> {
 protected:
  static constexpr int64_t out = 70, in = 256, most = 19;
  Matrix stored() const {
    at::manual_seed(4);
    return matrix(at::randn({out, in}), GetParam());
  }
};

TEST_P(LinearTest, a_row_has_the_same_bits_alone_in_any_order_and_on_any_number_of_threads) {
  const Matrix w = stored();
  const Tensor x = at::randn({most, in}), order = at::randperm(most);
  for (const Compute compute : {Compute::f32, Compute::fast}) {
    const Tensor together = linear(x, w, compute);
    EXPECT_TRUE(at::equal(linear(x.index_select(0, order), w, compute), together.index_select(0, order)));
    for (int64_t r : {0, 7, 18}) EXPECT_TRUE(at::equal(linear(x[r].unsqueeze(0), w, compute)[0], together[r])) << r;
    const int threads = at::get_num_threads();
    at::set_num_threads(threads == 1 ? 2 : 1);
    EXPECT_TRUE(at::equal(linear(x, w, compute), together));
    at::set_num_threads(threads);
    EXPECT_TRUE(at::equal(linear_all(x, {&w, &w}, compute)[1], together));
  }
}

TEST_P(LinearTest, both_arithmetics_are_the_product_with_the_dense_matrix) {
  const Matrix w = stored();
  const Tensor x = at::randn({most, in}), exact = at::mm(x.to(at::kDouble), dense(w).to(at::kDouble).t());
  const auto error = [&](const Tensor& y) { return ((y - exact).norm() / exact.norm()).item<double>(); };
  EXPECT_LT(error(linear(x, w, Compute::f32)), 1e-6);
  EXPECT_LT(error(linear_f32(x, w, Compute::fast)), 0.012);
}

TEST_P(LinearTest, the_gradient_of_the_input_is_that_of_the_dense_matrix) {
  const Matrix w = stored();
  const Tensor x = at::randn({5, in}).requires_grad_(), dy = at::randn({5, out});
  for (const Compute compute : {Compute::f32, Compute::fast}) {
    const Tensor y = linear(x, w, compute);
    EXPECT_TRUE(at::equal(y.detach(), linear(x.detach(), w, compute))) << "a gradient must not change the result";
    const Tensor dx = torch::autograd::grad({y}, {x}, {dy.to(y.scalar_type())})[0], exact = at::mm(dy, dense(w));
    EXPECT_LT(((dx - exact).norm() / exact.norm()).item<double>(), compute == Compute::f32 ? 1e-5 : 0.012);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LinearTest,
                         testing::Values("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k",
                                         "q6_k"));

TEST(MatrixTest, packed_weights_follow_the_data) {
  Matrix w{"w"};
  w.out = 40, w.in = 32;
  w.data = at::randn({40, 32}).to(at::kBFloat16);
  const Tensor x = at::randn({3, 32}), before = linear(x, w, Compute::fast);
  const Matrix saved = w;
  w.data = w.data * 2;
  EXPECT_TRUE(at::equal(linear(x, w, Compute::fast), before * 2)) << "replaced";
  w.data.mul_(2);
  EXPECT_TRUE(at::equal(linear(x, w, Compute::fast), before * 4)) << "changed in place";
  w = saved;
  EXPECT_TRUE(at::equal(linear(x, w, Compute::fast), before)) << "restored";
}

}  // namespace
}  // namespace ken::nn::nn_test_file
