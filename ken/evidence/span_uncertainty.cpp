#include "ken/evidence/span_uncertainty.h"

#include <algorithm>
#include <cmath>

#include "ken/base/error.h"
#include "ken/stats/snr.h"

namespace ken::evidence {
namespace {

std::vector<double> span_probabilities(const std::vector<double>& logprobs) {
  std::vector<double> p;
  for (const double l : logprobs) p.push_back(std::exp(l));
  return p;
}

}  // namespace

std::vector<double> PairScores::whole(size_t candidate) const {
  std::vector<double> p = own;
  p.insert(p.end(), behind.at(candidate).begin(), behind.at(candidate).end());
  return p;
}

std::vector<PairScores> score_pairs(const model::Model& model, const std::vector<std::string>& texts,
                                    std::vector<PairScores> pairs, nn::Compute compute) {
  const auto tokens = [&](size_t text) {
    return option_tokens(model, {"", {texts.at(text)}}, fmt::format("text {}", text));
  };
  std::vector<OptionTokens> asked;
  for (auto& pair : pairs) {
    OptionTokens own = tokens(pair.anchor), behind = own;
    behind.prompt.insert(behind.prompt.end(), own.options[0].begin(), own.options[0].end());
    behind.options.clear();
    std::vector<size_t> kept;
    for (const size_t candidate : pair.candidates) {
      auto b = tokens(candidate).options[0];
      if (int64_t(behind.prompt.size() + b.size()) > model.config.context) continue;
      kept.push_back(candidate);
      behind.options.push_back(std::move(b));
    }
    pair.candidates = std::move(kept);
    asked.push_back(std::move(own));
    if (!behind.options.empty()) asked.push_back(std::move(behind));
  }
  const auto scores = score_tokens(model, asked, compute);
  size_t next = 0;
  for (auto& pair : pairs) {
    pair.own = span_probabilities(scores[next++][0].logprobs);
    if (pair.candidates.empty()) continue;
    for (const auto& score : scores[next++]) pair.behind.push_back(span_probabilities(score.logprobs));
  }
  return pairs;
}

double settling_snr(const std::vector<PairScores>& pairs, int64_t window, double share) {
  std::vector<double> all;
  for (const auto& pair : pairs)
    for (size_t c = 0; c < pair.candidates.size(); ++c)
      for (const double r : stats::window_snr(pair.whole(c), window)) all.push_back(r);
  if (all.empty()) return 0;
  std::sort(all.begin(), all.end());
  return all[std::min(all.size() - 1, size_t(share * double(all.size())))];
}

}  // namespace ken::evidence
