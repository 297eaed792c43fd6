// Runs claims over seeds and decides whether they hold: the mean meets every bar, and no seed lies on the wrong side of
// the null.
#pragma once
#include "ken/base/progress.h"
#include "ken/tasks/claim.h"

namespace ken::study {

// {id, model_sha256, source_sha256, seeds, figures: [{name, unit, per_seed, mean, sd, bar, side_effect}], holds,
// reason}
Json reproduce(const tasks::ClaimEntry& claim, const model::Model& model, const data::FactSet& facts,
               const data::PromptStyle& style, const std::vector<uint64_t>& seeds, const Progress& progress);

}  // namespace ken::study
