// Evidence: what is known about one answer. An Estimator declares what it needs and turns evidence into one score; the
// runner unions the needs of all estimators asked for, fills a block of questions in few mixed batches, then scores.
#pragma once
#include "ken/base/registry.h"
#include "ken/generate/generate.h"

namespace ken::evidence {

struct Needs {
  bool greedy = false;  // the greedy answer with its logprobs
  int64_t samples = 0;  // answers sampled at `temperature` from one forked prefix
  double temperature = 1.0;
};
Needs operator|(const Needs& a, const Needs& b);  // two different temperatures of samples are a UsageError

struct Evidence {
  std::string prompt, question;
  generate::Generated greedy;
  std::vector<generate::Generated> samples;
};
Json to_json(const Evidence& evidence);  // enough to score again from a file
Evidence evidence_from_json(const Json& json);

// What one estimator may look at: an access that it did not declare throws.
class View {
 public:
  View(const Evidence& evidence, const Needs& needs) : evidence_(evidence), needs_(needs) {}
  const std::string& question() const { return evidence_.question; }
  const generate::Generated& greedy() const;
  std::span<const generate::Generated> samples() const;  // as many as declared

 private:
  const Evidence& evidence_;
  const Needs& needs_;
};

struct EstimatorEntry {
  Card card;  // card.direction says which way is surer
  Needs (*needs)(const Json& params);
  double (*score)(const View& view, const Json& params);
};

struct EstimatorSpec {
  const EstimatorEntry* entry;
  Json params;
  double score(const Evidence& evidence) const;
  double surer(const Evidence& evidence) const;  // the score, turned so that higher is surer
};
EstimatorSpec estimator_from(const std::string& text);  // "semantic-entropy:samples=5"

struct GatherOptions {
  nn::Compute compute = nn::Compute::fast;
  uint64_t seed = 0;
  uint64_t first_key = 0;  // item i draws its noise under key first_key + i
};
// One Evidence per request. A request's prompt, stop, max_tokens and controls are used; its sampling is set by the
// needs.
std::vector<Evidence> gather(const model::Model& model, const std::vector<generate::Request>& requests,
                             const Needs& needs, const GatherOptions& options);

}  // namespace ken::evidence
