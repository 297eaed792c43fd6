// Analysis: a model and facts in, a table and tensors out. One file each under methods/.
#pragma once
#include "ken/base/progress.h"
#include "ken/base/registry.h"
#include "ken/data/facts.h"
#include "ken/data/prompts.h"
#include "ken/data/texts.h"
#include "ken/generate/generate.h"
#include "ken/model/model.h"
#include "ken/readout/probe.h"

namespace ken::readout {

struct AnalysisInput {
  const model::Model& model;
  const data::FactSet& facts;
  data::PromptStyle style;
  uint64_t seed = 0;
  nn::Compute compute = nn::Compute::f32;
  Progress progress = {};
  data::Texts texts = {};  // running text for what is fitted on it; empty: texts_about(facts)
  // By prompt, what this model answered greedily in this style and arithmetic: it is not asked again.
  const std::map<std::string, generate::Generated>* answered = nullptr;
  data::Texts some_texts() const { return texts.empty() ? data::texts_about(facts, style, seed) : texts; }
};

struct AnalysisResult {
  Json table;  // numbers as {value, n, ci, metric}
  std::map<std::string, at::Tensor> tensors;
  std::vector<Probe> probes = {};  // fitted on all items: what `probe-stream` reads while a model answers
  // Set: the tensors are what the Control of this id applies, and this describes them in their file (lever.h).
  Json lever = nullptr;
};

struct AnalysisEntry {
  Card card;
  AnalysisResult (*run)(const AnalysisInput& input, const Json& params);  // params are complete and checked
};

}  // namespace ken::readout
