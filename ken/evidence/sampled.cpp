#include "ken/evidence/sampled.h"

#include <algorithm>
#include <map>

#include "ken/readout/judge.h"
#include "ken/readout/probe_kinds.h"

namespace ken::evidence {

Sampled sample_answers(const readout::AnalysisInput& input, const std::vector<OpenFact>& asked,
                       const SampleOptions& how) {
  std::vector<generate::Request> requests;
  for (size_t i = 0; i < asked.size(); ++i) {
    requests.push_back(asked[i].request);
    requests.back().stop = asked[i].ends;
    requests.back().max_tokens = input.style.max_tokens;
    requests.back().samples = how.samples;
    requests.back().sampling.temperature = how.temperature;
    requests.back().sampling.seed = input.seed;
    requests.back().key = i;
  }
  generate::GenerateOptions options;
  options.compute = input.compute;
  options.progress = input.progress;
  const auto drawn = generate::generate(input.model, requests, options);
  Sampled result;
  for (size_t i = 0; i < drawn.size(); ++i) {
    std::vector<std::string> exact;
    auto& answers = result.answers.emplace_back();
    for (const auto& one : drawn[i]) {
      answers.push_back(read_answer(*input.model.tokenizer, one, asked[i]));
      exact.push_back(answers.back().exact);
    }
    result.counts.push_back(resample(exact, asked[i].fact->answers));
  }
  return result;
}

readout::Item at_last_exact(const readout::AnalysisInput& input, const OpenFact& asked, const LongAnswer& answer) {
  readout::Item item{asked.request.prompt.text, {{"last exact", ""}}, input.style.tokens()};
  item.places[0].index = answer.span.last;
  item.continuation.assign(answer.tokens.begin(), answer.tokens.begin() + answer.span.last + 1);
  return item;
}

void score_samples(const readout::AnalysisInput& input, const std::vector<OpenFact>& asked, const at::Tensor& greedy,
                   const std::vector<int>& greedy_labels, const std::string& point, bool on_samples,
                   const readout::FitOptions& options, Sampled& sampled) {
  std::vector<readout::Item> items;
  std::vector<int> labels = greedy_labels, set(labels.size(), 0);
  std::vector<std::string> groups;
  for (const auto& open : asked) groups.push_back(open.fact->group);
  std::vector<std::vector<int64_t>> rows(sampled.answers.size());
  for (size_t i = 0; i < sampled.answers.size(); ++i) {
    std::map<std::vector<int32_t>, int64_t> seen;
    for (const LongAnswer& answer : sampled.answers[i]) {
      rows[i].push_back(-1);
      if (!answer.span.found()) continue;
      readout::Item item = at_last_exact(input, asked[i], answer);
      const auto [at, fresh] = seen.emplace(item.continuation, int64_t(labels.size()));
      rows[i].back() = at->second;
      if (!fresh) continue;
      items.push_back(std::move(item));
      labels.push_back(answer.right), set.push_back(on_samples ? 0 : 1), groups.push_back(asked[i].fact->group);
    }
  }
  const at::Tensor states =
      readout::collect(input.model, items, {point}, input.compute, input.progress).values.flatten(0, 2);
  const auto scores =
      readout::doubles(readout::cross_scores(at::cat({greedy, states}), labels, groups, set, 1, options)[0]);
  sampled.scores.clear();
  for (const auto& of : rows) {
    auto& one = sampled.scores.emplace_back();
    for (const int64_t row : of) {
      const double score = row < 0 ? NAN : scores[size_t(row)];
      one.push_back(std::isnan(score) ? -INFINITY : score);
    }
  }
}

Json choices(const Sampled& sampled, const std::vector<int>& greedy_right, const std::vector<size_t>& of) {
  double greedy = 0, random = 0, majority = 0, oracle = 0, probe = 0;
  for (const size_t i : of) {
    const Resampled& counts = sampled.counts[i];
    const auto& scores = sampled.scores[i];
    greedy += greedy_right[i];
    random += double(counts.right) / double(counts.samples);
    majority += counts.right > counts.most_wrong;
    oracle += counts.right > 0;
    probe += sampled.answers[i][size_t(std::max_element(scores.begin(), scores.end()) - scores.begin())].right;
  }
  Json result{{"n", of.size()}};
  const auto put = [&](const char* name, double hits) {
    result[name] = of.empty() ? Json(nullptr) : Json(hits / double(of.size()));
  };
  put("greedy", greedy), put("random", random), put("majority", majority), put("oracle", oracle), put("probe", probe);
  return result;
}

}  // namespace ken::evidence
