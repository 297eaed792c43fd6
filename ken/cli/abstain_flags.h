// The flags of a calibrated confidence; shared by the commands that answer.
#pragma once
#include "ken/cli/command.h"
#include "ken/evidence/calibration.h"

namespace ken::cli {

struct AbstainFlags {
  std::string calibration, under;
};
inline void add_abstain_flags(CLI::App& app, AbstainFlags& flags) {
  auto* file = app.add_option("--calibration", flags.calibration,
                              "a file of ken calibrate: the answer comes with its probability of being right");
  app.add_option(
         "--abstain-under", flags.under,
         "withhold an answer that is less sure than this: a probability, or 'promised' for the calibration's own")
      ->needs(file);
}

// A calibration with the confidence under which nothing is answered; 0: everything is.
struct Abstention {
  evidence::Calibration calibration;
  double under = 0;
};
inline std::optional<Abstention> abstention_from(const AbstainFlags& flags, const model::Model& model) {
  if (flags.calibration.empty()) return std::nullopt;
  Abstention result{evidence::load_calibration(flags.calibration, model.sha256())};
  if (!flags.under.empty()) result.under = evidence::abstain_under(flags.under, result.calibration);
  return result;
}

}  // namespace ken::cli
