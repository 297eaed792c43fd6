// The main job: asks a model everything in a fact set and writes study.json, rows.jsonl, run.json and report.html.
#pragma once
#include "ken/base/json.h"
#include "ken/base/progress.h"
#include "ken/data/facts.h"
#include "ken/data/prompts.h"
#include "ken/evidence/calibration.h"
#include "ken/model/model.h"

namespace ken::study {

// A control whose effect is drawn: at these values of the parameter; without values, on and off.
struct StudyLever {
  std::string control;
  Json params = Json::object();  // the others
  std::string parameter = {};
  std::vector<Json> values = {};
};

struct StudyOptions {
  fs::path out;
  uint64_t seed = 0;
  nn::Compute compute = nn::Compute::fast;
  int64_t samples = 10;  // answers sampled a question, for semantic entropy
  std::vector<StudyLever> levers = {{"cad", Json::object(), "alpha", {-1.0, -0.5, 0.5, 1.0, 2.0, 4.0}}};
  // Set: each closed-book answer gets a calibrated confidence; answers less sure than `abstain_under` are withheld.
  std::shared_ptr<const evidence::Calibration> calibration = {};
  double abstain_under = 0;
  Progress progress;
};

struct StudyResult {
  std::vector<Json> rows;             // what rows.jsonl holds
  Json study;                         // what study.json holds
  size_t questions = 0, resumed = 0;  // rows asked in all, and found finished
};

StudyResult run_study(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
                      const StudyOptions& options);

// study.json from the rows alone.
Json summarize(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
               const std::vector<Json>& rows, const StudyOptions& options);
Json findings(const Json& study);
// A band of exposure in words, or of popularity.
std::string facts_in(const std::string& label);
// The self-contained page: the built page with the study's JSON put in.
std::string report_html(const Json& study);

}  // namespace ken::study
