#include "ken/data/retriever.h"

#include <xapian.h>

#include <algorithm>
#include <sstream>

#include "ken/base/error.h"

namespace ken::data {
namespace {

constexpr size_t most_terms = 1000;  // of a query: a longer text is cut, so that a hostile one costs a bounded search

Xapian::Document terms_of(const std::string& text) {
  Xapian::TermGenerator words;
  Xapian::Document document;
  words.set_document(document);
  words.index_text_without_positions(text);
  return document;
}

class Bm25 final : public Retriever {
 public:
  explicit Bm25(const std::vector<Passage>& passages)
      : database_(std::string(), Xapian::DB_BACKEND_INMEMORY), size_(passages.size()) {
    for (const auto& passage : passages) database_.add_document(terms_of(passage.text));
  }

  std::vector<Hit> search(const std::string& query, size_t count) const override try {
    const Xapian::Document asked = terms_of(query);
    std::vector<Xapian::Query> terms;
    for (auto t = asked.termlist_begin(); t != asked.termlist_end() && terms.size() < most_terms; ++t)
      terms.emplace_back(*t, t.get_wdf());
    if (terms.empty() || size_ == 0) return {};
    Xapian::Enquire enquire(database_);
    enquire.set_query(Xapian::Query(Xapian::Query::OP_OR, terms.begin(), terms.end()));
    enquire.set_weighting_scheme(Xapian::BM25Weight(1.2, 0, 1, 0.75, 0.5));
    enquire.set_docid_order(Xapian::Enquire::ASCENDING);
    std::vector<Hit> hits;
    const Xapian::MSet found = enquire.get_mset(0, Xapian::doccount(std::min(count, size_)));
    for (auto it = found.begin(); it != found.end(); ++it) hits.push_back({size_t(*it) - 1, it.get_weight()});
    return hits;
  } catch (const Xapian::Error& error) {
    fail("retriever", "Xapian: {}", error.get_description());
  }

 private:
  Xapian::WritableDatabase database_;
  size_t size_;
};

}  // namespace

std::unique_ptr<Retriever> bm25(const std::vector<Passage>& passages) { return std::make_unique<Bm25>(passages); }

std::vector<std::string> chunks(const std::string& text, size_t words) {
  if (words < 1) fail_usage("chunks", "a piece must hold at least one word");
  std::istringstream in(text);
  std::vector<std::string> result;
  size_t held = words;
  for (std::string word; in >> word; ++held) {
    if (held >= words) result.emplace_back(), held = 0;
    result.back() += (held > 0 ? " " : "") + word;
  }
  return result;
}

}  // namespace ken::data
