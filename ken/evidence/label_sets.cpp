#include "ken/evidence/label_sets.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace ken::evidence {

std::vector<LabelQuestion> label_questions(const readout::AnalysisInput& input, size_t most_labels) {
  std::map<std::string, std::set<std::string>> values;
  for (const auto& fact : input.facts.facts)
    if (!fact.answers.empty() && !fact.question.empty()) values[fact.relation].insert(fact.answers.front());
  std::map<std::string, std::shared_ptr<const std::vector<std::string>>> labels;
  for (const auto& [relation, set] : values)
    if (set.size() >= 2 && set.size() <= most_labels)
      labels[relation] = std::make_shared<const std::vector<std::string>>(set.begin(), set.end());
  std::vector<LabelQuestion> result;
  for (const auto& fact : input.facts.facts) {
    const auto found = labels.find(fact.relation);
    if (found == labels.end() || fact.answers.empty() || fact.question.empty()) continue;
    const auto& list = *found->second;
    const auto at = std::lower_bound(list.begin(), list.end(), fact.answers.front());
    result.push_back({&fact, found->second, size_t(at - list.begin())});
  }
  return result;
}

OptionItem with_labels(const LabelQuestion& question, const data::PromptStyle& style, std::string prompt) {
  OptionItem item{std::move(prompt), {}, style.tokens()};
  for (const auto& label : *question.labels) item.options.push_back((style.chat ? "" : " ") + label);
  return item;
}

std::vector<std::vector<OptionScore>> score_labels(const model::Model& model, const std::vector<OptionItem>& items,
                                                   nn::Compute compute) {
  std::map<std::vector<std::string>, std::vector<std::vector<int32_t>>> known;
  std::vector<OptionTokens> tokens;
  for (const OptionItem& item : items) {
    const auto found = known.find(item.options);
    if (found != known.end()) {
      OptionTokens first = option_tokens(model, {item.prompt, {item.options[0]}, item.chat}, "labels");
      size_t longest = 0;
      for (const auto& label : found->second) longest = std::max(longest, label.size());
      const bool fits = int64_t(first.prompt.size() + longest) <= model.config.context;  // else the error is below
      if (fits && first.options[0] == found->second[0]) {
        tokens.push_back({std::move(first.prompt), found->second});
        continue;
      }
    }
    tokens.push_back(option_tokens(model, item, "labels"));
    known[item.options] = tokens.back().options;
  }
  return score_tokens(model, tokens, compute);
}

std::vector<double> label_probabilities(const std::vector<OptionScore>& scores) {
  double most = -INFINITY, total = 0;
  for (const auto& score : scores) most = std::max(most, score.logprob);
  std::vector<double> result;
  for (const auto& score : scores) total += result.emplace_back(std::exp(score.logprob - most));
  for (double& p : result) p /= total;
  return result;
}

size_t likeliest(const std::vector<double>& probabilities) {
  return size_t(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
}

Quality quality(const std::vector<LabelQuestion>& questions, const std::vector<std::vector<double>>& shares) {
  Quality q;
  std::vector<double> confidence;
  std::vector<int> right;
  std::map<std::string, std::array<double, 3>> counts;  // of a label: right, predicted, actual
  for (size_t i = 0; i < questions.size(); ++i) {
    const LabelQuestion& question = questions[i];
    const size_t y = likeliest(shares[i]);
    const auto key = [&](size_t label) { return question.fact->relation + "\t" + (*question.labels)[label]; };
    const bool hit = y == question.right;
    confidence.push_back(shares[i][y]), right.push_back(hit);
    counts[key(question.right)][0] += hit, ++counts[key(y)][1], ++counts[key(question.right)][2];
  }
  for (const auto& [label, c] : counts) q.f1 += 2 * c[0] / (c[1] + c[2]) / double(counts.size());
  q.accuracy = stats::mean_of(std::vector<double>(right.begin(), right.end()));
  q.confidence = stats::mean_of(confidence), q.ece = stats::ece(confidence, right, 10);
  return q;
}

}  // namespace ken::evidence
