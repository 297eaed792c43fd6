// What the claims of estimators share.
#pragma once
#include "ken/tasks/claim.h"

namespace ken::tasks {

// AUROC of right answers of each estimator, on 800 closed-book questions drawn by the seed; the first is held to `bar`.
std::vector<Figure> aurocs(const ClaimInput& input, const std::vector<std::string>& estimators, double bar);

}  // namespace ken::tasks
