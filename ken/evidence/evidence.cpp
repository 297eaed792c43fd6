#include "ken/evidence/evidence.h"

#include "ken/evidence/equivalence.h"

namespace ken::evidence {

Needs operator|(const Needs& a, const Needs& b) {
  if (a.samples && b.samples && a.temperature != b.temperature) {
    fail_usage("evidence", "samples at temperature {} and at {} cannot be shared; ask for them in two runs",
               a.temperature, b.temperature);
  }
  Needs all = a;
  all.greedy |= b.greedy;
  all.samples = std::max(a.samples, b.samples);
  all.temperature = a.samples ? a.temperature : b.temperature;
  all.alternatives = std::max(a.alternatives, b.alternatives);
  all.readings.insert(b.readings.begin(), b.readings.end());
  all.similarity.insert(b.similarity.begin(), b.similarity.end());
  all.relevance |= b.relevance;
  all.states.insert(b.states.begin(), b.states.end());
  return all;
}

const generate::Generated& View::greedy() const {
  if (!needs_.greedy) fail("evidence", "the estimator reads the greedy answer, which it did not declare");
  return evidence_.greedy;
}

std::span<const generate::Generated> View::samples() const {
  if (needs_.samples < 1) fail("evidence", "the estimator reads samples, which it did not declare");
  if (int64_t(evidence_.samples.size()) < needs_.samples) {
    fail("evidence", "{} samples were taken, the estimator needs {}", evidence_.samples.size(), needs_.samples);
  }
  return {evidence_.samples.data(), size_t(needs_.samples)};
}

const Reading& View::reading(const std::string& name) const {
  if (!needs_.readings.count(name)) fail("evidence", "the estimator reads '{}', which it did not declare", name);
  const auto found = evidence_.readings.find(name);
  if (found == evidence_.readings.end())
    fail("evidence", "this answer was not read {}; {}", name,
         name == without_context ? "ask beside a passage" : "gather the evidence with this estimator");
  return found->second;
}

std::vector<std::vector<double>> View::similarity(const std::string& judge) const {
  std::vector<std::string> texts;
  if (needs_.greedy) texts.push_back(evidence_.greedy.text);
  for (const auto& sample : samples()) texts.push_back(sample.text);
  if (judge != "embedding" && judge != "entailment") return text_similarity(texts, judge, evidence_.aliases);
  if (!needs_.similarity.count(judge))
    fail("evidence", "the estimator reads the similarity '{}', which it did not declare", judge);
  const auto found = evidence_.similarity.find(judge);
  if (found == evidence_.similarity.end())
    fail("evidence", "these answers were not compared by {}; gather the evidence with this estimator", judge);
  const std::vector<double>& all = found->second;
  const size_t taken = evidence_.samples.size();
  const size_t n = all.size() == taken * taken ? taken : taken + 1;  // with the greedy answer in front, or without
  if (needs_.greedy && n == taken) fail("evidence", "the saved similarities leave the greedy answer out");
  const size_t first = needs_.greedy ? 0 : n - taken;
  std::vector<std::vector<double>> result;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto row = all.begin() + long((first + i) * n + first);
    result.emplace_back(row, row + long(texts.size()));
  }
  return result;
}

const std::vector<double>& View::relevance(size_t sample) const {
  if (!needs_.relevance) fail("evidence", "the estimator reads token relevances, which it did not declare");
  if (sample >= evidence_.relevance.size())
    fail("evidence", "sample {} has no token relevances; gather the evidence with this estimator", sample);
  return evidence_.relevance[sample];
}

const std::vector<float>& View::states(const std::string& point) const {
  if (!needs_.states.count(point)) fail("evidence", "the estimator reads {}, which it did not declare", point);
  const auto found = evidence_.states.find(point);
  if (found == evidence_.states.end())
    fail("evidence", "{} was not read; gather the evidence with this estimator", point);
  return found->second;
}

const Reply& View::reply(const std::string& id) const {
  const auto found = evidence_.replies.find(id);
  if (found == evidence_.replies.end())
    fail("evidence", "the question '{}' was not asked; gather the evidence with this estimator", id);
  return found->second;
}

std::string EstimatorSpec::definition() const {
  std::string text = entry->card.id;
  for (const auto& [name, value] : params.items()) {
    text += (text.size() == entry->card.id.size() ? ":" : ",") + name + "=";
    text += value.is_string() ? value.get<std::string>() : value.dump();
  }
  return text;
}

double EstimatorSpec::score(const Evidence& evidence) const {
  const Needs needs = this->needs();
  return entry->score(View(evidence, needs), params);
}

double EstimatorSpec::surer(const Evidence& evidence) const {
  const double value = score(evidence);
  return entry->card.direction.starts_with("lower") ? -value : value;
}

EstimatorSpec estimator_from(const std::string& text) {
  const NamedParams named = parse_named_params(text);
  const EstimatorEntry& entry = Registry<EstimatorEntry>::get().at("estimator", named.name);
  return {&entry, resolve_params(entry.card, named.params), text};
}

}  // namespace ken::evidence
