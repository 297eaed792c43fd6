#include "ken/readout/bags.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/readout/index.h"
#include "ken/stats/classes.h"

namespace ken::readout {
namespace {

constexpr double least_kept = 0.05;  // of the eta N best tokens
constexpr double first_strength = 3;

// One machine a strength for one class against the others.
std::vector<Svm> fit_class(const Bags& bags, const std::vector<int>& y, const BagOptions& options) {
  const Tensor place = bags.values.select(1, 0);
  if (options.method == BagMethod::single) return fit_svm(place, y, options.strengths);
  if (options.method == BagMethod::mean_difference) {
    const Tensor one = at::tensor(at::ArrayRef<int>(y), at::kInt).to(at::kBool), wide = place.to(at::kDouble);
    const auto mean = [&](const Tensor& mask) { return wide.index_select(0, mask.nonzero().squeeze(1)).mean(0); };
    const Tensor positive = mean(one), negative = mean(~one), weight = positive - negative;
    return {{weight, -weight.dot((positive + negative) / 2).item<double>(), 0}};
  }
  const Svm first = fit_svm(bag_means(bags.values, bags.valid), y, {first_strength}).front();
  const std::vector<int> of_token = token_labels(first, bags, y, options.signal);
  const Tensor rows = bags.valid.flatten().nonzero().squeeze(1);
  std::vector<int> labels;
  for (int64_t i = 0; i < rows.numel(); ++i) labels.push_back(of_token[size_t(rows.data_ptr<int64_t>()[i])]);
  return fit_svm(bags.values.flatten(0, 1).index_select(0, rows), labels, options.strengths);
}

Tensor score(BagMethod method, const Svm& machine, const Bags& bags) {
  if (method != BagMethod::sawmil) return machine.score(bags.values.select(1, 0));
  return machine.score(bags.values).masked_fill(~bags.valid, -INFINITY).amax(1);
}

std::vector<int> of_class(const std::vector<int>& kind, int k) {
  std::vector<int> result;
  for (const int one : kind) result.push_back(one == k);
  return result;
}

// The bags inside and outside a fold.
struct Part {
  Bags inside, outside;
  Tensor rows;  // of those inside
};

std::vector<Part> bag_parts(const Bags& bags, const BagOptions& options) {
  const auto fold = stats::grouped_folds(bags.groups, options.folds, options.seed);
  std::vector<Part> parts;
  for (int f = 0; f < options.folds; ++f) {
    std::vector<int64_t> inside, outside;
    for (int64_t i = 0; i < bags.size(); ++i) (fold[size_t(i)] == f ? inside : outside).push_back(i);
    if (inside.empty()) continue;
    parts.push_back({bags.select(inside), bags.select(outside), index_of(inside)});
  }
  if (parts.size() < 2) fail("bags", "the groups fill {} fold; give items of more groups", parts.size());
  return parts;
}

// Held-out scores of one class by the strength whose AUROC is best.
struct HeldOut {
  Tensor scores;
  size_t strength;
};

HeldOut held_out_bags(const std::vector<Part>& parts, const std::vector<int>& y, int k, const BagOptions& options) {
  std::vector<Tensor> scores;
  for (const Part& part : parts) {
    const auto machines = fit_class(part.outside, of_class(part.outside.kind, k), options);
    while (scores.size() < machines.size()) scores.push_back(at::zeros({int64_t(y.size())}, at::kDouble));
    for (size_t c = 0; c < machines.size(); ++c)
      scores[c].index_copy_(0, part.rows, score(options.method, machines[c], part.inside));
  }
  std::vector<double> areas;
  for (const Tensor& s : scores) areas.push_back(stats::auroc({s.data_ptr<double>(), y.size()}, y));
  const size_t best = size_t(std::max_element(areas.begin(), areas.end()) - areas.begin());
  return {scores[best], best};
}

}  // namespace

Bags Bags::select(const std::vector<int64_t>& rows) const {
  const Tensor index = index_of(rows);
  Bags result{values.index_select(0, index), valid.index_select(0, index), {}, {}};
  for (const int64_t i : rows) {
    result.kind.push_back(kind[size_t(i)]);
    result.groups.push_back(groups[size_t(i)]);
  }
  return result;
}

std::vector<int> token_labels(const Svm& first, const Bags& bags, const std::vector<int>& y, int64_t signal) {
  const Tensor scores = first.score(bags.values).contiguous(), valid = bags.valid.contiguous();
  const int64_t k = bags.values.size(1);
  std::vector<std::pair<double, int64_t>> ranked;  // of positive bags, the best first
  int64_t expected = 0;
  for (int64_t token = 0; token < bags.size() * k; ++token) {
    if (y[size_t(token / k)] != 1 || !valid.data_ptr<bool>()[token]) continue;
    ranked.push_back({-scores.data_ptr<double>()[token], token});
    expected += token % k < signal;
  }
  std::sort(ranked.begin(), ranked.end());
  ranked.resize(size_t(expected));  // eta N, eta = expected / N
  const auto carries = [&](const auto& token) { return token.second % k < signal; };
  const bool ignore = double(std::count_if(ranked.begin(), ranked.end(), carries)) < least_kept * double(ranked.size());
  std::vector<int> labels(size_t(bags.size() * k), 0);
  for (const auto& token : ranked) labels[size_t(token.second)] = ignore || carries(token);
  return labels;
}

Item bag_item(const std::string& prompt, int64_t size, std::shared_ptr<const text::ChatTokens> chat) {
  Item item{prompt, {}, std::move(chat)};
  for (int64_t back = 0; back < size; ++back)
    item.places.push_back({.name = std::to_string(back) + " from the end", .offset = -back});
  return item;
}

std::vector<int64_t> tenths_of_depth(int64_t layers) {
  std::vector<int64_t> result;
  for (int64_t tenth = 1; tenth <= 10; ++tenth) {
    const int64_t layer = std::max<int64_t>(1, (layers * tenth + 5) / 10) - 1;
    if (result.empty() || layer > result.back()) result.push_back(layer);
  }
  return result;
}

Tensor BagReader::probabilities(const Bags& bags) const {
  std::vector<Tensor> scores;
  for (const Svm& machine : machines) scores.push_back(score(method, machine, bags));
  return softmax.probabilities(at::stack(scores, 1)).contiguous();
}

std::vector<int> most_likely(const Tensor& probabilities) {
  const Tensor best = probabilities.argmax(1).to(at::kInt).contiguous();
  return {best.data_ptr<int>(), best.data_ptr<int>() + best.numel()};
}

// The softmax is fitted on held-out scores: those of items that a machine was fitted on are too sure.
BagReader fit_bags(const Bags& bags, const BagOptions& options) {
  const at::NoGradGuard no_gradients;
  const std::vector<Part> parts = bag_parts(bags, options);
  BagReader reader{options.method, {}, {}, 0};
  std::vector<Tensor> scores;
  for (int k = 0; k < options.classes; ++k) {
    const std::vector<int> y = of_class(bags.kind, k);
    const HeldOut out = held_out_bags(parts, y, k, options);
    scores.push_back(out.scores);
    BagOptions chosen = options;
    if (options.method != BagMethod::mean_difference) chosen.strengths = {options.strengths[out.strength]};
    reader.machines.push_back(fit_class(bags, y, chosen).front());
  }
  const Tensor features = at::stack(scores, 1);
  reader.softmax = fit_softmax(features, bags.kind, options.classes);
  reader.held_out = stats::accuracy(most_likely(reader.softmax.probabilities(features)), bags.kind);
  return reader;
}

}  // namespace ken::readout
