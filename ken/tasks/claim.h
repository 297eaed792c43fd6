// A claim: what a paper says happens, as an experiment that returns figures. The runner (ken reproduce) decides whether
// it holds; the file beside the method, NAME_claim.cpp, is the only place that may name the world.
#pragma once
#include <functional>

#include "ken/base/registry.h"
#include "ken/data/facts.h"
#include "ken/data/prompts.h"
#include "ken/model/model.h"

namespace ken::tasks {

struct Figure {
  std::string name, unit;
  double value = 0;
  std::string op;  // "", ">=" or "<=": how the mean over seeds is held against `bar`
  double bar = 0;
  bool side_effect = false;
  double null = NAN;  // the value without any effect; no seed may lie on its wrong side
};

struct ClaimInput {
  const model::Model& model;
  const data::FactSet& facts;
  data::PromptStyle style;
  uint64_t seed;
};

struct ClaimEntry {
  Card card;  // id and family of the method; sentence = what the paper says happens
  std::vector<Figure> (*run)(const ClaimInput& input);
};

}  // namespace ken::tasks
