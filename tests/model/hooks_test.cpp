// Taps on every architecture: what they read, that writing back what was read changes nothing, and what a written value
// does.
#include "ken/base/error.h"
#include "ken/model/edit.h"
#include "tests/model/architectures.h"

namespace ken::model::hooks_test_file {
namespace {

double largest(const Tensor& x) { return x.abs().max().item<double>(); }

// Scores hold -inf where a key is hidden: the same in both, and the rest near.
double relative(const Tensor& a, const Tensor& b) {
  const Tensor hidden = at::isinf(b);
  if (!at::equal(at::isinf(a), hidden)) return INFINITY;
  const Tensor x = a.to(at::kFloat).masked_fill(hidden, 0), y = b.to(at::kFloat).masked_fill(hidden, 0);
  return largest(x - y) / std::max(largest(y), 1e-20);
}

bool is_square(const std::string& name) { return name.ends_with("attn_scores") || name.ends_with("hook_pattern"); }

class HooksTest : public test::ArchitectureTest {
 protected:
  // One activation over the rows of a sequence, in the order of its passes: [tokens, ...]; scores and pattern
  // [H, n_q, n_k] as rows [n_q, H, n_k], each as wide as the last.
  using Seen = std::map<std::string, std::vector<Tensor>>;
  Tap collect(const std::string& point, Seen& seen, int sequence) const {
    return {point,
            [&seen](const Tensor& x, const Site& site) -> std::optional<Tensor> {
              const std::string name = point_name(site.point, site.layer);
              seen[name].push_back((is_square(name) ? x.transpose(0, 1) : x).clone());
              return std::nullopt;
            },
            {sequence}};
  }
  TapPlan plan(Seen& seen, int sequence) const {
    std::vector<Tap> taps;
    for (const auto& point : points()) taps.push_back(collect(point, seen, sequence));
    return TapPlan(model->config, std::move(taps));
  }
  void pass(const std::vector<Row>& rows, int watched, nn::KvCache* cache, Seen& seen) const {
    const TapPlan taps = plan(seen, watched);
    forward(*model, pack(rows, model->config.vocab, cache), {.taps = &taps, .cache = cache});
  }
  static Tensor joined(const std::vector<Tensor>& parts, bool square) {
    if (!square) return at::cat(parts);
    const int64_t width = parts.back().size(2);
    std::vector<Tensor> wide;
    for (const Tensor& part : parts) {
      const Tensor rest = at::full({part.size(0), part.size(1), width - part.size(2)}, -INFINITY);
      wide.push_back(at::cat({part, rest}, 2));
    }
    return at::cat(wide);
  }
  // Keys that a row does not see: -inf as scores, 0 as pattern; one pass has them and a pass over fewer keys lacks
  // them, so both are written alike.
  void expect_same(const Seen& a, const Seen& b) const {
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [name, parts] : b) {
      const bool square = is_square(name);
      Tensor x = joined(a.at(name), square), y = joined(parts, square);
      if (name.ends_with("hook_pattern")) x = x.masked_fill(at::isinf(x), 0), y = y.masked_fill(at::isinf(y), 0);
      ASSERT_EQ(x.sizes(), y.sizes()) << name;
      EXPECT_LE(relative(x, y), 1e-5) << name;
    }
  }
};

TEST_P(HooksTest, writing_back_what_was_read_leaves_the_logits_bit_equal) {
  const Batch rows = batch();
  const Tensor plain = logits_of(rows);
  const auto read = [](const Tensor&, const Site&) -> std::optional<Tensor> { return std::nullopt; };
  const auto same = [](const Tensor& x, const Site&) -> std::optional<Tensor> { return x.clone(); };
  const auto half = [](const Tensor& x, const Site&) -> std::optional<Tensor> { return x * 0.5; };
  for (const auto& point : points()) {
    // Plain attention serves a sequence with a tap on scores or pattern, and is equal to 1e-6 relative only.
    const Tensor base = is_square(point) ? logits_of(rows, {{point, read}}) : plain;
    EXPECT_TRUE(at::equal(logits_of(rows, {{point, read}}), base)) << point;
    EXPECT_TRUE(at::equal(logits_of(rows, {{point, same}}), base)) << point;
    EXPECT_FALSE(at::equal(logits_of(rows, {{point, half}}), base)) << point;
  }
}

TEST_P(HooksTest, a_head_put_to_zero_is_its_columns_of_the_output_matrix_put_to_zero) {
  const Config& c = model->config;
  const Batch rows = batch();
  const Tensor plain = logits_of(rows);
  for (int64_t layer = 0; layer < c.n_layers; ++layer) {
    const int64_t head = layer % c.n_heads;
    const auto zero = [head](const Tensor& z, const Site&) -> std::optional<Tensor> {  // [n, H, D]
      Tensor y = z.clone();
      y.select(1, head).zero_();
      return y;
    };
    const Tensor tapped = logits_of(rows, {{point_name(Point::z, layer), zero}});
    EXPECT_GT(largest(tapped - plain), 1e-4 * largest(plain)) << layer;
    const std::string name = fmt::format("blocks.{}.attn.W_O", layer);
    Tensor weight = nn::dense(model->matrix(name)).to(at::kFloat).clone();  // [d_model, H * D]
    weight.narrow(1, head * c.d_head, c.d_head).zero_();
    const auto edit = WeightEdit::replace(*model, name, weight);
    EXPECT_LE(largest(logits_of(rows) - tapped), 1e-5 * largest(plain)) << layer;
  }
}

TEST_P(HooksTest, the_same_values_in_one_pass_in_cached_decoding_and_in_a_mixed_batch) {
  const auto& tokens = longest();
  Seen whole, decoded, mixed;
  pass({{tokens}}, 0, nullptr, whole);
  nn::KvCache cache = make_cache(*model, nn::Compute::f32);
  const size_t head = tokens.size() / 2;
  const std::vector<int32_t> first(tokens.begin(), tokens.begin() + long(head));
  const int a = cache.open(), b = cache.open();
  pass({{first, a}}, 0, &cache, decoded);
  for (size_t i = head; i < tokens.size(); ++i) pass({{{tokens[i]}, a}}, 0, &cache, decoded);
  // The watched row stands among an uncached one and one that is prefilled, then decodes beside a longer one.
  pass({{prompts[0]}, {first, b}, {prompts[1]}}, 1, &cache, mixed);
  const int other = cache.open();
  for (size_t i = head; i < tokens.size(); ++i)
    pass({{i == head ? prompts[1] : std::vector<int32_t>{tokens[i]}, other}, {{tokens[i]}, b}}, 1, &cache, mixed);
  expect_same(decoded, whole);
  expect_same(mixed, whole);
}

TEST_P(HooksTest, the_modules_outputs_are_those_of_the_reference) {
  if (std::string(GetParam().name) == "stories260K") GTEST_SKIP() << "its reference holds no modules' outputs";
  if (std::string(GetParam().weights).ends_with(".gguf")) GTEST_SKIP() << "the reference is of unquantised weights";
  int compared = 0;
  for (size_t p = 0; p < prompts.size(); ++p) {
    ActivationCache cache;
    const TapPlan taps(model->config, cache.taps({"blocks.*.attn.hook_out", "blocks.*.mlp.hook_out"}));
    forward(*model, pack({{prompts[p]}}, model->config.vocab), {.taps = &taps});
    for (int64_t layer = 0; layer < model->config.n_layers; ++layer)
      for (const auto& [theirs, point] : {std::pair{"attn_out", Point::attn_raw}, {"mlp_out", Point::mlp_raw}}) {
        const std::string name = fmt::format("p{}.{}.{}", p, theirs, layer);
        if (!reference->find(name)) continue;
        const Tensor ours = cache.at(point_name(point, layer));
        if (ours.size(0) != expected(name).size(0)) continue;  // a prompt that was cut short
        EXPECT_LE(largest(ours - expected(name)), 1e-4) << name;
        ++compared;
      }
  }
  EXPECT_GE(compared, 2 * model->config.n_layers);
}

TEST_P(HooksTest, a_point_that_the_family_lacks_is_refused) {
  const auto known = points();
  for (const auto& name : point_names()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    try {
      TapPlan(model->config, {{name, [](const Tensor&, const Site&) { return std::nullopt; }}});
      FAIL() << name << " was accepted";
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find("instead"), std::string::npos) << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, HooksTest, testing::ValuesIn(test::architectures()), test::architecture_name);

}  // namespace
}  // namespace ken::model::hooks_test_file
