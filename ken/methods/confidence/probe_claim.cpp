// The claim of a probe as an estimator: fitted on the answers of some groups, it tells right from wrong answers of
// other groups. The answer's own probability is the comparison.
#include <unistd.h>

#include "ken/evidence/scored.h"
#include "ken/readout/analysis.h"
#include "ken/stats/stats.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::probe_claim_file {
namespace {

// Of the correctness map's probes where the answer begins, that of the layer whose held-out AUROC is largest.
std::string save_probe(const ClaimInput& input, const data::FactSet& facts, const fs::path& file) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "probe-map");
  const auto result = entry.run({input.model, facts, input.style, input.seed, nn::Compute::f32, {}, {}},
                                resolve_params(entry.card, {{"target", "correct"}}));
  readout::save(result.probes, file);
  const auto area = result.tensors.at("auroc").flatten();  // of the probes, in order
  std::string best;
  double most = 0;
  for (size_t i = 0; i < result.probes.size(); ++i)
    if (result.probes[i].place == "answer" && area[int64_t(i)].item<double>() > most)
      most = area[int64_t(i)].item<double>(), best = result.probes[i].name;
  return best;
}

std::vector<Figure> run(const ClaimInput& input) {
  std::vector<std::string> groups;
  for (const auto& fact : input.facts.facts) groups.push_back(fact.group);
  const auto half = stats::grouped_folds(groups, 2, input.seed);
  data::FactSet fit = input.facts, rest = input.facts;
  fit.facts.clear(), rest.facts.clear();
  for (size_t i = 0; i < half.size(); ++i) (half[i] ? rest : fit).facts.push_back(input.facts.facts[i]);
  const fs::path file = fs::temp_directory_path() / fmt::format("ken-probe-claim-{}.safetensors", getpid());
  const std::string name = save_probe(input, fit, file);
  const auto scored = evidence::judge(input.model, rest, input.style,
                                      {evidence::estimator_from("probe:name=" + name + ",file=" + file.string()),
                                       evidence::estimator_from("sequence-probability")},
                                      input.seed, 800);
  fs::remove(file);
  return {{"AUROC of right answers of other groups", "", scored.auroc(0), ">=", 0.65, false, 0.5},
          {"AUROC of the sequence probability, for comparison", "", scored.auroc(1)}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "probe",
              .family = "confidence",
              .sentence =
                  "A probe of hidden states, fitted on other people's facts, tells right from wrong answers with "
                  "AUROC >= 0.65."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::probe_claim_file
