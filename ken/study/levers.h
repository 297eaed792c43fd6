// What a lever moves and what it breaks: a control at several settings, on the same questions.
#pragma once
#include <set>

#include "ken/evidence/asking.h"
#include "ken/generate/scheduler.h"
#include "ken/study/study.h"

namespace ken::study {

// What a lever is tried on.
struct LeverItems {
  std::vector<size_t> contexts, facts;  // indices in the fact set
  std::vector<std::string> beginnings;  // of running text, to be written on
  size_t size() const { return contexts.size() + facts.size() + beginnings.size(); }
};
// At most `conflicts` cases of conflict without an instruction and half as many of the other kinds, of facts and of
// texts: the first ones of the fact set, which are in random order where it is a world's.
LeverItems lever_items(const data::FactSet& facts, const data::PromptStyle& style, uint64_t seed, size_t conflicts);

// One setting: no controls where it is "off".
struct LeverSetting {
  std::string control, title, parameter, setting;
  std::vector<generate::ControlSpec> controls;
};
// "off" and each value of the parameter, or, where the card's null setting is a value of it, all values in their order.
// UsageError for an unknown parameter or value.
std::vector<LeverSetting> lever_settings(const StudyLever& lever);

struct LeverInput {
  const model::Model& model;
  const data::FactSet& facts;
  const data::PromptStyle& style;
  uint64_t seed;
  nn::Compute compute;
  // Keeps what the items have read, in a gibibyte at most, so that the next setting reads it no more.
  generate::Scheduler scheduler{model, {.compute = compute, .keep_tokens = tokens_in(size_t{1} << 30)}};
  int64_t tokens_in(size_t bytes) const { return int64_t(bytes) / model::make_cache(model, compute).position_bytes(); }
};
// A row for each item, asked under this setting; `memory` is each fact's closed-book answer without it.
std::vector<Json> lever_rows(LeverInput& input, const LeverItems& items, const LeverSetting& setting,
                             const std::map<std::string, std::string>& memory);
// The closed-book answers of the facts that these items are about.
std::map<std::string, std::string> memory_of(const LeverInput& input, const LeverItems& items);

// One object a control: {id, title, parameter, points: [{setting, moved, broke}]}, from such rows.
Json lever_section(const std::vector<const Json*>& rows);
// The points as a table for the terminal.
std::string lever_text(const Json& lever);
// A page of its own that draws the curve.
std::string sweep_html(const Json& lever, const std::string& model, const std::string& facts);

}  // namespace ken::study
