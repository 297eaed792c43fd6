// Two studies side by side: every number of one with the same number of the other, and which differences are more than
// chance. Numbers are found by their form {value, n, ci, metric}, wherever a study holds them.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "ken/base/files.h"
#include "ken/base/json.h"

namespace ken::study {

// What comparing needs of a row of rows.jsonl, of the stages "recall" and "context".
struct Asked {
  std::string stage, id, text;  // text: passage, instruction and question, so that equal ids of other facts do not pair
  std::string question, gold, answer, relation, kind, intent, followed;
  int64_t exposure = -1;
  bool right = false;
};

struct StudyData {
  std::string path;
  Json study;
  Json header;  // of rows.jsonl; null where there are no rows
  std::vector<Asked> rows;
};

// A folder of `ken study`, or a study.json; rows.jsonl beside it is read where there is one.
StudyData read_study(const fs::path& path);

// {schema, a, b, warnings, method, tested, beyond_chance, numbers, paired, only_in_a, only_in_b, findings};
// docs/compare.md says what each part holds.
Json compare(const StudyData& a, const StudyData& b);

// A figure; NaN where it is null.
inline double real(const Json& value) { return value.is_number() ? value.get<double>() : NAN; }

// compare()'s parts. The same questions asked twice, without their corrected p-values; empty without rows on both
// sides.
Json compare_rows(const StudyData& a, const StudyData& b);
// Sentences on what differs, from a comparison that is complete but for them.
Json compare_findings(const Json& comparison);

std::string compare_text(const Json& comparison);      // for a terminal: what differs, and the largest of the rest
std::string compare_markdown(const Json& comparison);  // everything

}  // namespace ken::study
