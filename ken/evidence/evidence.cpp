#include "ken/evidence/evidence.h"

namespace ken::evidence {
namespace {

Json to_json(const generate::Generated& g) {
  return {{"text", g.text},           {"tokens", g.tokens},   {"logprobs", g.logprobs},
          {"entropies", g.entropies}, {"margins", g.margins}, {"answer_tokens", g.answer_tokens},
          {"finish", g.finish}};
}

generate::Generated generated_from(const Json& j) {
  generate::Generated g;
  g.text = j.at("text").get<std::string>();
  g.tokens = j.at("tokens").get<std::vector<int32_t>>();
  g.logprobs = j.at("logprobs").get<std::vector<double>>();
  g.entropies = j.at("entropies").get<std::vector<double>>();
  g.margins = j.at("margins").get<std::vector<double>>();
  g.answer_tokens = j.at("answer_tokens").get<int64_t>();
  g.finish = j.at("finish").get<std::string>();
  if (g.answer_tokens < 0 || size_t(g.answer_tokens) > g.logprobs.size())
    fail("evidence", "answer_tokens is {} for {} logprobs", g.answer_tokens, g.logprobs.size());
  return g;
}

}  // namespace

Needs operator|(const Needs& a, const Needs& b) {
  if (a.samples && b.samples && a.temperature != b.temperature) {
    fail_usage("evidence", "samples at temperature {} and at {} cannot be shared; ask for them in two runs",
               a.temperature, b.temperature);
  }
  return {a.greedy || b.greedy, std::max(a.samples, b.samples), a.samples ? a.temperature : b.temperature};
}

Json to_json(const Evidence& e) {
  Json samples = Json::array();
  for (const auto& sample : e.samples) samples.push_back(to_json(sample));
  return {{"prompt", e.prompt}, {"question", e.question}, {"greedy", to_json(e.greedy)}, {"samples", samples}};
}

Evidence evidence_from_json(const Json& json) {
  try {
    Evidence e{json.at("prompt").get<std::string>(),
               json.at("question").get<std::string>(),
               generated_from(json.at("greedy")),
               {}};
    for (const auto& sample : json.at("samples")) e.samples.push_back(generated_from(sample));
    return e;
  } catch (const Json::exception& error) {
    fail("evidence", "this is no saved evidence: {}", error.what());
  }
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

double EstimatorSpec::score(const Evidence& evidence) const {
  const Needs needs = entry->needs(params);
  return entry->score(View(evidence, needs), params);
}

double EstimatorSpec::surer(const Evidence& evidence) const {
  const double value = score(evidence);
  return entry->card.direction.starts_with("lower") ? -value : value;
}

EstimatorSpec estimator_from(const std::string& text) {
  const NamedParams named = parse_named_params(text);
  const EstimatorEntry& entry = Registry<EstimatorEntry>::get().at("estimator", named.name);
  return {&entry, resolve_params(entry.card, named.params)};
}

std::vector<Evidence> gather(const model::Model& model, const std::vector<generate::Request>& requests,
                             const Needs& needs, const GatherOptions& options) {
  std::vector<generate::Request> all;
  for (size_t i = 0; i < requests.size(); ++i) {
    generate::Request request = requests[i];
    request.key = options.first_key + i;
    if (needs.greedy) {
      request.sampling = {};
      request.samples = 1;
      all.push_back(request);
    }
    if (needs.samples > 0) {
      request.sampling = {.temperature = needs.temperature, .seed = options.seed};
      request.samples = needs.samples;
      request.on_text = nullptr;
      all.push_back(request);
    }
  }
  generate::GenerateOptions generation;
  generation.compute = options.compute;
  auto results = generate::generate(model, all, generation);
  std::vector<Evidence> evidence;
  size_t next = 0;
  for (const auto& request : requests) {
    const std::string asked = request.prompt.chat ? text::ChatTokens::shown(request.prompt.text) : request.prompt.text;
    Evidence e{asked, asked, {}, {}};
    if (needs.greedy) e.greedy = std::move(results[next++][0]);
    if (needs.samples > 0) e.samples = std::move(results[next++]);
    evidence.push_back(std::move(e));
  }
  return evidence;
}

}  // namespace ken::evidence
