#include "ken/server/looking.h"

#include "ken/base/error.h"
#include "ken/evidence/equivalence.h"
#include "ken/model/partial.h"
#include "ken/server/openai.h"
#include "ken/stats/logistic.h"

namespace ken::server {
namespace {

using at::Tensor;

Asked& only(Exchange& exchange) {
  if (exchange.asked.size() != 1) io::fail_call("prompt", "one is looked at at a time");
  exchange.call.n = exchange.call.best_of = 1;
  return exchange.asked[0];
}

Tensor rows_at(const Captured& captured, const std::string& point) {
  return at::cat(captured.rows.at(point), 0).flatten(1);
}

// [{text, probability}] of the likeliest `top` tokens.
Json likeliest(const text::Tokenizer& tokenizer, const Tensor& probabilities, int64_t top) {
  const auto [values, tokens] = probabilities.topk(top);
  Json list = Json::array();
  for (int64_t i = 0; i < top; ++i)
    list.push_back({{"text", token_text(tokenizer, int32_t(tokens[i].item<int64_t>()))},
                    {"probability", values[i].item<double>()}});
  return list;
}

struct Look {
  const model::Model& model;
  nn::Compute compute;
  std::vector<int32_t> tokens;  // of the prompt and the answer
  int64_t first, rows;          // the captured rows that are shown
  int64_t before;               // tokens before the first captured row
  int64_t top;
};

// One layer: what it would say at each row, and how likely the token is that comes next.
Json layer(const Look& look, int64_t index, const std::string& name, const Tensor& states) {
  const Tensor p = at::softmax(
      model::read_out(look.model, states.narrow(0, look.first, look.rows), look.compute).to(at::kCPU, at::kFloat), -1);
  Json tops = Json::array(), next = Json::array();
  for (int64_t r = 0; r < look.rows; ++r) {
    tops.push_back(likeliest(*look.model.tokenizer, p[r], look.top));
    const size_t after = size_t(look.before + look.first + r + 1);
    next.push_back(after < look.tokens.size() ? Json(p[r][look.tokens[after]].item<double>()) : Json(nullptr));
  }
  return {{"layer", index}, {"name", name}, {"top", std::move(tops)}, {"next", std::move(next)}};
}

Json probes_of(const Look& look, const Setup& setup, const Captured& captured) {
  Json list = Json::array();
  for (const auto& probe : setup.probes) {
    const Tensor odds = probe.score(rows_at(captured, probe.point).narrow(0, look.first, look.rows));
    Json scores = Json::array();
    for (int64_t r = 0; r < look.rows; ++r) scores.push_back(stats::sigmoid(odds[r].item<double>()));
    list.push_back({{"name", probe.name}, {"point", probe.point}, {"target", probe.target}, {"scores", scores}});
  }
  return list;
}

}  // namespace

Json look_inside(Engine& engine, const Setup& setup, Exchange exchange, const Json& params) {
  const int64_t top = io::call_integer(params, "params", "top", 5, 1, 20),
                most = io::call_integer(params, "params", "rows", 32, 1, 256);
  Asked& asked = only(exchange);
  const model::Model& model = engine.model();
  asked.request->sampling.temperature = 0;
  std::vector<std::string> points{"blocks.0.hook_resid_pre", "blocks.*.hook_resid_post"};
  for (const auto& probe : setup.probes) points.push_back(probe.point);
  // One that several ask for is captured once.
  std::sort(points.begin() + 2, points.end());
  points.erase(std::unique(points.begin() + 2, points.end()), points.end());
  std::erase_if(
      points, [](const std::string& p) { return p.ends_with("hook_resid_post") && p.find('*') == std::string::npos; });
  const auto captured = std::make_shared<Captured>(Captured{0, 16 * setup.capture_bytes, most});
  asked.request->controls.push_back(capturing(points, model, captured));
  const auto result = compute_only(engine, exchange).at(0);
  const int64_t before = std::max<int64_t>(0, int64_t(asked.tokens.size()) - most);
  Look look{model, engine.compute(), asked.tokens, 0, 0, before, std::min<int64_t>(top, model.config.vocab)};
  look.tokens.insert(look.tokens.end(), result.tokens.begin(), result.tokens.end());
  Json layers = Json::array(), probes;
  engine.run(exchange.place, [&] {
    const at::NoGradGuard none;
    const Tensor bottom = rows_at(*captured, points[0]);
    look.rows = std::min(bottom.size(0), most), look.first = bottom.size(0) - look.rows;
    layers.push_back(layer(look, 0, "embedding", bottom));
    for (int64_t l = 0; l < model.config.n_layers; ++l) {
      const std::string name = model::point_name(model::Point::resid_post, l);
      layers.push_back(layer(look, l + 1, name, rows_at(*captured, name)));
    }
    probes = probes_of(look, setup, *captured);
  });
  Json tokens = Json::array();
  for (int64_t r = 0; r < look.rows; ++r) {
    const int32_t token = look.tokens[size_t(look.before + look.first + r)];
    tokens.push_back({{"id", token}, {"text", token_text(*model.tokenizer, token)}});
  }
  return {{"tokens", tokens},
          {"answer", result.text},
          {"answer_from", std::max<int64_t>(0, int64_t(asked.tokens.size()) - look.before - look.first)},
          {"layers", std::move(layers)},
          {"probes", std::move(probes)}};
}

Json look_at_samples(Engine& engine, const Setup&, Exchange exchange, const Json& params) {
  Asked& asked = only(exchange);
  asked.request->samples = io::call_integer(params, "params", "n", 10, 1, 100);
  asked.request->sampling.temperature = io::call_number(params, "params", "temperature", 1, 0, 10);
  const Json judge = params.value("judge", Json("rules"));
  if (judge != "rules" && judge != "jaccard") io::fail_call("params.judge", "it is \"rules\" or \"jaccard\"");
  const auto results = compute_only(engine, exchange);
  std::vector<std::string> texts;
  for (const auto& result : results) texts.push_back(result.text);
  const auto cluster = judge == "rules"
                           ? evidence::cluster_answers(texts)
                           : evidence::cluster_answers(evidence::text_similarity(texts, "jaccard", {}), 0.5);
  std::map<int, std::vector<size_t>> members;
  Json samples = Json::array(), clusters = Json::array();
  for (size_t i = 0; i < results.size(); ++i) {
    members[cluster[i]].push_back(i);
    samples.push_back({{"text", texts[i]}, {"logprob", results[i].logprob()}, {"cluster", cluster[i]}});
  }
  double entropy = 0;
  for (const auto& [number, which] : members) {
    const double share = double(which.size()) / double(results.size());
    entropy -= share * std::log(share);
    clusters.push_back({{"text", texts[which[0]]}, {"share", share}, {"count", which.size()}});
  }
  return {
      {"samples", std::move(samples)}, {"clusters", std::move(clusters)}, {"semantic_entropy", std::max(0.0, entropy)}};
}

}  // namespace ken::server
