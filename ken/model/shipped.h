// The models that ship with ken, by name.
#pragma once
#include <string>
#include <vector>

#include "ken/base/files.h"

namespace ken::model {

// In $KEN_MODELS, in share/ken/models beside the program's folder, or in the checkout's models/; sorted by name.
std::vector<fs::path> shipped_models();
// A file, or one of the shipped models by its name; a UsageError names the near ones.
fs::path model_path(const std::string& name);

}  // namespace ken::model
