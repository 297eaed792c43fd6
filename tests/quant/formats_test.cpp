// Every block format: ggml's own dequantised values, the error of a round trip on blocks of each kind, and never more
// error than the plain published rule. A new format is tested by being registered.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "ken/base/registry.h"
#include "ken/io/tensors.h"
#include "ken/quant/half.h"
#include "tests/fixtures.h"

namespace ken::quant::formats_test_file {
namespace {

using Values = std::vector<float>;

std::vector<std::byte> encoded(const Format& format, const Values& x) {
  std::vector<std::byte> blocks(format.bytes_of(int64_t(x.size())));
  quantize(format, x.data(), blocks.data(), int64_t(x.size()));
  return blocks;
}

Values round_trip(const Format& format, const Values& x) {
  const auto blocks = encoded(format, x);
  Values back(x.size(), NAN);
  dequantize(format, blocks.data(), back.data(), int64_t(x.size()));
  return back;
}

double squares(const Values& x, const Values& y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::pow(double(x[i]) - y[i], 2);
  return sum;
}

Values values_of(const io::TensorInfo& tensor) {
  Values result(size_t(tensor.elements()));
  io::to_f32(tensor.dtype, tensor.bytes.data(), result.data(), tensor.elements());
  return result;
}

// What a format is made of, stated here a second time: levels of one sub-block, and whether it has a minimum.
struct Shape {
  int64_t sub;
  int lowest, highest;  // levels; the plain step of a format without a minimum is the extreme value over `lowest`
  bool affine;          // x ~ d q + m
  double grid;          // largest whole number a sub-block's scale is stored as; 0: an f16 of its own
};
const std::map<std::string, Shape> shapes{{"q4_0", {32, -8, 7, false, 0}},     {"q4_1", {32, 0, 15, true, 0}},
                                          {"q5_0", {32, -16, 15, false, 0}},   {"q5_1", {32, 0, 31, true, 0}},
                                          {"q8_0", {32, -127, 127, false, 0}}, {"q4_k", {32, 0, 15, true, 63}},
                                          {"q5_k", {32, 0, 31, true, 63}},     {"q6_k", {16, -32, 31, false, 128}}};

double half(double x) { return f16_to_f32(f32_to_f16(float(x))); }

// The published rule without a search: the step from the range or the extreme value, rounded to how it is stored.
class PlainRule {
 public:
  PlainRule(const Shape& shape, const Values& x) : shape_(shape), x_(x) {}

  Values round_trip(int64_t block) const {
    Values back(x_.size());
    for (size_t from = 0; from < x_.size(); from += size_t(block)) one_block(from, size_t(block), back);
    return back;
  }

 private:
  struct Step {
    double d = 0, m = 0;
  };
  Step step_of(size_t from) const {
    double low = x_[from], high = low, extreme = 0;
    for (size_t i = from; i < from + size_t(shape_.sub); ++i) {
      low = std::min<double>(low, x_[i]), high = std::max<double>(high, x_[i]);
      if (std::fabs(x_[i]) > std::fabs(extreme)) extreme = x_[i];
    }
    if (!shape_.affine) return {extreme / shape_.lowest, 0};
    if (shape_.grid > 0) low = std::min(low, 0.0);  // the stored minimum is subtracted and cannot be negative
    return {(high - low) / shape_.highest, low};
  }
  void one_block(size_t from, size_t block, Values& back) const {
    std::vector<Step> steps;
    for (size_t s = from; s < from + block; s += size_t(shape_.sub)) steps.push_back(step_of(s));
    Step most;
    for (const Step& step : steps) {
      if (std::fabs(step.d) > std::fabs(most.d)) most.d = step.d;
      most.m = std::min(most.m, step.m);
    }
    const double d = half(most.d / shape_.grid), m = half(most.m / shape_.grid);
    for (size_t s = 0; s < steps.size(); ++s) {
      Step step = steps[s];  // levels are chosen by it
      if (shape_.grid > 0) {
        step.d = d == 0 ? 0 : d * std::min(std::round(step.d / d), shape_.grid - (shape_.affine ? 0 : 1));
        step.m = m == 0 ? 0 : m * std::round(step.m / m);
      }
      const Step stored = shape_.grid > 0 ? step : Step{half(step.d), half(step.m)};
      for (size_t i = from + s * size_t(shape_.sub); i < from + (s + 1) * size_t(shape_.sub); ++i) {
        const double q = step.d == 0 ? 0 : std::round((x_[i] - step.m) / step.d);
        back[i] = float(stored.d * std::clamp<double>(q, shape_.lowest, shape_.highest) + stored.m);
      }
    }
  }

  const Shape& shape_;
  const Values& x_;
};

class FormatsTest : public testing::TestWithParam<std::string> {
 protected:
  const Format& format_ = format_of(GetParam());
  const Shape& shape_ = shapes.at(GetParam());

  // The largest error that rounding to the levels may leave in a block of this magnitude: half a step for what is in
  // range, a whole one where the range is lopsided, and what scales lose by their own rounding.
  double bound(double magnitude) const {
    const double range = shape_.affine ? 2 * magnitude : magnitude;
    const double step = range / (shape_.affine ? shape_.highest : -shape_.lowest);
    const double stored = shape_.grid > 0 ? magnitude / shape_.grid : magnitude / 1024;
    return step + stored + 0x1p-24 * (shape_.highest - shape_.lowest);
  }
};

TEST_P(FormatsTest, values_are_ggmls) {
  KEN_FIXTURE(types, "quant/types.gguf");
  KEN_FIXTURE(wanted, "quant/types_expected.safetensors");
  const auto file = io::open_tensors(types), expected = io::open_tensors(wanted);
  size_t compared = 0;
  for (const auto& tensor : file->tensors) {
    if (tensor.dtype != io::weight_type(GetParam())) continue;
    EXPECT_EQ(tensor.shape, (std::vector<int64_t>{4, 512}));
    const Values ours = values_of(tensor), theirs = values_of(expected->at(tensor.name));
    for (size_t i = 0; i < ours.size(); ++i) ASSERT_LE(std::fabs(ours[i] - theirs[i]), 1e-6) << i;
    ++compared;
  }
  EXPECT_EQ(compared, 1u);
}

// The formats without a search give ggml's bytes; those with one leave no more error than ggml's own search did.
TEST_P(FormatsTest, quantising_the_fixtures_source_is_as_good_as_ggmls) {
  KEN_FIXTURE(types, "quant/types.gguf");
  KEN_FIXTURE(wanted, "quant/types_expected.safetensors");
  const auto file = io::open_tensors(types), expected = io::open_tensors(wanted);
  const Values source = values_of(expected->at("src"));
  for (const auto& tensor : file->tensors) {
    if (tensor.dtype != io::weight_type(GetParam())) continue;
    if (shape_.grid == 0) {
      EXPECT_TRUE(std::ranges::equal(encoded(format_, source), tensor.bytes));
    }
    EXPECT_LE(squares(source, round_trip(format_, source)), squares(source, values_of(tensor)));
  }
}

TEST_P(FormatsTest, the_error_stays_within_a_step_on_blocks_of_every_kind) {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  const std::vector<std::pair<std::string, std::function<float(size_t)>>> kinds{
      {"random", [&](size_t) { return normal(generator); }},
      {"zero", [](size_t) { return 0.0f; }},
      {"constant", [](size_t) { return 0.37f; }},
      {"negative constant", [](size_t) { return -0.37f; }},
      {"positive", [&](size_t) { return std::fabs(normal(generator)); }},
      {"negative", [&](size_t) { return -std::fabs(normal(generator)); }},
      {"alternating", [](size_t i) { return i % 2 ? 1.0f : -1.0f; }},
      {"huge", [&](size_t) { return 60000.0f * std::tanh(normal(generator)); }},
      {"tiny", [&](size_t) { return 1e-6f * normal(generator); }},
      {"below f16", [&](size_t) { return 1e-12f * normal(generator); }},
      {"denormal", [&](size_t) { return 1e-41f * normal(generator); }},
      {"one outlier", [&](size_t i) { return i % 256 == 77 ? 50.0f : 0.1f * normal(generator); }},
      {"one value", [](size_t i) { return i % 256 == 77 ? -3.0f : 0.0f; }},
      {"sub-blocks of many sizes", [&](size_t i) { return std::exp2(float(i / 16 % 16) - 8) * normal(generator); }}};
  for (const auto& [kind, value] : kinds) {
    Values x(1024);
    float magnitude = 0;
    for (size_t i = 0; i < x.size(); ++i) x[i] = value(i), magnitude = std::max(magnitude, std::fabs(x[i]));
    const Values back = round_trip(format_, x);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_LE(std::fabs(back[i] - x[i]), bound(magnitude)) << kind << ", value " << i << ": " << x[i];
    }
    if (magnitude == 0) {
      EXPECT_EQ(back, x);
    }
  }
}

TEST_P(FormatsTest, no_more_error_than_the_plain_rule) {
  std::mt19937 generator(11);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::student_t_distribution<float> heavy(3);
  const std::vector<std::function<float(size_t)>> sources{
      [&](size_t) { return 0.02f * normal(generator); }, [&](size_t) { return uniform(generator); },
      [&](size_t) { return 0.1f * heavy(generator); }, [&](size_t i) { return normal(generator) + float(i / 64 % 3); }};
  for (const auto& source : sources) {
    Values x(256 * 32);
    for (size_t i = 0; i < x.size(); ++i) x[i] = source(i);
    const double plain = squares(x, PlainRule(shape_, x).round_trip(format_.block));
    EXPECT_LE(squares(x, round_trip(format_, x)), plain * (shape_.grid == 0 ? 1.001 : 0.999));
  }
}

TEST_P(FormatsTest, blocks_do_not_depend_on_their_neighbours) {
  Values x(size_t(format_.block) * 3);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(float(i));
  const auto all = encoded(format_, x);
  const auto last = encoded(format_, Values(x.end() - format_.block, x.end()));
  EXPECT_TRUE(std::ranges::equal(last, std::span(all).last(format_.bytes)));
}

std::string error_of(const Format& format, const Values& x) {
  try {
    encoded(format, x);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_P(FormatsTest, what_it_cannot_hold_is_an_error_that_says_where) {
  Values x(size_t(format_.block) * 2);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(), format_.largest * 1.01f, -1e30f}) {
    x[size_t(format_.block) + 5] = bad;
    EXPECT_NE(error_of(format_, x).find(fmt::format("value {}", format_.block + 5)), std::string::npos)
        << error_of(format_, x);
  }
  for (const float most : {format_.largest, -format_.largest}) {
    x[size_t(format_.block) + 5] = most;
    EXPECT_EQ(error_of(format_, x), "no error");
    for (const float value : round_trip(format_, x)) EXPECT_TRUE(std::isfinite(value));
  }
  EXPECT_THROW(quantize(format_, x.data(), nullptr, format_.block - 1), Error);
  EXPECT_THROW(dequantize(format_, nullptr, x.data(), -format_.block), Error);
}

TEST_P(FormatsTest, any_bytes_decode) {
  std::mt19937 generator(3);
  std::vector<std::byte> blocks(format_.bytes * 64);
  for (auto& b : blocks) b = std::byte(generator());
  Values x(size_t(format_.block) * 64);
  dequantize(format_, blocks.data(), x.data(), int64_t(x.size()));
}

std::vector<std::string> ids() {
  std::vector<std::string> result;
  for (const Format* format : formats()) result.push_back(format->card.id);
  return result;
}
INSTANTIATE_TEST_SUITE_P(Formats, FormatsTest, testing::ValuesIn(ids()), [](const auto& info) { return info.param; });

TEST(FormatRegistryTest, every_format_has_numbers_of_its_own) {
  std::set<uint32_t> numbers;
  std::set<int64_t> file_types;
  for (const Format* format : formats()) {
    EXPECT_TRUE(numbers.insert(format->gguf).second) << format->card.id;
    EXPECT_TRUE(file_types.insert(format->file_type).second) << format->card.id;
    EXPECT_EQ(find_format(format->gguf), format);
    EXPECT_EQ(&format_of(format->card.id), format);
    EXPECT_EQ(shapes.count(format->card.id), 1u) << format->card.id << " has no row in this test";
  }
  EXPECT_EQ(find_format(10), nullptr);
  EXPECT_THROW(format_of("q4_l"), UsageError);
}

}  // namespace
}  // namespace ken::quant::formats_test_file
