// One-against-rest probes on quadratic features; the bootstrap's draws are shared by all readings.
#include "ken/readout/separation.h"

#include <algorithm>
#include <map>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/readout/probe.h"

namespace ken::readout {
namespace {

constexpr uint64_t split_stream = 0x9ead, draw_stream = 0xb007;
constexpr int resamples = 300;

using Indices = std::vector<size_t>;
using Scores = std::vector<std::vector<double>>;  // [class][item], held out

Tensor quadratic(const Tensor& c) {
  std::vector<Tensor> columns;
  for (int64_t i = 0; i < c.size(1); ++i) columns.push_back(c.select(1, i));
  for (int64_t i = 0; i < c.size(1); ++i)
    for (int64_t j = i; j < c.size(1); ++j) columns.push_back(c.select(1, i) * c.select(1, j));
  return at::stack(columns, 1);
}

Scores scores_of(const Tensor& coordinates, const Classes& classes, uint64_t seed) {
  const Tensor x = quadratic(coordinates.to(at::kCPU, at::kFloat)).unsqueeze(0);
  Scores scores;
  for (int c = 0; c < int(classes.names.size()); ++c) {
    std::vector<int> labels;
    for (const int of : classes.of) labels.push_back(of == c);
    // a split of its own: the items may be what one fold of another split with this seed holds
    const Tensor row = fit_logistic(x, labels, classes.groups, {.seed = seed + split_stream}).scores[0];
    const Tensor values = row.to(at::kDouble).contiguous();
    scores.emplace_back(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  }
  return scores;
}

double against_rest(const Classes& classes, const Scores& scores, int c, const Indices& some) {
  std::vector<double> picked;
  std::vector<int> labels;
  for (const size_t i : some) picked.push_back(scores[size_t(c)][i]), labels.push_back(classes.of[i] == c);
  return stats::auroc(picked, labels);
}

double macro(const Classes& classes, const Scores& scores, const Indices& some) {
  double total = 0;
  for (int c = 0; c < int(classes.names.size()); ++c) total += against_rest(classes, scores, c, some);
  return total / double(classes.names.size());
}

std::vector<Indices> draws(const Classes& classes, uint64_t seed) {
  std::map<std::string, Indices> members;
  for (size_t i = 0; i < classes.of.size(); ++i) members[classes.groups[i]].push_back(i);
  std::vector<const Indices*> groups;
  for (const auto& entry : members) groups.push_back(&entry.second);
  Rng rng(seed, draw_stream);
  std::vector<Indices> result(resamples);
  for (Indices& some : result)
    for (size_t g = 0; g < groups.size(); ++g) {
      const Indices& group = *groups[rng.below(groups.size())];
      some.insert(some.end(), group.begin(), group.end());
    }
  return result;
}

stats::Number with_interval(double value, std::vector<double> drawn, size_t n, const char* metric) {
  std::erase_if(drawn, [](double v) { return !std::isfinite(v); });  // a draw may miss a class
  std::sort(drawn.begin(), drawn.end());
  const auto at = [&](double q) { return drawn.empty() ? NAN : drawn[size_t(q * double(drawn.size() - 1))]; };
  return {value, int64_t(n), at(0.025), at(0.975), metric};
}

}  // namespace

Separation separate(const std::vector<Tensor>& readings, const Classes& classes, uint64_t seed) {
  const size_t n = classes.of.size();
  if (readings.empty() || classes.names.size() < 2 || classes.groups.size() != n)
    fail("separation", "{} readings of {} classes, {} groups for {} items; two classes or more are needed",
         readings.size(), classes.names.size(), classes.groups.size(), n);
  Indices all;
  for (size_t i = 0; i < n; ++i) all.push_back(i);
  std::vector<Scores> scores;
  for (const Tensor& reading : readings) scores.push_back(scores_of(reading, classes, seed));
  std::vector<std::vector<double>> drawn(readings.size());
  for (const Indices& some : draws(classes, seed))
    for (size_t r = 0; r < readings.size(); ++r) drawn[r].push_back(macro(classes, scores[r], some));
  Separation result;
  for (size_t r = 0; r < readings.size(); ++r) {
    const double value = macro(classes, scores[r], all);
    std::vector<double> above;
    for (size_t d = 0; d < drawn[r].size(); ++d) above.push_back(drawn[0][d] - drawn[r][d]);
    result.macro.push_back(with_interval(value, drawn[r], n, "macro_auroc"));
    result.above.push_back(with_interval(result.macro[0].value - value, above, n, "macro_auroc_difference"));
    auto& each = result.one_against_rest.emplace_back();
    for (int c = 0; c < int(classes.names.size()); ++c) each.push_back(against_rest(classes, scores[r], c, all));
  }
  return result;
}

}  // namespace ken::readout
