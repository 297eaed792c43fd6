// The knob's claim (arXiv 2411.07404): a direction fitted on a tuned model flips answers between passage and memory
// there and in its base, on questions that carry no instruction. The pair is the organism and its copy that was tuned
// further (on the form of answers). Both have seen instructed documents in training, so this is the paper's comparison
// of a tuned model with its base in its shape only: no model here has never been told which source to use.
#include "ken/base/error.h"
#include "ken/model/shipped.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::context_knob_claim_file {
namespace {

double number(const Json& num) { return num.at("value").is_null() ? NAN : num.at("value").get<double>(); }

struct Flips {
  double to_context, to_memory;
  double least() const { return std::min(to_context, to_memory); }
};
Flips flips(const Json& judged, const char* key = "rates") {
  return {number(judged.at("context").at(key).at("memory_to_context")),
          number(judged.at("memory").at(key).at("context_to_memory"))};
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto tuned = model::load(model::model_path("almanac-tuned"));
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "context-knob");
  const Json table =
      entry.run({*tuned, input.facts, input.style, input.seed}, resolve_params(entry.card, {{"other", "almanac"}}))
          .table;
  const Json &there = table.at("judged"), &base = table.at("other").at("judged"), &plain = base.at("unsteered"),
             &context = base.at("context"), &memory = base.at("memory");
  const Flips own = flips(there), moved = flips(base), random = flips(base, "random_direction");
  const auto kept = [&](const Json& steered, const char* what) {
    return number(steered.at("kept").at(what)) - number(plain.at("kept").at(what));
  };
  const auto neither = [&](const Json& steered) {
    return number(steered.at("rates").at("neither")) - number(plain.at("rates").at("neither"));
  };
  const auto held = [](const char* name, double value) {
    return Figure{.name = name, .unit = "share", .value = value, .op = ">=", .bar = 0.8, .null = 0};
  };
  const auto side = [](const char* name, const char* unit, double value) {
    return Figure{.name = name, .unit = unit, .value = value, .side_effect = true};
  };
  return {held("answers flipped, the lesser of both ways", own.least()),
          held("answers flipped in the base, the lesser of both ways", moved.least()),
          {"memory to context", "share", own.to_context},
          {"context to memory", "share", own.to_memory},
          {"in the base, memory to context", "share", moved.to_context},
          {"in the base, context to memory", "share", moved.to_memory},
          {"in the base, the same amounts along a random direction, memory to context", "share", random.to_context},
          {"in the base, the same amounts along a random direction, context to memory", "share", random.to_memory},
          {"memory's answer by exchange between instructed runs", "share",
           number(table.at("interchange").at("memory").at("source_answer"))},
          {"the passage's answer by exchange between instructed runs", "share",
           number(table.at("interchange").at("context").at("source_answer"))},
          {"blocks under the direction", "blocks", table.at("layer").get<double>() + 1},
          {"value for memory, in half distances of the means", "times", table.at("times").at("memory")},
          {"value for the passage, likewise", "times", table.at("times").at("context")},
          side("neither, set to context, minus plain", "share", neither(context)),
          side("neither, set to memory, minus plain", "share", neither(memory)),
          side("right beside an agreeing passage, set to context, minus plain", "share", kept(context, "agree")),
          side("right beside an agreeing passage, set to memory, minus plain", "share", kept(memory, "agree")),
          side("right closed-book, set to context, minus plain", "share", kept(context, "closed_book")),
          side("right closed-book, set to memory, minus plain", "share", kept(memory, "closed_book")),
          side("fluency, set to context, minus plain", "nats a token", kept(context, "fluency")),
          side("fluency, set to memory, minus plain", "nats a token", kept(memory, "fluency"))};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "context-knob",
              .family = "steer",
              .sentence =
                  "Setting the coordinate flips at least 80 % of answers between passage and memory, also in the "
                  "model's base.",
              .needs = {"model:almanac-tuned"}},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::context_knob_claim_file
