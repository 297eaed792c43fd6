// What benchmarks share: the standard metrics.
#include "ken/tasks/task.h"

#include <numeric>

#include "ken/base/select.h"
#include "ken/data/facts.h"

namespace ken::tasks {
namespace {

// Characters as Python counts them, which is what acc_norm divides by.
size_t characters(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::vector<Metric> standard_metrics(bool open) {
  if (open) {
    return {{"exact_match", "the answer equals an accepted one after SQuAD normalisation"},
            {"contains", "the answer contains an accepted one after SQuAD normalisation"}};
  }
  return {{"acc", "the likeliest option is right"},
          {"acc_norm", "the option of the largest log-likelihood per character is right"},
          {"acc_bytes", "the option of the largest log-likelihood per UTF-8 byte is right"}};
}

size_t best_option(const std::vector<evidence::OptionScore>& scores, const std::vector<size_t>& lengths) {
  const auto value = [&](size_t i) {
    return lengths.empty() ? scores[i].logprob : scores[i].logprob / double(std::max<size_t>(1, lengths[i]));
  };
  size_t best = 0;
  for (size_t i = 1; i < scores.size(); ++i)
    if (value(i) > value(best)) best = i;
  return best;
}

Json score_choice(const Item& item, const std::vector<evidence::OptionScore>& scores) {
  std::vector<size_t> letters, bytes;
  for (const auto& option : item.options) letters.push_back(characters(option));
  for (const auto& score : scores) bytes.push_back(score.bytes);
  const auto right = [&](size_t option) { return is_in(option, item.gold) ? 1.0 : 0.0; };
  return {{"acc", right(best_option(scores))},
          {"acc_norm", right(best_option(scores, letters))},
          {"acc_bytes", right(best_option(scores, bytes))}};
}

Json score_answer(const Item& item, const std::string& answer) {
  return {{"exact_match", data::same_answer(answer, item.answers) ? 1.0 : 0.0},
          {"contains", data::contains_answer(answer, item.answers) ? 1.0 : 0.0}};
}

}  // namespace ken::tasks
