// SpARE's claim (arXiv 2410.15999): editing a few latents at the last prompt token moves the share of answers from the
// passage by 40 points between its two signs, and further than context-aware decoding and dense vectors do.
// Dictionaries are trained here on documents of the world. Dense vectors are differences of the two classes' mean
// states at the same layers, their strength chosen on the same validation part. Context-aware decoding runs at the
// strengths of its own claim (1 and -0.5), and, held against no bar, at the best of the validation part: its -1 is the
// model without passage.
#include "ken/base/error.h"
#include "ken/evidence/source_choice.h"
#include "ken/readout/collect.h"
#include "ken/readout/shift.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/world/texts.h"

namespace ken::tasks::spare_claim_file {
namespace {

using evidence::Part;
using evidence::SourceChoice;
using Candidates = std::vector<std::pair<Json, generate::ControlSpec>>;

double number(const Json& num) { return num.at("value").is_null() ? NAN : num.at("value").get<double>(); }

readout::AnalysisInput with_texts(const ClaimInput& input) {
  const auto params = train::world_of(input.model.metadata);
  if (!params) fail("spare", "{} does not say which world it was trained on", input.model.config.name);
  readout::AnalysisInput result{input.model, input.facts, input.style, input.seed};
  result.texts = world::texts_of(std::make_shared<const world::World>(*params), params->documents, params->documents);
  return result;
}

// Mean last states of what is answered from the passage minus those from memory, in the training part.
std::vector<readout::Shift> apart(const SourceChoice& choice, const std::vector<std::string>& points) {
  std::vector<readout::Item> items;
  std::vector<float> of_context;
  for (const size_t i : choice.of(Part::train)) {
    if (choice.items[i].side == "neither") continue;
    items.push_back({evidence::with_passage(choice.items[i].item, choice.input.style).prompt.text, {{"last"}}});
    of_context.push_back(choice.items[i].side == "context");
  }
  const auto states = readout::collect(choice.input.model, items, points, nn::Compute::f32).values.select(2, 0);
  const at::Tensor w = at::tensor(of_context);
  std::vector<readout::Shift> shifts;
  for (size_t l = 0; l < points.size(); ++l) {
    const at::Tensor h = states.select(1, int64_t(l)).t();
    shifts.push_back({points[l], at::mv(h, w) / w.sum() - at::mv(h, 1 - w) / (1 - w).sum()});
  }
  return shifts;
}

evidence::SourceRates best_of(const SourceChoice& choice, bool context, const Candidates& candidates) {
  Json tried = Json::array();
  return choice.rates(Part::test, {candidates[choice.best(context, candidates, tried)].second});
}

// Context answers under what steers to the passage minus under what steers to memory.
double moved(const evidence::SourceRates& up, const evidence::SourceRates& down) {
  return double(up.context) / double(up.n) - double(down.context) / double(down.n);
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto with = with_texts(input);
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "spare");
  const Json table = entry.run(with, resolve_params(entry.card, Json::object())).table;
  const SourceChoice choice(with, 800);
  const auto shifts = apart(choice, table.at("points").get<std::vector<std::string>>());
  evidence::SourceRates dense[2], cad[2];
  for (const bool context : {false, true}) {
    Candidates vectors;
    for (const double alpha : {1.0, 2.0, 4.0})
      vectors.push_back({alpha, readout::shift_control(readout::scaled(shifts, context ? alpha : -alpha))});
    dense[context] = best_of(choice, context, vectors);
    cad[context] = choice.rates(Part::test, {generate::control_from("cad", {{"alpha", context ? 1.0 : -0.5}})});
  }
  const auto rate = [&](const char* to, const char* key, const char* what) {
    return number(table.at(to).at(key).at(what));
  };
  const auto change = [&](const char* to, const char* what) {
    return number(table.at(to).at("kept").at(what)) - number(table.at("unsteered").at("kept").at(what));
  };
  const auto neither = [&](const char* to) {
    return rate(to, "rates", "neither") - rate("unsteered", "rates", "neither");
  };
  const double own = rate("context", "rates", "context") - rate("memory", "rates", "context"),
               by_dense = moved(dense[1], dense[0]), by_cad = moved(cad[1], cad[0]);
  const auto side = [](const char* name, const char* unit, double value) {
    return Figure{.name = name, .unit = unit, .value = value, .side_effect = true};
  };
  return {{"context answers moved between the two signs", "share", own, ">=", 0.4, false, 0.0},
          {"the same, minus context-aware decoding at 1 and -0.5", "share", own - by_cad, ">=", 0},
          {"the same, minus dense vectors", "share", own - by_dense, ">=", 0},
          {"dense vectors: context answers moved between the two signs", "share", by_dense},
          {"context-aware decoding: likewise", "share", by_cad},
          {"context answers, unsteered", "share", rate("unsteered", "rates", "context")},
          {"context answers, to context", "share", rate("context", "rates", "context")},
          {"memory answers, to memory", "share", rate("memory", "rates", "memory")},
          {"context answers moved by random directions of the same length", "share",
           rate("context", "random_directions", "context") - rate("memory", "random_directions", "context")},
          {"fluency, to context, minus plain", "nats a token", change("context", "fluency"), ">=", -0.1, true},
          {"fluency, to memory, minus plain", "nats a token", change("memory", "fluency"), ">=", -0.1, true},
          side("neither, to context, minus plain", "share", neither("context")),
          side("neither, to memory, minus plain", "share", neither("memory")),
          side("right beside an agreeing passage, to context, minus plain", "share", change("context", "agree")),
          side("right beside an agreeing passage, to memory, minus plain", "share", change("memory", "agree")),
          side("right closed-book, to context, minus plain", "share", change("context", "closed_book")),
          side("right closed-book, to memory, minus plain", "share", change("memory", "closed_book"))};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "spare",
              .family = "steer",
              .sentence = "Editing a few latents moves the share of answers from the passage by at least 40 points "
                          "between the two signs, further than context-aware decoding and dense vectors, and keeps "
                          "the text fluent."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::spare_claim_file
