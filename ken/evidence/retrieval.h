// Retrieval judged by what it is for: questions whose answers stand in one piece of a pool of passages.
#pragma once
#include <map>

#include "ken/data/retriever.h"
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"

namespace ken::evidence {

struct Piece {
  data::Passage passage;
  std::string group;
};
// A question and the pieces that hold its answer.
struct Asked {
  const data::ContextCase* item;
  std::vector<size_t> gold;
};
struct PassagePool {
  std::vector<Piece> pieces;
  std::vector<Asked> questions;
  std::vector<data::Passage> passages() const;
};

// Cases of one kind, their passages cut into pieces of so many words, in two halves by group, at most `most` cases a
// half. An Error where a half has fewer than 20 questions.
std::pair<PassagePool, PassagePool> two_pools(const readout::AnalysisInput& input, const std::string& kind,
                                              size_t words, size_t most);

// What is found for each question of a pool: pieces, best first.
using Ranking = std::vector<std::vector<size_t>>;
Ranking ranked_by(const data::Retriever& retriever, const PassagePool& pool, size_t k);

struct Count {
  int64_t hits = 0, n = 0;
};
using Counts = std::map<std::string, std::map<std::string, Count>>;  // [retriever][what]
// Adds to "recall@k" whether a right piece is among the first k, and to "answers@k" whether the model that reads those
// k answers rightly.
void judge(const readout::AnalysisInput& input, const PassagePool& pool, const Ranking& ranking, size_t k,
           std::map<std::string, Count>& counts);

}  // namespace ken::evidence
