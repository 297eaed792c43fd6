#pragma once
#include <cmath>

#include "ken/base/json.h"

namespace ken::stats {

// JSON knows neither NaN nor infinity: a value that was not measured is null.
inline Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace ken::stats
