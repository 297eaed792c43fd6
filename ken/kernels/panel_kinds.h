// The CPU kinds that products with panels are written for.
#pragma once
#include "ken/kernels/panels.h"

namespace ken::kernels {

// Null where the combination is none of a format's.
PanelProduct scalar_product(Plane plane, Scaling scaling);
PanelProduct avx2_product(Plane plane, Scaling scaling);
PanelProduct avx512_product(Plane plane, Scaling scaling);
PanelProduct avx512_bf16_product(Plane plane, Scaling scaling);  // bf16 by its own instruction
PanelProduct amx_product(Plane plane, Scaling scaling);          // matrix tiles; bf16 by 32 inputs

}  // namespace ken::kernels
