// Notes beside a model: sentences of a file, found by their words and by the names they hold.
#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ken/data/retriever.h"

namespace ken::data {

// The notes of a file: its lines, or the field "text" of its records. Blank ones are left out; at least one stays.
std::vector<std::string> read_notes(const std::string& path);

// Words that begin with a capital. The first word of a question has one in any case, so it does not count.
std::set<std::string> names_in(const std::string& text, bool question);

class Notes {
 public:
  using Found = std::vector<size_t>;  // the nearest first

  explicit Notes(std::vector<std::string> texts);
  // At most k by BM25; with `names` of those that hold every name of the question.
  Found nearest(const std::string& question, size_t k, bool names) const;
  // `found` and at most k more, nearest to the question and these; with `names` of those that hold a name which they
  // brought.
  Found further(const std::string& question, Found found, size_t k, bool names) const;
  std::string joined(const Found& found) const;  // their texts, a blank after each
  bool empty() const { return texts_.empty(); }

 private:
  template <typename Counts>
  Found search(const std::string& query, size_t k, const Found& but, const Counts& counts) const;

  std::vector<std::string> texts_;
  std::vector<std::set<std::string>> names_;
  std::unique_ptr<const Retriever> index_;
};

}  // namespace ken::data
