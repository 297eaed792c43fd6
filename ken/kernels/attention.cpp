// Causal attention over packed sequences and over a paged cache, and the writing of its pages: no mask, no padding.
// Both read keys and values in blocks (attention_tile.h), so they agree bit for bit where the numbers are the same;
// packed keys are put into blocks first, once for all rows that see them.
#include "ken/kernels/attention_tile.h"
#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"

namespace ken::kernels {
namespace {

static_assert(lanes == page);

KEN_CLONES void run_rows(const QueryRows<float, float>& a, int64_t m, int64_t end, int64_t rows, float* scratch) {
  attend_rows(a, m, end, rows, scratch);
}
KEN_CLONES void run_rows(const QueryRows<bf16, bf16>& a, int64_t m, int64_t end, int64_t rows, float* scratch) {
  attend_rows(a, m, end, rows, scratch);
}

KEN_CLONES void run_rows(const QueryRows<bf16, int8_t>& a, int64_t m, int64_t end, int64_t rows, float* scratch) {
  attend_rows(a, m, end, rows, scratch);
}

KEN_CLONES void run_forks(const Forks<float, float>& f, int64_t i, int64_t end, int64_t rows, float* scratch) {
  attend_forks(f, i, end, rows, scratch);
}
KEN_CLONES void run_forks(const Forks<bf16, bf16>& f, int64_t i, int64_t end, int64_t rows, float* scratch) {
  attend_forks(f, i, end, rows, scratch);
}
KEN_CLONES void run_forks(const Forks<bf16, int8_t>& f, int64_t i, int64_t end, int64_t rows, float* scratch) {
  attend_forks(f, i, end, rows, scratch);
}

// A thread's memory on a cache line; it stays for the thread's next call, because a decoded token has no time for the
// kernel to hand out pages.
template <typename T>
T* scratch_of(std::vector<std::byte>& memory, int64_t n) {
  const size_t bytes = size_t(n) * sizeof(T) + 64;
  if (memory.size() < bytes) memory = std::vector<std::byte>(bytes);
  return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(memory.data()) + 63) / 64 * 64);
}

// Rows [first, end) of one kv head: of one sequence, or of forks, which have `common` blocks at their beginning.
struct Task {
  size_t sequence;  // the first
  int64_t first, end, common = 0;
};
template <typename T, typename KV>
struct Work {
  std::vector<QueryRows<T, KV>> sequences;
  std::vector<Task> tasks;
  int64_t products = 0, longest = 0;  // multiplications; keys of a row

  static Work& empty() {  // keeps its memory from call to call
    static thread_local Work work;
    work.sequences.clear(), work.tasks.clear();
    work.products = work.longest = 0;
    return work;
  }
  void count(int64_t rows, int64_t keys, int64_t width) {
    products += 2 * rows * keys * width;
    longest = std::max(longest, keys);
  }
};

// Few enough rows a task that one sequence keeps every thread busy; the longest, which see the most keys, begin.
template <typename T, typename KV>
void add_tasks(const QueryRows<T, KV>& rows, int64_t tokens, Work<T, KV>& work) {
  constexpr int64_t rows_a_task = 32;
  const int64_t all = tokens * rows.group;
  work.sequences.push_back(rows);
  for (int64_t first = (all - 1) / rows_a_task * rows_a_task; first >= 0; first -= rows_a_task) {
    const int64_t end = std::min(all, first + rows_a_task);
    work.tasks.push_back({work.sequences.size() - 1, first, end});
    work.count(end - first, rows.keys(end - 1), rows.width);
  }
}

template <typename T, typename KV>
void run_tasks(const Work<T, KV>& work) {
  // With half the registers, half the rows: which rows go together does not change their bits.
  static const int64_t rows = wide_registers() ? most_rows : most_rows / 2;
  share_out(int64_t(work.tasks.size()), double(work.products), [&](int64_t i) {
    static thread_local std::vector<std::byte> memory;
    const Task& task = work.tasks[size_t(i)];
    const QueryRows<T, KV>& first = work.sequences[task.sequence];
    float* scratch = scratch_of<float>(memory, tile_scratch(work.longest, first.width));
    if (task.common > 0) {
      run_forks({&first, task.common}, task.first, task.end, rows, scratch);
    } else {
      run_rows(first, task.first, task.end, rows, scratch);
    }
  });
}

// What the rows of all sequences and heads have in common.
template <typename T, typename KV>
QueryRows<T, KV> rows_of(const Tensor& q, const Tensor& z, int64_t kv_heads, double scale, int64_t window, double cap) {
  return {.q = static_cast<const T*>(q.data_ptr()),
          .z = static_cast<T*>(z.data_ptr()),
          .heads = q.size(1),
          .group = q.size(1) / kv_heads,
          .width = q.size(2),
          .scale = float(scale),
          .cap = float(cap),
          .window = window};
}
// The same for one sequence, whose first token is `begin`, and one kv head.
template <typename T, typename KV>
QueryRows<T, KV> rows_at(QueryRows<T, KV> rows, int64_t begin, int64_t kh) {
  const int64_t row = begin * rows.heads + kh * rows.group;
  rows.q += row * rows.width;
  rows.z += row * rows.width;
  if (rows.lse) rows.lse += row;
  return rows;
}

// n rows of k and v, `stride` apart, into the positions from `first` on.
template <typename T, typename KV>
void fill(const T* k, const T* v, int64_t stride, int64_t first, int64_t n, int64_t D, const Pages<KV>& to) {
  for (int64_t t = 0, some; t < n; t += some) {
    const int64_t at = first + t, slot = at % lanes, place = to.place(at / lanes);
    some = std::min(n - t, lanes - slot);
    fill_block(k + t * stride, v + t * stride, stride, slot, some, D, const_cast<KV*>(to.k) + place,
               const_cast<KV*>(to.v) + place);
  }
}

// One (sequence, kv head) of a packed batch; its blocks begin at `at`, keys before values.
struct Pair {
  int64_t begin, tokens, kh, at;
  int64_t blocks() const { return (tokens + lanes - 1) / lanes; }
};

// As many pairs at once as their blocks find room in `space`.
template <typename T>
void attend_pairs(const QueryRows<T, T>& all, const Tensor& k, const Tensor& v, const std::vector<Pair>& pairs,
                  int64_t numbers, T* space) {
  const int64_t K = k.size(1), block = lanes * all.width;
  const T *from_k = static_cast<const T*>(k.data_ptr()), *from_v = static_cast<const T*>(v.data_ptr());
  const auto pages = [&](const Pair& p) {
    return Pages<T>{space + p.at, space + p.at + p.blocks() * block, nullptr, block};
  };
  share_out(int64_t(pairs.size()), double(numbers), [&](int64_t i) {
    const Pair& p = pairs[size_t(i)];
    const int64_t row = (p.begin * K + p.kh) * all.width;
    fill(from_k + row, from_v + row, K * all.width, 0, p.tokens, all.width, pages(p));
  });
  auto& work = Work<T, T>::empty();
  for (const Pair& p : pairs) {
    QueryRows<T, T> rows = rows_at(all, p.begin, p.kh);
    rows.pages = pages(p);
    add_tasks(rows, p.tokens, work);
  }
  run_tasks(work);
}

template <typename T>
void attend_packed(const QueryRows<T, T>& all, const Tensor& k, const Tensor& v, const Tensor& offsets) {
  constexpr int64_t room = 1 << 22;  // numbers in blocks at a time, unless one pair has more
  static thread_local std::vector<std::byte> memory;
  const int64_t* at = offsets.data_ptr<int64_t>();
  std::vector<Pair> pairs;
  int64_t numbers = 0;
  const auto attend = [&] {
    attend_pairs(all, k, v, pairs, numbers, scratch_of<T>(memory, numbers));
    pairs.clear();
    numbers = 0;
  };
  for (int64_t s = 0; s + 1 < offsets.size(0); ++s) {
    for (int64_t kh = 0; kh < k.size(1); ++kh) {
      const Pair pair{at[s], at[s + 1] - at[s], kh, numbers};
      pairs.push_back(pair);
      numbers += 2 * pair.blocks() * lanes * all.width;
      if (numbers > room) attend();
    }
  }
  attend();
}

std::tuple<Tensor, Tensor> attention_cpu(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets,
                                         double scale, int64_t window, double cap) {
  Tensor z = fresh_like(q), lse = fresh({q.size(0), q.size(1)}, at::kFloat);
  with_data(q, [&](auto* data) {
    using T = std::remove_pointer_t<decltype(data)>;
    QueryRows<T, T> all = rows_of<T, T>(q, z, k.size(1), scale, window, cap);
    all.lse = lse.data_ptr<float>();
    attend_packed(all, k, v, offsets);
  });
  return {z, lse};
}

// Sequences that are read together, with the blocks that all of them begin with.
struct ForkGroup {
  std::vector<int64_t> sequences;
  int64_t common;
};

// Sequences of one token each whose first blocks are the same ones (forks of a prompt), as many as see all their keys;
// any other sequence by itself.
std::vector<ForkGroup> fork_groups(const Tensor& table, const int64_t* lengths, const int64_t* at, int64_t window) {
  constexpr int64_t fewest = 2;  // blocks that are worth it
  const int64_t n = table.size(0), width = table.size(1);
  const int32_t* blocks = table.data_ptr<int32_t>();
  const auto apart = [&](int64_t s) {
    return at[s + 1] - at[s] != 1 || lengths[s] <= fewest * lanes || (window > 0 && lengths[s] > window);
  };
  std::vector<ForkGroup> groups;
  std::vector<char> taken(size_t(n), 0);
  for (int64_t s = 0; s < n; ++s) {
    if (taken[size_t(s)]) continue;
    ForkGroup group{{s}, (lengths[s] - 1) / lanes};
    for (int64_t t = s + 1; t < n && !apart(s); ++t) {
      if (taken[size_t(t)] || apart(t)) continue;
      const int32_t *a = blocks + s * width, *b = blocks + t * width;
      const int64_t common = std::mismatch(a, a + std::min(group.common, (lengths[t] - 1) / lanes), b).first - a;
      if (common < fewest) continue;
      group.common = common;
      group.sequences.push_back(t);
      taken[size_t(t)] = 1;
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

// Numbers of a block of a kv head.
template <typename KV>
int64_t block_size(int64_t width) {
  return lanes * (width + (has_scales<KV> ? scale_bytes : 0));
}

template <typename T, typename KV>
void attend_paged(const QueryRows<T, KV>& all, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                  const Tensor& lengths, const Tensor& offsets) {
  const int64_t *at = offsets.data_ptr<int64_t>(), *length = lengths.data_ptr<int64_t>();
  const int64_t K = k_pool.size(1), block = block_size<KV>(all.width);
  const KV *k = static_cast<const KV*>(k_pool.data_ptr()), *v = static_cast<const KV*>(v_pool.data_ptr());
  const auto rows_of_head = [&](int64_t s, int64_t kh) {
    QueryRows<T, KV> rows = rows_at(all, at[s], kh);
    rows.past = length[s] - (at[s + 1] - at[s]);
    rows.pages = {k + kh * block, v + kh * block, table.data_ptr<int32_t>() + s * table.size(1), K * block};
    return rows;
  };
  auto& work = Work<T, KV>::empty();
  for (const ForkGroup& group : fork_groups(table, length, at, all.window))
    for (int64_t kh = 0; kh < K; ++kh) {
      // Heads that share keys fill a tile by themselves; their forks at least find the common blocks in the caches.
      if (all.group > 1 || group.sequences.size() == 1) {
        for (const int64_t s : group.sequences) add_tasks(rows_of_head(s, kh), at[s + 1] - at[s], work);
        continue;
      }
      work.tasks.push_back({work.sequences.size(), 0, int64_t(group.sequences.size()), group.common});
      for (const int64_t s : group.sequences) {
        work.sequences.push_back(rows_of_head(s, kh));
        work.count(1, length[s], all.width);
      }
    }
  run_tasks(work);
}

bool is_int8(const Tensor& x) { return x.scalar_type() == at::kChar; }

void check_pools(const Tensor& k_pool, const Tensor& v_pool) {
  TORCH_CHECK(k_pool.size(3) == page && v_pool.size(2) == page && k_pool.scalar_type() == v_pool.scalar_type(),
              "[attention] the pools of keys and values are not in blocks of ", page, " positions of one type");
}

Tensor attention_paged_cpu(const Tensor& q, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                           const Tensor& lengths, const Tensor& offsets, double scale, int64_t window, double cap) {
  check_pools(k_pool, v_pool);
  const bool levels = is_int8(k_pool);
  TORCH_CHECK(levels ? is_bf16(q) : q.scalar_type() == k_pool.scalar_type(), "[attention] queries are ",
              q.scalar_type(), " and the cache holds ", k_pool.scalar_type(),
              "; make the cache for the same arithmetic");
  Tensor z = fresh_like(q);
  const auto attend = [&]<typename T, typename KV>(T*, KV*) {
    attend_paged(rows_of<T, KV>(q, z, k_pool.size(1), scale, window, cap), k_pool, v_pool, table, lengths, offsets);
  };
  with_data(q, [&](auto* data) {
    if constexpr (std::is_same_v<decltype(data), bf16*>) {
      if (levels) return attend(data, static_cast<int8_t*>(nullptr));
    }
    attend(data, data);
  });
  return z;
}

template <typename T, typename KV>
void fill_pages(const T* k, const T* v, KV* k_pool, KV* v_pool, at::IntArrayRef sizes, const Tensor& table,
                const Tensor& lengths, const Tensor& offsets) {
  const int64_t *at = offsets.data_ptr<int64_t>(), *length = lengths.data_ptr<int64_t>();
  const int64_t K = sizes[1], D = sizes[2], block = block_size<KV>(D);
  const int64_t all = lengths.size(0) * K, some = 32;  // a decoded row is a few dozen numbers a head
  share_out((all + some - 1) / some, double(2 * sizes[0] * K * D), [&](int64_t part) {
    for (int64_t task = part * some; task < std::min(all, (part + 1) * some); ++task) {
      const int64_t s = task / K, kh = task % K, row = (at[s] * K + kh) * D, n = at[s + 1] - at[s];
      const int32_t* blocks = table.data_ptr<int32_t>() + s * table.size(1);
      fill(k + row, v + row, K * D, length[s] - n, n, D,
           Pages<KV>{k_pool + kh * block, v_pool + kh * block, blocks, K * block});
    }
  });
}

void write_pages_cpu(const Tensor& k, const Tensor& v, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                     const Tensor& lengths, const Tensor& offsets) {
  check_pools(k_pool, v_pool);
  TORCH_CHECK(k.scalar_type() == v.scalar_type(), "[attention] keys are ", k.scalar_type(), " and values ",
              v.scalar_type());
  with_data(k, [&](auto* from) {
    const auto fill = [&](auto* to) {
      fill_pages(from, static_cast<decltype(from)>(v.data_ptr()), to, static_cast<decltype(to)>(v_pool.data_ptr()),
                 k.sizes(), table, lengths, offsets);
    };
    if (is_int8(k_pool)) {
      fill(static_cast<int8_t*>(k_pool.data_ptr()));
    } else {
      with_data(k_pool, fill);
    }
  });
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(ken, m) {
  m.def(
      "attention(Tensor q, Tensor k, Tensor v, Tensor offsets, float scale, int window, float cap) -> (Tensor, "
      "Tensor)");
  m.def(
      "attention_paged(Tensor q, Tensor k_pool, Tensor v_pool, Tensor table, Tensor lengths, Tensor offsets, float "
      "scale, int window, float cap) -> Tensor");
  m.def(
      "write_pages(Tensor k, Tensor v, Tensor(a!) k_pool, Tensor(b!) v_pool, Tensor table, Tensor lengths, Tensor "
      "offsets) -> ()");
}
TORCH_LIBRARY_IMPL(ken, CPU, m) {
  m.impl("attention", attention_cpu);
  m.impl("attention_paged", attention_paged_cpu);
  m.impl("write_pages", write_pages_cpu);
}

std::tuple<Tensor, Tensor> attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets,
                                     const Scores& how) {
  static const auto op = operation<std::tuple<Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&, double, int64_t, double)>("ken::attention");
  return op.call(q.contiguous(), k.contiguous(), v.contiguous(), offsets, how.scale, how.window, how.cap);
}
Tensor attention_paged(const Tensor& q, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                       const Tensor& lengths, const Tensor& offsets, const Scores& how) {
  static const auto op = operation<Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                          const Tensor&, double, int64_t, double)>("ken::attention_paged");
  return op.call(q.contiguous(), k_pool, v_pool, table, lengths, offsets, how.scale, how.window, how.cap);
}
void write_pages(const Tensor& k, const Tensor& v, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                 const Tensor& lengths, const Tensor& offsets) {
  static const auto op = operation<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                        const Tensor&, const Tensor&)>("ken::write_pages");
  op.call(k.detach().contiguous(), v.detach().contiguous(), k_pool, v_pool, table, lengths, offsets);
}

}  // namespace ken::kernels
