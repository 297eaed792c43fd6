// Attention over packed sequences and over a cache: near the plain reference, and the same bits for a row however it is
// reached: any tile, batch, number of threads, packed or cached.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ken/kernels/kernels.h"
#include "ken/kernels/reference.h"

namespace ken::kernels::attention_test_file {
namespace {

Tensor offsets_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> at{0};
  for (int64_t n : lengths) at.push_back(at.back() + n);
  return at::tensor(at::ArrayRef<int64_t>(at), at::kLong);
}

// Sequences with their keys in a cache, in blocks that lie in no order.
struct Cached {
  Tensor k_pool, v_pool, table, lengths;
  Cached(const Tensor& k, const Tensor& v, const std::vector<int64_t>& sequences)
      : Cached(k, v, sequences, k.scalar_type()) {}
  Cached(const Tensor& k, const Tensor& v, const std::vector<int64_t>& sequences, at::ScalarType type) {
    int64_t most = 0, count = 0;
    for (int64_t n : sequences) most = std::max(most, (n + page - 1) / page), count += (n + page - 1) / page;
    const int64_t K = k.size(1), D = k.size(2) + (type == at::kChar ? scale_bytes : 0), S = int64_t(sequences.size());
    // What lies behind the last key of a block must not matter: no numbers, also as the scales of int8.
    const double nothing = type == at::kChar ? -1 : NAN;
    k_pool = at::full({count + 1, K, D, page}, nothing, type);
    v_pool = at::full({count + 1, K, page, D}, nothing, type);
    const Tensor order = at::randperm(count + 1, at::kInt);
    table = at::zeros({S, most}, at::kInt);
    for (int64_t s = 0, next = 0; s < S; ++s)
      for (int64_t b = 0; b * page < sequences[size_t(s)]; ++b) table[s][b] = order[next++];
    lengths = at::tensor(at::ArrayRef<int64_t>(sequences), at::kLong);
    write_pages(k, v, k_pool, v_pool, table, lengths, offsets_of(sequences));
  }
  // What the cache says that keys and values are: {k, v} [T, K, D].
  std::pair<Tensor, Tensor> again() const {
    std::vector<Tensor> k, v;
    for (int64_t s = 0; s < lengths.size(0); ++s) {
      const int64_t n = lengths[s].item<int64_t>();
      const Tensor row = table[s].narrow(0, 0, (n + page - 1) / page);
      k.push_back(reference::gather_keys(k_pool, row, n)), v.push_back(reference::gather_values(v_pool, row, n));
    }
    return {at::cat(k), at::cat(v)};
  }
  // The last `rows` tokens of q's sequence s.
  Tensor last(const Tensor& q, int64_t s, int64_t rows, const Scores& how) const {
    return attention_paged(q, k_pool, v_pool, table.narrow(0, s, 1), lengths.narrow(0, s, 1), offsets_of({rows}), how);
  }
};

class AttentionTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { at::manual_seed(7); }
  void TearDown() override { at::set_num_threads(2); }
  Tensor random(at::IntArrayRef shape) const { return at::randn(shape).to(GetParam()); }
  double bound() const { return GetParam() == at::kFloat ? 2e-5 : 4e-2; }
};

TEST_P(AttentionTest, cached_rows_have_the_bits_of_packed_rows_at_every_width_group_window_and_cap) {
  const std::vector<int64_t> sequences{1, 17, 70, 32, 5};
  const Tensor offsets = offsets_of(sequences);
  for (const int64_t width : {16, 20, 32, 33, 64, 80, 128}) {
    for (const auto& [heads, kv_heads] : {std::pair{2, 2}, {6, 3}, {3, 1}, {8, 2}, {14, 2}, {16, 2}}) {
      const Tensor q = random({125, heads, width}), k = random({125, kv_heads, width}),
                   v = random({125, kv_heads, width});
      const Cached cached(k, v, sequences);
      for (const Scores& how : {Scores{0.1}, Scores{0.1, 1}, Scores{0.1, 9}, Scores{0.1, 37, 1.5}, Scores{0.1, 0, 3}}) {
        const std::string name =
            fmt::format("width {} heads {} / {} window {} cap {}", width, heads, kv_heads, how.window, how.cap);
        const Tensor packed = std::get<0>(attention(q, k, v, offsets, how));
        const Tensor paged =
            attention_paged(q, cached.k_pool, cached.v_pool, cached.table, cached.lengths, offsets, how);
        EXPECT_TRUE(at::equal(packed, paged)) << name;
        const Tensor plain = std::get<0>(reference::attention(q, k, v, offsets, how.scale, how.window, how.cap));
        EXPECT_LE((packed.to(at::kDouble) - plain.to(at::kDouble)).abs().max().item<double>(), bound()) << name;
      }
    }
  }
}

TEST_P(AttentionTest, any_number_of_last_rows_has_the_bits_of_all_rows) {
  const std::vector<int64_t> sequences{50, 37};
  for (const auto& [heads, kv_heads] : {std::pair{2, 2}, {3, 1}, {14, 2}, {16, 2}}) {
    const Tensor q = random({87, heads, 64}), k = random({87, kv_heads, 64}), v = random({87, kv_heads, 64});
    const Cached cached(k, v, sequences);
    for (const Scores& how : {Scores{0.1}, Scores{0.1, 5}, Scores{0.1, 21, 2}}) {
      const Tensor all = std::get<0>(attention(q, k, v, offsets_of(sequences), how));
      for (int64_t rows = 1; rows <= 19; ++rows) {
        for (int64_t s = 0; s < 2; ++s) {
          const int64_t begin = (s == 0 ? 50 : 87) - rows;
          EXPECT_TRUE(at::equal(cached.last(q.narrow(0, begin, rows), s, rows, how), all.narrow(0, begin, rows)))
              << heads << " heads, " << rows << " rows, window " << how.window;
        }
      }
    }
  }
}

TEST_P(AttentionTest, threads_and_neighbours_change_no_bit) {
  // Enough work to be shared out, more than one wave of packed keys, and a sequence that alone fills several tasks.
  const std::vector<int64_t> sequences{300, 3, 600, 41};
  const Tensor offsets = offsets_of(sequences), q = random({944, 24, 128}), k = random({944, 24, 128}),
               v = random({944, 24, 128});
  const Cached cached(k, v, sequences);
  const Scores how{0.1, 500};
  const auto [z, lse] = attention(q, k, v, offsets, how);
  const Tensor paged = attention_paged(q, cached.k_pool, cached.v_pool, cached.table, cached.lengths, offsets, how);
  at::set_num_threads(1);
  const auto [z1, lse1] = attention(q, k, v, offsets, how);
  EXPECT_TRUE(at::equal(z, z1) && at::equal(lse, lse1) && at::equal(z, paged));
  EXPECT_TRUE(
      at::equal(paged, attention_paged(q, cached.k_pool, cached.v_pool, cached.table, cached.lengths, offsets, how)));
  const auto part = [](const Tensor& x) { return x.narrow(0, 303, 600).contiguous(); };
  const auto [alone, own] = attention(part(q), part(k), part(v), offsets_of({600}), how);
  EXPECT_TRUE(at::equal(part(z), alone) && at::equal(part(lse), own));
}

// Forks read their common blocks together.
TEST_P(AttentionTest, forks_have_the_bits_of_sequences_alone) {
  const std::vector<int64_t> sequences{70, 100, 65, 90, 71, 33, 130, 66, 200, 64, 77, 50, 89};
  const int64_t S = int64_t(sequences.size()), common = 4;
  const Tensor offsets = offsets_of(sequences), every = at::arange(S + 1);
  std::vector<at::ScalarType> pools{GetParam()};
  if (GetParam() == at::kBFloat16) pools.push_back(at::kChar);
  for (const auto& [width, pool] : {std::pair{int64_t{20}, pools.front()}, {64, pools.front()}, {64, pools.back()}}) {
    for (const auto& [heads, kv_heads] : {std::pair{3, 3}, {6, 3}}) {
      const int64_t tokens = offsets[S].item<int64_t>();
      const Tensor q = random({S, heads, width}), k = random({tokens, kv_heads, width}),
                   v = random({tokens, kv_heads, width});
      Cached cached(k, v, sequences, pool);
      for (int64_t s = 1; s < S; ++s) {  // the sixth and the last begin with fewer blocks of the first; one with none
        const int64_t own = (sequences[size_t(s)] - 1) / page, same = s == 7 ? 0 : s == S - 1 ? 3 : common;
        cached.table[s].narrow(0, 0, std::min(own, same)).copy_(cached.table[0].narrow(0, 0, std::min(own, same)));
      }
      for (const Scores& how : {Scores{0.1}, Scores{0.1, 80}, Scores{0.1, 0, 1.5}}) {
        const auto together = [&] {
          return attention_paged(q, cached.k_pool, cached.v_pool, cached.table, cached.lengths, every, how);
        };
        const Tensor z = together();
        for (int64_t s = 0; s < S; ++s)
          EXPECT_TRUE(at::equal(z.narrow(0, s, 1), cached.last(q.narrow(0, s, 1), s, 1, how)))
              << "sequence " << s << ", heads " << heads << " / " << kv_heads << ", window " << how.window;
        at::set_num_threads(1);
        EXPECT_TRUE(at::equal(z, together()));
        at::set_num_threads(2);
      }
    }
  }
}

// Levels of int8 are read as what they stand for, near what was written; a row's bits are its own.
TEST(Int8AttentionTest, rows_are_those_over_the_levels_values_and_have_bits_of_their_own) {
  at::manual_seed(7);
  const std::vector<int64_t> sequences{50, 37, 1, 90};
  const Tensor offsets = offsets_of(sequences);
  for (const int64_t width : {16, 20, 33, 64, 128})
    for (const auto& [heads, kv_heads] : {std::pair{3, 3}, {6, 2}, {16, 2}}) {
      const auto random = [&](int64_t n) { return at::randn({178, n, width}).to(at::kBFloat16); };
      const Tensor q = random(heads), k = random(kv_heads), v = random(kv_heads);
      const Cached cached(k, v, sequences, at::kChar);
      const auto [k8, v8] = cached.again();
      const auto apart = [](const Tensor& a, const Tensor& b) {
        return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
      };
      // Half a level of 127 of the largest of a position's numbers.
      EXPECT_LE(apart(k8, k), 0.502 / 127 * k.to(at::kFloat).abs().max().item<double>());
      EXPECT_LE(apart(v8, v), 0.502 / 127 * v.to(at::kFloat).abs().max().item<double>());
      for (const Scores& how : {Scores{0.1}, Scores{0.1, 21}, Scores{0.1, 0, 1.5}}) {
        const Tensor z = attention_paged(q, cached.k_pool, cached.v_pool, cached.table, cached.lengths, offsets, how);
        const Tensor plain =
            std::get<0>(reference::attention(q.to(at::kFloat), k8, v8, offsets, how.scale, how.window, how.cap));
        EXPECT_LE(apart(z, plain), 2e-2) << width << " wide, " << heads << " / " << kv_heads;
        at::set_num_threads(1);
        for (int64_t rows = 1; rows <= 12; ++rows)
          EXPECT_TRUE(
              at::equal(cached.last(q.narrow(0, 178 - rows, rows), 3, rows, how), z.narrow(0, 178 - rows, rows)))
              << rows << " rows, " << width << " wide, " << heads << " / " << kv_heads;
        at::set_num_threads(2);
      }
    }
}

// A tile holds rows that see more keys than their neighbours: what is infinite there must stay there.
TEST_P(AttentionTest, later_keys_and_values_do_not_reach_earlier_rows) {
  const Tensor q = random({30, 2, 32}), k = random({30, 2, 32}), v = random({30, 2, 32}), offsets = offsets_of({30});
  const Tensor before = std::get<0>(attention(q, k, v, offsets, {0.2}));
  k[21].fill_(NAN);
  v[21].fill_(INFINITY);
  const Tensor after = std::get<0>(attention(q, k, v, offsets, {0.2}));
  EXPECT_TRUE(at::equal(before.narrow(0, 0, 21), after.narrow(0, 0, 21)));
  EXPECT_TRUE(after.narrow(0, 21, 9).isnan().all().item<bool>());
  // Out of a window's sight it is out of mind again.
  const Tensor windowed = std::get<0>(attention(q, k, v, offsets, {0.2, 4}));
  EXPECT_FALSE(windowed.narrow(0, 25, 5).isnan().any().item<bool>());
}

TEST_P(AttentionTest, the_torch_version_writes_the_same_pages) {
  const std::vector<int64_t> sequences{20, 33};
  const Tensor k = random({53, 2, 16}), v = random({53, 2, 16});
  const Cached cached(k, v, sequences);
  const Tensor k_pool = at::full_like(cached.k_pool, NAN), v_pool = at::full_like(cached.v_pool, NAN);
  reference::write_pages(k, v, k_pool, v_pool, cached.table, cached.lengths, offsets_of(sequences));
  EXPECT_TRUE(at::allclose(k_pool, cached.k_pool, 0, 0, true) && at::allclose(v_pool, cached.v_pool, 0, 0, true));
}

TEST_P(AttentionTest, a_cache_of_another_type_is_refused) {
  const at::ScalarType other = GetParam() == at::kFloat ? at::kBFloat16 : at::kFloat;
  const Cached cached(at::randn({5, 1, 16}).to(other), at::randn({5, 1, 16}).to(other), {5});
  EXPECT_ANY_THROW(cached.last(random({1, 1, 16}), 0, 1, {0.2}));
  const Cached levels(at::randn({5, 1, 16}), at::randn({5, 1, 16}), {5}, at::kChar);
  EXPECT_ANY_THROW(levels.last(at::randn({1, 1, 16}), 0, 1, {0.2}));  // f32 keeps what it computes
}

INSTANTIATE_TEST_SUITE_P(Types, AttentionTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return std::string(info.param == at::kFloat ? "f32" : "bf16"); });

}  // namespace
}  // namespace ken::kernels::attention_test_file
