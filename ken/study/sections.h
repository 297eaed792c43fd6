// The parts of study.json, each from the rows of its stages alone. Every number is {value, n, ci, metric}.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ken/base/json.h"
#include "ken/stats/stats.h"

namespace ken::study {

using Rows = std::vector<const Json*>;

Json count_of(int64_t value);
// A number that is not measured over items: its interval is empty.
inline constexpr const char* exact_match = "exact match after SQuAD normalisation";

Json plain(double value, int64_t n, const std::string& metric);
Json share(const Rows& rows, const std::string& metric, const std::function<bool(const Json&)>& hit);
Json average(const Rows& rows, const std::string& key, const std::string& metric, uint64_t seed);
Rows where(const Rows& rows, const std::function<bool(const Json&)>& keep);
inline bool right(const Json& row) { return row.at("right").get<bool>(); }

// Counts of exposure fall in the almanac's bands; popularity (page views), and any larger numbers, in powers of ten.
class Bands {
 public:
  Bands(const std::vector<Json>& rows, bool popularity);
  std::string label(int64_t exposure) const;

 private:
  int64_t most_ = 0;
  bool popularity_;
};
// Groups of rows by label, in order of the smallest exposure seen in each. Rows of unknown exposure form a group only
// where no exposure is known.
std::vector<std::pair<std::string, Rows>> by_exposure(const Rows& rows, const Bands& bands);

// Up to `each` rows of every verdict, evenly spread, so that the examples are no hand-picked ones.
Json examples(const Rows& rows, size_t each, const std::function<std::string(const Json&)>& verdict);
inline std::string right_or_wrong(const Json& row) { return right(row) ? "right" : "wrong"; }

// The scores of an answer that a study compares, which all read the same evidence; `curve`: its risk over coverage is
// drawn; `sampled`: it reads sampled answers, which cost more.
struct StudyScore {
  const char* id;
  bool sampled, curve;
};
inline std::vector<StudyScore> study_scores() {
  return {{"sequence-probability", false, true},
          {"token-entropy", false, true},
          {"semantic-entropy", true, true},
          {"margin", false, false},
          {"self-certainty", false, false},
          {"self-consistency", true, false},
          {"cocoa", true, false}};
}

Json recall_section(const Rows& recall, const Rows& variants, const Rows& claims, const Bands& bands, uint64_t seed);
// `under` is the confidence below which answers are withheld, where the rows have a calibrated one.
Json certainty_section(const Rows& recall, uint64_t seed, double under);
Json conflict_section(const Rows& context, const Bands& bands);  // null without rows

}  // namespace ken::study
