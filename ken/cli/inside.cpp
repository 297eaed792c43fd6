// ken inside ID: runs an analysis by its card; numbers to stdout, tensors to a file. Families that hold Controls or
// Estimators point to the commands that take them.
#include "ken/cli/analysis.h"

namespace ken::cli::inside_file {
namespace {

const Register<Command> entry{{.card = {.id = "inside",
                                        .family = "cli",
                                        .sentence = "Look inside: run an analysis of a model's states on a fact set.",
                                        .example = "ken inside probe-map target=conflict"},
                               .order = 40,
                               .add = [](CLI::App& app) { add_analysis(app, "inside"); }}};

}  // namespace
}  // namespace ken::cli::inside_file
