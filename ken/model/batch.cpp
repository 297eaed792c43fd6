#include "ken/model/batch.h"

#include "ken/base/error.h"

namespace ken::model {

Batch pack(const std::vector<Row>& rows, int64_t vocab, const nn::KvCache* cache) {
  int64_t total = 0;
  for (const Row& row : rows) total += int64_t(row.tokens.size());
  Batch batch{at::empty({total}, at::kLong),
              at::empty({total}, at::kLong),
              at::zeros({int64_t(rows.size()) + 1}, at::kLong),
              {},
              {}};
  int64_t *token = batch.tokens.data_ptr<int64_t>(), *position = batch.positions.data_ptr<int64_t>(),
          *offset = batch.offsets.data_ptr<int64_t>();
  int64_t t = 0;
  for (size_t s = 0; s < rows.size(); ++s) {
    const Row& row = rows[s];
    if (row.tokens.empty()) fail("batch", "row {} holds no token; a prompt must give at least one", s);
    const int64_t past = cache && row.cached >= 0 ? cache->length(row.cached) : 0;
    for (size_t i = 0; i < row.tokens.size(); ++i, ++t) {
      if (row.tokens[i] < 0 || row.tokens[i] >= vocab)
        fail("batch", "token id {} of row {} is outside the vocabulary of {}", row.tokens[i], s, vocab);
      token[t] = row.tokens[i];
      position[t] = past + int64_t(i);
    }
    offset[s + 1] = t;
    batch.cached.push_back(row.cached);
    batch.phases.push_back(row.phase.value_or(past > 0 && row.tokens.size() == 1 ? Phase::decode : Phase::prefill));
  }
  return batch;
}

}  // namespace ken::model
