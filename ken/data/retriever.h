// Retriever: a query in, passages out, each with where it came from.
#pragma once
#include <memory>
#include <string>
#include <vector>

namespace ken::data {

struct Passage {
  std::string source, text;  // source: a file, a record's id
};

struct Hit {
  size_t passage = 0;  // index of those the retriever was made of
  double score = 0;    // higher is nearer; comparable within one search
};

class Retriever {
 public:
  virtual ~Retriever() = default;
  // At most `count` passages, the best first; of equals the earlier one.
  virtual std::vector<Hit> search(const std::string& query, size_t count) const = 0;
};

// BM25 over words (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.75) by Xapian, in memory. Words are what Unicode calls
// so, in lower case, not stemmed. Only passages that share a word with the query are found.
std::unique_ptr<Retriever> bm25(const std::vector<Passage>& passages);

// Text in pieces of at most `words` words, cut at blanks; at least 1.
std::vector<std::string> chunks(const std::string& text, size_t words);

}  // namespace ken::data
