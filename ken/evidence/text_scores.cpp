#include "ken/evidence/text_scores.h"

#include "ken/base/error.h"
#include "ken/model/partial.h"
#include "ken/readout/collect.h"
#include "ken/readout/passes.h"

namespace ken::evidence {
namespace {

using at::Tensor;

// The row before each token but a text's first says how likely it was.
struct Place {
  size_t text, token;
  int64_t row;
};

void score_rows(const model::Model& model, const Tensor& hidden, const std::vector<Place>& places,
                const std::vector<std::vector<int32_t>>& texts, int64_t alternatives, nn::Compute compute,
                std::vector<TextScores>& scores) {
  const int64_t step = std::max<int64_t>(1, readout::logits_at_once / model.config.vocab);
  for (int64_t begin = 0; begin < int64_t(places.size()); begin += step) {
    const int64_t n = std::min(step, int64_t(places.size()) - begin);
    std::vector<int64_t> rows, wanted;
    for (int64_t i = begin; i < begin + n; ++i) {
      rows.push_back(places[size_t(i)].row);
      wanted.push_back(texts[places[size_t(i)].text][places[size_t(i)].token]);
    }
    const Tensor logits =
        model::unembed(model, hidden.index_select(0, at::tensor(rows, at::kLong).to(hidden.device())), compute)
            .to(at::kCPU)
            .contiguous();  // [n, vocab]
    const Tensor logprobs =
        (logits.gather(1, at::tensor(wanted, at::kLong).unsqueeze(1)) - logits.logsumexp(1, true)).squeeze(1);
    for (int64_t i = 0; i < n; ++i) {
      const Place& place = places[size_t(begin + i)];
      const double logprob = double(logprobs.data_ptr<float>()[i]);
      if (!std::isfinite(logprob)) fail("scores", "the logits hold NaN or infinity; the weights are damaged");
      scores[place.text].logprobs[place.token] = logprob;
      if (alternatives == 0) continue;
      const std::span<const float> row(logits.data_ptr<float>() + i * logits.size(1), size_t(logits.size(1)));
      scores[place.text].alternatives[place.token] = generate::likeliest(row, alternatives, generate::spread(row));
    }
  }
}

}  // namespace

std::vector<TextScores> score_texts(const model::Model& model, const std::vector<std::vector<int32_t>>& texts,
                                    int64_t alternatives, nn::Compute compute) {
  const at::NoGradGuard no_gradients;
  std::vector<TextScores> scores;
  for (const auto& text : texts) {
    if (text.empty()) fail("scores", "a text without a token has no probability");
    if (int64_t(text.size()) > model.config.context)
      fail("scores", "the text has {} tokens; the model's context holds {}", text.size(), model.config.context);
    scores.push_back({std::vector<double>(text.size(), NAN), {}});
    scores.back().alternatives.resize(text.size());
  }
  for (const auto& [begin, end] : readout::passes(texts.size(), [&](size_t i) { return texts[i].size(); })) {
    std::vector<model::Row> rows;
    // A cache as in decoding, so that the arithmetic is that of an answer.
    nn::KvCache cache = model::make_cache(model, compute);
    for (size_t t = begin; t < end; ++t) rows.push_back({texts[t], cache.open(), model::Phase::prefill});
    std::vector<Place> places;
    int64_t row = 0;
    for (size_t t = begin; t < end; ++t, ++row)
      for (size_t i = 1; i < texts[t].size(); ++i) places.push_back({t, i, row++});
    const model::Batch batch = model::pack(rows, model.config.vocab, &cache);
    const Tensor hidden =
        model::forward(model, batch,
                       {.compute = compute, .cache = &cache, .logits = model::ForwardOptions::Logits::none})
            .hidden;
    score_rows(model, hidden, places, texts, alternatives, compute, scores);
  }
  return scores;
}

}  // namespace ken::evidence
