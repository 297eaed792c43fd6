// Control vectors on the almanac: the direction between the instructions to use the passage and to use memory moves
// answers on conflicts that carry no instruction. It is fitted on groups that are neither judged nor chosen on; layer
// and strength are chosen on a part of their own, among settings that leave one answer in ten to neither source.
#include <unistd.h>

#include <set>

#include "ken/evidence/source_choice.h"
#include "ken/readout/control_vector.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::vector_claim_file {
namespace {

using evidence::Part;
using evidence::SourceChoice;
using evidence::SourceRates;

struct File {
  fs::path path = fs::temp_directory_path() / fmt::format("ken-vector-claim-{}.gguf", ::getpid());
  ~File() { fs::remove(path); }
};

// Cases of groups that only serve the fit.
data::FactSet for_fitting(const data::FactSet& facts, const SourceChoice& choice) {
  std::set<std::string> kept_out;
  for (const auto& item : choice.items)
    if (item.part != Part::train) kept_out.insert(item.group);
  data::FactSet some = facts;
  std::erase_if(some.contexts, [&](const auto& item) { return kept_out.count(item.group) > 0; });
  return some;
}

std::vector<generate::ControlSpec> pushed(const std::string& file, int64_t layer, double strength) {
  return {generate::control_from(
      "vector", {{"file", file}, {"layers", std::to_string(layer)}, {"strength", strength}, {"phase", "answer"}})};
}

double share(int64_t hits, int64_t n) { return double(hits) / double(std::max<int64_t>(1, n)); }

struct Setting {
  int64_t layer = 0;
  double strength = 0, gain = -1;
};

Setting chosen(const SourceChoice& choice, const std::string& file, int64_t layers) {
  Setting best;
  for (int64_t layer = 1; layer < layers; ++layer)
    for (const double strength : {0.25, 0.5, 0.75, 1.0}) {
      const SourceRates up = choice.rates(Part::validation, pushed(file, layer, strength)),
                        down = choice.rates(Part::validation, pushed(file, layer, -strength));
      const double gain = share(up.context, up.n) - share(down.context, down.n);
      const bool sound = share(up.neither(), up.n) <= 0.1 && share(down.neither(), down.n) <= 0.1;
      if (sound && gain > best.gain) best = {layer, strength, gain};
    }
  if (best.layer == 0) fail("vector", "every setting leaves more than a tenth of the answers to neither source");
  return best;
}

std::vector<Figure> run(const ClaimInput& input) {
  const readout::AnalysisInput whole{input.model, input.facts, input.style, input.seed};
  const SourceChoice choice(whole, 500);
  const data::FactSet some = for_fitting(input.facts, choice);
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "vector");
  const auto fit = entry.run({input.model, some, input.style, input.seed}, resolve_params(entry.card, Json::object()));
  const File file;
  readout::ControlVector vector, random;
  for (const auto& [name, direction] : fit.tensors) {
    const int64_t layer = std::stoll(name.substr(name.find('.') + 1));
    vector.directions[layer] = direction;
    random.directions[layer] = direction.flip(0);  // as long, and its coordinates in another order
  }
  readout::save(vector, file.path);
  const Setting s = chosen(choice, file.path, input.model.config.n_layers);
  const auto up = pushed(file.path, s.layer, s.strength), down = pushed(file.path, s.layer, -s.strength);
  const SourceRates plain = choice.rates(Part::test, {}), more = choice.rates(Part::test, up),
                    less = choice.rates(Part::test, down);
  const Json before = choice.side_effects({}), with = choice.side_effects(up), against = choice.side_effects(down);
  readout::save(random, file.path);
  const SourceRates r_up = choice.rates(Part::test, pushed(file.path, s.layer, s.strength)),
                    r_down = choice.rates(Part::test, pushed(file.path, s.layer, -s.strength));
  std::vector<Figure> figures{{"context answers, towards the passage minus towards memory", "share",
                               share(more.context, more.n) - share(less.context, less.n), ">=", 0.4, false, 0.0},
                              {"the same along a direction with its coordinates turned round", "share",
                               share(r_up.context, r_up.n) - share(r_down.context, r_down.n)},
                              {"context answers, plain", "share", share(plain.context, plain.n)},
                              {"context answers, towards the passage", "share", share(more.context, more.n)},
                              {"context answers, towards memory", "share", share(less.context, less.n)},
                              {"memory answers, towards memory", "share", share(less.memory, less.n)},
                              {"layer", "", double(s.layer)},
                              {"strength", "times the direction", s.strength},
                              {"neither, towards the passage minus plain", "share",
                               share(more.neither(), more.n) - share(plain.neither(), plain.n), "", 0, true},
                              {"neither, towards memory minus plain", "share",
                               share(less.neither(), less.n) - share(plain.neither(), plain.n), "", 0, true}};
  for (const char* what : {"agree", "closed_book", "fluency"}) {
    const auto change = [&](const Json& steered) {
      return steered.at(what).at("value").get<double>() - before.at(what).at("value").get<double>();
    };
    figures.push_back({fmt::format("{}, towards the passage minus plain", what), "", change(with), "", 0, true});
    figures.push_back({fmt::format("{}, towards memory minus plain", what), "", change(against), "", 0, true});
  }
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "vector",
              .family = "steer",
              .sentence = "Adding the mean difference between two instructions, or taking it away, moves the share of "
                          "answers from the passage by 40 points where no instruction is given."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::vector_claim_file
