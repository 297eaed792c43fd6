#include "ken/study/reproduce.h"

#include "ken/stats/stats.h"

namespace ken::study {
namespace {

bool meets(const std::string& op, double value, double bar) { return op == ">=" ? value >= bar : value <= bar; }

// The empty string, or why this figure breaks the claim.
std::string broken(const tasks::Figure& figure, const std::vector<double>& per_seed) {
  if (figure.op.empty()) return "";
  const double mean = stats::mean_of(per_seed);
  if (!meets(figure.op, mean, figure.bar))
    return fmt::format("{} is {:.3f}, the bar is {} {}", figure.name, mean, figure.op, figure.bar);
  if (std::isnan(figure.null)) return "";
  for (double value : per_seed)
    if (!meets(figure.op, value, figure.null))
      return fmt::format("{} is {:.3f} for one seed, on the wrong side of {}", figure.name, value, figure.null);
  return "";
}

}  // namespace

Json reproduce(const tasks::ClaimEntry& claim, const model::Model& model, const data::FactSet& facts,
               const data::PromptStyle& style, const std::vector<uint64_t>& seeds, const Progress& progress) {
  std::vector<std::vector<tasks::Figure>> runs;
  for (size_t i = 0; i < seeds.size(); ++i) {
    runs.push_back(claim.run({model, facts, style, seeds[i]}));
    if (runs.back().size() != runs[0].size()) fail(claim.card.id, "a claim must give the same figures for every seed");
    if (progress) progress(claim.card.id, i + 1, seeds.size(), "");
  }
  Json figures = Json::array();
  std::string reason;
  for (size_t f = 0; f < runs[0].size(); ++f) {
    const tasks::Figure& figure = runs[0][f];
    std::vector<double> per_seed;
    for (const auto& run : runs) per_seed.push_back(run[f].value);
    const std::string why = broken(figure, per_seed);
    if (!why.empty()) reason += (reason.empty() ? "" : "; ") + why;
    figures.push_back({{"name", figure.name},
                       {"unit", figure.unit},
                       {"per_seed", per_seed},
                       {"mean", stats::mean_of(per_seed)},
                       {"sd", per_seed.size() > 1 ? stats::sd_of(per_seed) : 0.0},
                       {"bar", figure.op.empty() ? Json(nullptr) : Json{{"op", figure.op}, {"value", figure.bar}}},
                       {"side_effect", figure.side_effect}});
  }
  return {{"id", claim.card.id}, {"model_sha256", model.sha256()}, {"seeds", seeds},
          {"figures", figures},  {"holds", reason.empty()},        {"reason", reason}};
}

}  // namespace ken::study
