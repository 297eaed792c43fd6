// Evidence as a line of a file. What was not gathered is left out.
#include "ken/evidence/evidence.h"

namespace ken::evidence {
namespace {

Json saved_json(const generate::Generated& g) {
  Json json{{"text", g.text},         {"tokens", g.tokens},
            {"logprobs", g.logprobs}, {"entropies", g.entropies},
            {"margins", g.margins},   {"certainties", g.certainties},
            {"finish", g.finish},     {"answer_tokens", g.answer_tokens}};
  for (const auto& step : g.alternatives) {
    Json tokens = Json::array();
    for (const auto& alternative : step) tokens.push_back({alternative.token, alternative.logprob});
    json["alternatives"].push_back(tokens);
  }
  return json;
}

generate::Generated generated_from(const Json& j) {
  generate::Generated g;
  j.at("text").get_to(g.text);
  j.at("tokens").get_to(g.tokens);
  j.at("logprobs").get_to(g.logprobs);
  j.at("entropies").get_to(g.entropies);
  j.at("margins").get_to(g.margins);
  if (j.contains("certainties")) j.at("certainties").get_to(g.certainties);
  j.at("answer_tokens").get_to(g.answer_tokens);
  j.at("finish").get_to(g.finish);
  for (const Json& step : j.value("alternatives", Json::array())) {
    g.alternatives.emplace_back();
    for (const Json& pair : step)
      g.alternatives.back().push_back({pair.at(0).get<int32_t>(), pair.at(1).get<double>()});
  }
  const size_t n = g.logprobs.size();
  if (g.answer_tokens < 0 || size_t(g.answer_tokens) > n || size_t(g.answer_tokens) > g.tokens.size())
    fail("evidence", "answer_tokens is {} for {} tokens with {} logprobs", g.answer_tokens, g.tokens.size(), n);
  if (g.entropies.size() != n || g.margins.size() != n || (!g.certainties.empty() && g.certainties.size() != n))
    fail("evidence", "{} logprobs stand beside {} entropies, {} margins and {} certainties", n, g.entropies.size(),
         g.margins.size(), g.certainties.size());
  return g;
}

void check(const Evidence& e) {
  const auto n = size_t(e.greedy.answer_tokens);
  for (const auto& [name, reading] : e.readings)
    if (reading.logprobs.size() != n || reading.entropies.size() != n)
      fail("evidence", "the reading '{}' has {} tokens, the answer {}", name, reading.logprobs.size(), n);
  for (const auto& [name, values] : e.similarity) {
    const size_t all = e.samples.size() + 1;
    if (values.size() != all * all && values.size() != e.samples.size() * e.samples.size())
      fail("evidence", "the similarity '{}' holds {} numbers for {} samples", name, values.size(), e.samples.size());
  }
  if (!e.relevance.empty() && e.relevance.size() != e.samples.size())
    fail("evidence", "{} relevances for {} samples", e.relevance.size(), e.samples.size());
  for (size_t k = 0; k < e.relevance.size(); ++k)
    if (e.relevance[k].size() != size_t(e.samples[k].answer_tokens))
      fail("evidence", "sample {} has {} tokens and {} relevances", k, e.samples[k].answer_tokens,
           e.relevance[k].size());
}

}  // namespace

Json to_json(const Evidence& e) {
  Json samples = Json::array();
  for (const auto& sample : e.samples) samples.push_back(saved_json(sample));
  Json json{{"prompt", e.prompt}, {"question", e.question}, {"greedy", saved_json(e.greedy)}, {"samples", samples}};
  if (!e.aliases.empty()) json["aliases"] = e.aliases;
  for (const auto& [name, reading] : e.readings)
    json["readings"][name] = {{"logprobs", reading.logprobs}, {"entropies", reading.entropies}};
  if (!e.similarity.empty()) json["similarity"] = e.similarity;
  if (!e.relevance.empty()) json["relevance"] = e.relevance;
  if (!e.states.empty()) json["states"] = e.states;
  for (const auto& [id, reply] : e.replies) json["replies"][id] = {{"logprobs", reply.logprobs}, {"text", reply.text}};
  return json;
}

Evidence evidence_from_json(const Json& json) {
  try {
    Evidence e{json.at("prompt").get<std::string>(),
               json.at("question").get<std::string>(),
               generated_from(json.at("greedy")),
               {}};
    for (const auto& sample : json.at("samples")) e.samples.push_back(generated_from(sample));
    if (json.contains("aliases")) json.at("aliases").get_to(e.aliases);
    const Json readings = json.value("readings", Json::object()), replies = json.value("replies", Json::object());
    for (const auto& [name, reading] : readings.items())
      e.readings[name] = {reading.at("logprobs"), reading.at("entropies")};
    if (json.contains("similarity")) json.at("similarity").get_to(e.similarity);
    if (json.contains("relevance")) json.at("relevance").get_to(e.relevance);
    if (json.contains("states")) json.at("states").get_to(e.states);
    for (const auto& [id, reply] : replies.items()) e.replies[id] = {reply.at("logprobs"), reply.at("text")};
    check(e);
    return e;
  } catch (const Json::exception& error) {
    fail("evidence", "this is no saved evidence: {}", error.what());
  }
}

}  // namespace ken::evidence
