// Estimators over a fact set: evidence gathered once for all of them and kept, scores from it, and what each score is
// worth. A killed run goes on where it ended.
#pragma once
#include "ken/base/progress.h"
#include "ken/evidence/calibration.h"
#include "ken/model/model.h"

namespace ken::study {

struct ConfidenceOptions {
  fs::path out;  // rows.jsonl (evidence and scores), confidence.json (what they are worth), run.json (times)
  nn::Compute compute = nn::Compute::fast;
  uint64_t seed = 0;
  std::vector<evidence::EstimatorSpec> estimators;  // none: all_estimators()
  // Ask beside their passages instead of closed book: the cases of the fact set; right is a true answer.
  bool passages = false;
  size_t timed = 0;  // so many questions are asked again for each estimator alone, for its price
  Progress progress;
};

struct ConfidenceResult {
  std::vector<Json> rows;
  Json summary;  // what confidence.json holds
  Json times;    // what run.json holds
  size_t resumed = 0;
};

ConfidenceResult run_confidence(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
                                const ConfidenceOptions& options);

// Each registered estimator with its standard parameters, where it needs no file, nor a passage unless there is one.
std::vector<evidence::EstimatorSpec> all_estimators(bool passages);

// The rows of a saved run, without its header. An Error where the file is none.
std::vector<Json> read_confidence_rows(const fs::path& file);
// Scores of saved rows under any estimators, whose needs their evidence must hold; raw, by definition().
void score_rows(std::vector<Json>& rows, const std::vector<evidence::EstimatorSpec>& estimators);

// What scored rows say: for each estimator AUROC, PRR, AURC (with intervals over groups), and, calibrated by isotonic
// regression on the other groups, its debiased ECE, Brier score and negative log-likelihood.
Json summarize_confidence(const std::vector<Json>& rows, const std::vector<evidence::EstimatorSpec>& estimators,
                          uint64_t seed);

// One estimator's rows as numbers.
struct ScoredRows {
  std::vector<double> surer;
  std::vector<int> right;
  std::vector<std::string> groups;
  std::vector<int64_t> exposure;
};
ScoredRows scored_rows(const std::vector<Json>& rows, const evidence::EstimatorSpec& estimator);

// Fits a calibration on half of the groups and judges it on the other half; `about` holds how it did there, per
// exposure too.
evidence::Calibration calibrate_rows(const std::vector<Json>& rows, const evidence::EstimatorSpec& estimator,
                                     const std::string& method, double risk, double delta, uint64_t seed);

}  // namespace ken::study
