// A Control judged on questions beside passages: which source its answers follow where a passage disagrees with what
// the model knows, how often they are right where it agrees or says nothing, and whether they are still fluent.
#pragma once
#include <map>
#include <span>

#include "ken/evidence/asking.h"
#include "ken/evidence/fluency.h"

namespace ken::evidence {

struct PassageSizes {
  size_t conflict = 500, agree = 200, irrelevant = 100;  // cases at most, before they are split in two
};

class PassageJudge {
 public:
  // Groups are split in two by the seed: settings are chosen on one part and judged on the other. Conflict cases are
  // those whose fact the model answers rightly without a passage; an Error where a part has none.
  enum class Part { choice, judged };
  PassageJudge(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style, uint64_t seed,
               const PassageSizes& sizes = {});

  using Controls = std::vector<generate::ControlSpec>;
  // Conflict: shares of answers that are the passage's, memory's, neither. Fluency (fluency.h): with or
  // without the passage, so that an answer from either source is fluent.
  struct Sources {
    double context = 0, memory = 0, neither = 0;
    Fluency fluency = {};
    double holds_context = 0, holds_memory = 0;  // shares of answers in which the source's answer occurs (ConR, ParR)
    double memory_ratio() const;                 // MR = ParR / (ParR + ConR); NaN where there is neither
    int64_t n = 0;
  };
  Sources conflict(Part part, const Controls& controls) const;
  // The share of true answers beside passages of this kind ("agree", "irrelevant"; "conflict": memory is right).
  double right(Part part, const std::string& kind, const Controls& controls) const;
  std::span<const data::ContextCase* const> cases(Part part, const std::string& kind) const;
  std::vector<generate::Generated> answers(Part part, const std::string& kind, const Controls& controls) const;

 private:
  const model::Model& model_;
  data::PromptStyle style_;
  std::map<std::pair<Part, std::string>, std::vector<const data::ContextCase*>> cases_;
};

}  // namespace ken::evidence
