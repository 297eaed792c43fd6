#include "ken/stats/calibrate.h"

#include <algorithm>
#include <numeric>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/stats/checks.h"
#include "ken/stats/logistic.h"
#include "ken/stats/stats.h"

namespace ken::stats {
namespace {

constexpr int histogram_bins = 10;
constexpr double largest = 1e100;  // of what a file states: sums and products of two such numbers are finite

// Runs of items in ascending order of score, about n / bins each; equal scores share a run. {begin, end} in `order`.
std::vector<std::pair<size_t, size_t>> equal_mass(std::span<const double> scores, const std::vector<size_t>& order,
                                                  int bins) {
  std::vector<std::pair<size_t, size_t>> runs;
  const size_t n = order.size();
  for (size_t begin = 0; begin < n;) {
    const size_t number = runs.size() + 1;
    size_t end = std::max(begin + 1, std::min(n, n * number / size_t(bins)));
    while (end < n && scores[order[end]] == scores[order[end - 1]]) ++end;
    runs.emplace_back(begin, end);
    begin = end;
  }
  return runs;
}

// a, b of sigmoid(a s + b) by Newton's method with halved steps, against Platt's targets.
std::pair<double, double> fit_platt(std::span<const double> s, std::span<const int> right, double positives) {
  const double n = double(s.size()), high = (positives + 1) / (positives + 2), low = 1 / (n - positives + 2);
  const double mean = mean_of(s), sd = std::max(sd_of(s), 1e-12);
  const auto loss = [&](double a, double b) {
    double sum = 0;
    for (size_t i = 0; i < s.size(); ++i) {
      const double z = a * (s[i] - mean) / sd + b, t = right[i] ? high : low;
      sum += std::max(z, 0.0) - z * t + std::log1p(std::exp(-std::abs(z)));
    }
    return sum;
  };
  double a = 0, b = std::log(positives / (n - positives)), value = loss(a, b);
  for (int step = 0; step < 100; ++step) {
    double ga = 0, gb = 0, haa = 1e-10, hab = 0, hbb = 1e-10;
    for (size_t i = 0; i < s.size(); ++i) {
      const double z = (s[i] - mean) / sd, p = sigmoid(a * z + b), e = p - (right[i] ? high : low), w = p * (1 - p);
      ga += e * z, gb += e, haa += w * z * z, hab += w * z, hbb += w;
    }
    const double det = haa * hbb - hab * hab;
    double da = (hbb * ga - hab * gb) / det, db = (haa * gb - hab * ga) / det, next = loss(a - da, b - db);
    for (int halving = 0; halving < 40 && !(next <= value); ++halving) da /= 2, db /= 2, next = loss(a - da, b - db);
    if (!(next <= value)) break;
    a -= da, b -= db;
    if (value - next <= 1e-12 * (1 + std::abs(value))) break;
    value = next;
  }
  return {a / sd, b - a * mean / sd};
}

// Pooled blocks of non-decreasing means: their scores' range and share.
void fit_isotonic(std::span<const double> s, std::span<const int> right, std::vector<double>& x,
                  std::vector<double>& y) {
  struct Block {
    double first, last, sum, n;
  };
  std::vector<Block> blocks;
  const auto order = sorted_order(s);
  for (size_t i = 0; i < order.size();) {
    Block block{s[order[i]], s[order[i]], 0, 0};
    for (; i < order.size() && s[order[i]] == block.first; ++i) block.sum += right[order[i]], block.n += 1;
    blocks.push_back(block);
    while (blocks.size() > 1) {
      const Block& above = blocks.back();
      Block& below = blocks[blocks.size() - 2];
      if (below.sum * above.n <= above.sum * below.n) break;
      below = {below.first, above.last, below.sum + above.sum, below.n + above.n};
      blocks.pop_back();
    }
  }
  for (const Block& block : blocks) {
    x.push_back(block.first), y.push_back(block.sum / block.n);
    if (block.last > block.first) x.push_back(block.last), y.push_back(block.sum / block.n);
  }
}

double interpolate(const std::vector<double>& x, const std::vector<double>& y, double at) {
  const auto above = std::upper_bound(x.begin(), x.end(), at);
  if (above == x.begin()) return y.front();
  if (above == x.end()) return y.back();
  const size_t i = size_t(above - x.begin());
  return y[i - 1] + (y[i] - y[i - 1]) * (at - x[i - 1]) / (x[i] - x[i - 1]);
}

double gap_of_runs(std::span<const double> confidence, const std::vector<size_t>& order,
                   const std::vector<std::pair<size_t, size_t>>& runs, const auto& label) {
  double sum = 0;
  for (const auto& [begin, end] : runs) {
    double gap = 0;
    for (size_t i = begin; i < end; ++i) gap += label(order[i]) - confidence[order[i]];
    sum += std::abs(gap);
  }
  return sum / double(order.size());
}

}  // namespace

Calibrator Calibrator::fit(const std::string& kind, std::span<const double> scores, std::span<const int> right) {
  check_scores("calibrate", scores, right);
  if (!is_in(kind, calibrator_kinds))
    fail_usage("calibrate", "'{}' is no calibrator; use temperature, platt, isotonic or histogram", kind);
  const double positives = double(std::count(right.begin(), right.end(), 1));
  if (positives == 0 || positives == double(right.size()))
    fail("calibrate", "all {} answers are {}; give facts of which the model knows some and not others", right.size(),
         positives == 0 ? "wrong" : "right");
  for (const double s : scores)
    if (!std::isfinite(s)) fail("calibrate", "a score is {}; scores must be finite", s);
  Calibrator c;
  c.kind_ = kind;
  if (kind == "temperature") {
    for (const double s : scores)
      if (s < 0 || s > 1)
        fail_usage("calibrate",
                   "a temperature needs probabilities, and a score is {}; use platt, isotonic or histogram", s);
    c.a_ = 1 / fit_temperature(scores, right);
  } else if (kind == "platt") {
    std::tie(c.a_, c.b_) = fit_platt(scores, right, positives);
  } else if (kind == "isotonic") {
    fit_isotonic(scores, right, c.x_, c.y_);
  } else {
    const auto order = sorted_order(scores);
    for (const auto& [begin, end] : equal_mass(scores, order, histogram_bins)) {
      double hits = 0;
      for (size_t i = begin; i < end; ++i) hits += right[order[i]];
      c.x_.push_back(scores[order[begin]]), c.y_.push_back(hits / double(end - begin));
    }
  }
  return c;
}

Json Calibrator::to_json() const {
  Json json{{"kind", kind_}};
  if (kind_ == "temperature") json["temperature"] = 1 / a_;
  if (kind_ == "platt") json["a"] = a_, json["b"] = b_;
  if (!x_.empty()) json["x"] = x_, json["y"] = y_;
  return json;
}

Calibrator Calibrator::from_json(const Json& json) {
  try {
    Calibrator c;
    c.kind_ = json.at("kind").get<std::string>();
    if (c.kind_ == "temperature") {
      c.a_ = 1 / json.at("temperature").get<double>();
    } else if (c.kind_ == "platt") {
      c.a_ = json.at("a").get<double>(), c.b_ = json.at("b").get<double>();
    } else if (c.kind_ == "isotonic" || c.kind_ == "histogram") {
      json.at("x").get_to(c.x_), json.at("y").get_to(c.y_);
      if (c.x_.empty() || c.x_.size() != c.y_.size() || !std::is_sorted(c.x_.begin(), c.x_.end()))
        fail("calibration", "x and y hold {} and {} numbers; as many in both are needed, x ascending", c.x_.size(),
             c.y_.size());
      for (const double x : c.x_)
        if (!(std::abs(x) <= largest)) fail("calibration", "a score is {}; scores lie within {}", x, largest);
      for (const double y : c.y_)
        if (!(y >= 0 && y <= 1)) fail("calibration", "a share is {}; shares lie in [0, 1]", y);
    } else {
      fail("calibration", "'{}' is no calibrator; known are temperature, platt, isotonic, histogram", c.kind_);
    }
    if (!(std::abs(c.a_) <= largest && std::abs(c.b_) <= largest))
      fail("calibration", "the parameters are {} and {}; they lie within {}", c.a_, c.b_, largest);
    return c;
  } catch (const Json::exception& error) {
    fail("calibration", "this is no calibrator: {}", error.what());
  }
}

double Calibrator::operator()(double score) const {
  if (kind_ == "temperature") return sigmoid(logit(score) * a_);
  if (kind_ == "platt") return sigmoid(a_ * score + b_);
  if (kind_ == "isotonic") return interpolate(x_, y_, score);
  const auto above = std::upper_bound(x_.begin(), x_.end(), score);
  return y_[above == x_.begin() ? 0 : size_t(above - x_.begin()) - 1];
}

std::vector<double> Calibrator::operator()(std::span<const double> scores) const {
  std::vector<double> result;
  for (const double s : scores) result.push_back((*this)(s));
  return result;
}

double ece_equal_mass(std::span<const double> confidence, std::span<const int> right, int bins) {
  check_scores("ece_equal_mass", confidence, right);
  if (confidence.empty()) return nan;
  const auto order = sorted_order(confidence);
  return gap_of_runs(confidence, order, equal_mass(confidence, order, bins),
                     [&](size_t i) { return double(right[i]); });
}

double ece_debiased(std::span<const double> confidence, std::span<const int> right, int bins, uint64_t seed) {
  constexpr int redraws = 200;
  check_scores("ece_debiased", confidence, right);
  if (confidence.empty()) return nan;
  const auto order = sorted_order(confidence);
  const auto runs = equal_mass(confidence, order, bins);
  double chance = 0;
  Rng rng(seed, 0xece);
  for (int draw = 0; draw < redraws; ++draw)
    chance += gap_of_runs(confidence, order, runs, [&](size_t i) { return double(rng.chance(confidence[i])); });
  const double plain = gap_of_runs(confidence, order, runs, [&](size_t i) { return double(right[i]); });
  return std::max(0.0, plain - chance / redraws);
}

double largest_gap(std::span<const double> confidence, std::span<const int> right, int bins) {
  double most = 0;
  for (const Bin& bin : reliability(confidence, right, bins))
    most = std::max(most, std::abs(bin.accuracy - bin.confidence));
  return most;
}

BrierParts brier_parts(std::span<const double> confidence, std::span<const int> right, int bins) {
  check_scores("brier_parts", confidence, right);
  const auto order = sorted_order(confidence);
  const double n = double(right.size()), base = double(std::count(right.begin(), right.end(), 1)) / n;
  BrierParts parts{0, 0, base * (1 - base)};
  for (const auto& [begin, end] : equal_mass(confidence, order, bins)) {
    const double count = double(end - begin);
    double c = 0, hits = 0;
    for (size_t i = begin; i < end; ++i) c += confidence[order[i]] / count, hits += right[order[i]] / count;
    parts.reliability += count / n * (c - hits) * (c - hits);
    parts.resolution += count / n * (hits - base) * (hits - base);
  }
  return parts;
}

double nll(std::span<const double> confidence, std::span<const int> right) {
  check_scores("nll", confidence, right);
  double sum = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    const double p = std::clamp(confidence[i], 1e-6, 1 - 1e-6);
    sum -= std::log(right[i] ? p : 1 - p);
  }
  return confidence.empty() ? nan : sum / double(right.size());
}

double risk_control_threshold(std::span<const double> scores, std::span<const int> right, double risk) {
  const double n = double(scores.size());
  double lowest = nan;
  for (const RiskPoint& point : risk_coverage(scores, right)) {  // the surest first: the loss never falls
    const double answered_and_wrong = point.risk * double(point.n);
    if ((answered_and_wrong + 1) / (n + 1) > risk) break;
    lowest = point.threshold;
  }
  return lowest;
}

}  // namespace ken::stats
