// A calibrated confidence, kept in a file: which estimator is asked, how its score becomes a probability of being
// right, and from which probability on a promise about errors holds.
#pragma once
#include "ken/base/files.h"
#include "ken/evidence/evidence.h"
#include "ken/stats/calibrate.h"

namespace ken::evidence {

struct Calibration {
  EstimatorSpec estimator;
  stats::Calibrator calibrator;
  std::string model_sha256;
  double risk = 0.05, delta = 0.05;
  double promised = NAN;  // answers at least this sure: at most `risk` wrong, with probability 1 - delta; NaN: none
  Json about = Json::object();  // what it was fitted on and how it did on the rest

  double confidence(const Evidence& evidence) const { return calibrator(estimator.surer(evidence)); }
};

// Of scores (higher is surer) of a fitting split. The promise is made for the calibrated confidence.
Calibration fit_calibration(const EstimatorSpec& estimator, const std::string& method, std::span<const double> surer,
                            std::span<const int> right, double risk, double delta);

// ken.calibration/1, a JSON file.
void save(const Calibration& calibration, const fs::path& path);
// A UsageError where the file was fitted on another model.
Calibration load_calibration(const fs::path& path, const std::string& model_sha256);

// The least confidence of an answer that is given: "promised" is the file's own, else a number in [0, 1].
double abstain_under(const std::string& text, const Calibration& calibration);

}  // namespace ken::evidence
