// All methods in one list, whatever they are, and the pages generated from their cards.
#pragma once
#include <map>

#include "ken/base/card.h"
#include "ken/base/files.h"

namespace ken::study {

struct CatalogEntry {
  const Card* card;
  std::string kind;  // "control", "estimator", "analysis", "architecture", "format", "task", "claim"
};
// Methods, architectures, weight formats and benchmarks, sorted by family and id; no claims.
std::vector<CatalogEntry> catalog();
std::vector<CatalogEntry> claims();

Json to_json(const CatalogEntry& entry);
// Path below docs/ -> text: methods.md, methods/FAMILY/ID.md, tasks.md, claims.md. `docs` is where claims/ID.json are
// read from.
std::map<std::string, std::string> pages(const fs::path& docs);

}  // namespace ken::study
