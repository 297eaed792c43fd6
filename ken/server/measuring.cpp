// Answers with confidence, source or a calibration: the greedy one, with evidence gathered about it.
#include "ken/base/error.h"
#include "ken/evidence/source.h"
#include "ken/server/frame.h"
#include "ken/stats/finite.h"

namespace ken::server {
namespace {

void check_measured(const Exchange& exchange, const Setup& setup) {
  const io::Call& call = exchange.call;
  if (exchange.asked.size() != 1) io::fail_call("prompt", "confidence is measured of one prompt at a time");
  if (call.best_of != 1 || call.echo) io::fail_call("n", "confidence is measured of one answer, without echo");
  if (!exchange.greedy && call.temperature != 0)
    io::fail_call("temperature",
                  "confidence is measured of the likeliest answer; leave temperature out or set it to 0");
  if (call.ken.abstain_under && !setup.calibration)
    io::fail_call("ken.abstain_under",
                  "this server has no calibration; its operator gives one with --calibration FILE");
  if (call.ken.source && call.ken.documents.empty())
    io::fail_call("ken.source", "a source is told where documents are given apart, as ken.context");
  if (!call.ken.capture.empty()) io::fail_call("ken.capture", "capture an answer without confidence");
}

std::vector<evidence::EstimatorSpec> estimators_from(const io::Call& call, const Setup& setup) {
  std::vector<evidence::EstimatorSpec> estimators;
  for (const auto& method : call.ken.confidence) {
    const SafeMethod safe = parsed(method);
    const auto& entry = Registry<evidence::EstimatorEntry>::get().at("estimator", safe.id);
    const Json params = resolve_params(entry.card, safe_params(safe, entry.card, "ken.confidence", setup));
    estimators.push_back({&entry, params, safe.id});
  }
  return estimators;
}

Json source_json(const evidence::Source& source) {
  // How far apart the two sources are: the passage's answer is likelier for it by so much.
  return {{"name", source.name},
          {"closed_book_answer", source.without.text},
          {"conflict", source.without.text.empty()
                           ? Json(nullptr)
                           : stats::finite_or_null(std::log(source.p_with) - std::log(source.p_without))},
          {"probabilities", evidence::probabilities(source)}};
}

}  // namespace

bool wants_evidence(const Exchange& exchange) {
  const auto& ken = exchange.call.ken;
  return !ken.confidence.empty() || ken.abstain_under || ken.source;
}

Reply answer_measured(Engine& engine, const Setup& setup, Exchange exchange) {
  check_measured(exchange, setup);
  const io::Call& call = exchange.call;
  Asked& asked = exchange.asked[0];
  asked.request->sampling.temperature = 0;
  const auto scores = estimators_from(call, setup);
  auto wanted = scores;
  if (setup.calibration) wanted.push_back(setup.calibration->estimator);
  data::Fact fact;
  fact.question = asked.question;
  std::vector<evidence::Question> questions{{*asked.request, setup.style, fact}};
  if (call.ken.source) {
    questions.push_back(questions[0]);
    questions[1].request = evidence::without_passage(questions[0].request);
  }
  Json ken = knowledge_of_call(exchange, engine);
  evidence::Evidence found;
  engine.run(exchange.place, [&] {
    auto all = evidence::gather(engine.model(), questions, wanted,
                                {engine.compute(),
                                 asked.request->sampling.seed,
                                 0,
                                 {.greedy = true, .alternatives = asked.request->alternatives},
                                 [&] {
                                   if (exchange.has_left()) fail("serve", "the client has left");
                                   engine.step_others();
                                 }});
    for (const auto& estimator : scores)
      ken["confidence"][estimator.name] = {{"score", stats::finite_or_null(estimator.score(all[0]))},
                                           {"direction", estimator.entry->card.direction}};
    if (call.ken.source)
      ken["source"] = source_json(evidence::trace(engine.model(), *asked.request, all[0].greedy, all[1].greedy,
                                                  asked.passage, engine.compute()));
    found = std::move(all[0]);
  });
  std::string text = found.greedy.text;
  if (setup.calibration) {
    const double sure = setup.calibration->confidence(found);
    ken["calibrated"] = {{"confidence", stats::finite_or_null(sure)},
                         {"estimator", setup.calibration->estimator.definition()}};
    ken["abstained"] = call.ken.abstain_under && !(sure >= *call.ken.abstain_under);
    if (ken["abstained"].get<bool>()) text = "I don't know.";
  }
  Json body = frame_of(exchange, setup, call.stream)
                  .with(Json::array({choice_of(engine, exchange, 0, text, found.greedy, nullptr, "")}));
  body["usage"] = usage(asked.tokens.size(), found.greedy.tokens.size());
  body["ken"] = ken;
  if (!call.stream) return json_reply(body);
  Json& choice = body["choices"][0];
  if (exchange.chat) choice["delta"] = choice["message"], choice.erase("message");
  return {.type = "text/event-stream", .stream = [body](const Write& write) {
            if (write("data: " + dumped(body) + "\n\n")) write("data: [DONE]\n\n");
          }};
}

}  // namespace ken::server
