// `ken inside ID` and `ken steer ID`: an analysis by its card.
#pragma once
#include "ken/cli/command.h"

namespace ken::cli {

// Adds ID, its parameters and what it reads to the command of a family; running it prints the table, and writes the
// tensors (of a lever: the file that the Control of the same id reads).
void add_analysis(CLI::App& app, const std::string& family);

}  // namespace ken::cli
