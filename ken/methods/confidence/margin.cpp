// Margin: how far the likeliest token is ahead of the second, p_(1) - p_(2), along the greedy answer. The first token
// of a short answer decides most; the smallest margin is where the answer was nearest to being another one.
#include <algorithm>

#include "ken/evidence/evidence.h"

namespace ken::evidence::margin_file {
namespace {

double score(const View& view, const Json& params) {
  const auto& answer = view.greedy();
  const auto n = std::max<long>(1, long(answer.answer_tokens));  // of an empty answer: the decision to end
  const auto first = answer.margins.begin(), end = first + std::min(n, long(answer.margins.size()));
  if (first == end) return 0;
  const std::string over = params.at("over");
  if (over == "first") return *first;
  return over == "min" ? *std::min_element(first, end) : std::accumulate(first, end, 0.0) / double(end - first);
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "margin",
              .family = "confidence",
              .title = "Margin",
              .paper = "arXiv 2311.07383",
              .sentence = "How far the likeliest token is ahead of the second along the greedy answer.",
              .params = {{"over", "first", "which of the answer's tokens", -1e300, 1e300, {"first", "mean", "min"}}},
              .example = "ken ask --confidence margin:over=min \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs = [](const Json&) { return Needs{.greedy = true}; },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::margin_file
