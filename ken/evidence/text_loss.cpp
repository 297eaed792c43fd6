#include "ken/evidence/text_loss.h"

#include "ken/base/error.h"
#include "ken/readout/activation_stream.h"

namespace ken::evidence {

double text_loss(const model::Model& model, const data::Texts& texts, int64_t first, int64_t count,
                 const std::vector<model::Tap>& taps, nn::Compute compute) {
  constexpr int64_t most_numbers = 1 << 24, longest = 512;  // logits held at once
  const at::NoGradGuard no_gradients;
  const int64_t pass = std::max<int64_t>(longest, std::min<int64_t>(4096, most_numbers / model.config.vocab));
  const model::TapPlan plan(model.config, taps);
  double sum = 0, tokens = 0;
  std::vector<model::Row> rows;
  const auto flush = [&] {
    if (rows.empty()) return;
    const model::Batch batch = model::pack(rows, model.config.vocab);
    const at::Tensor logits =
        model::forward(model, batch, {.compute = compute, .taps = &plan, .logits = model::ForwardOptions::Logits::all})
            .logits.to(at::kCPU);
    const at::Tensor next = at::log_softmax(logits.narrow(0, 0, logits.size(0) - 1), 1)
                                .gather(1, batch.tokens.to(at::kCPU, at::kLong).slice(0, 1).unsqueeze(1))
                                .squeeze(1);
    for (int64_t s = 0; s < batch.sequences(); ++s) {
      const int64_t begin = batch.begin(s), n = batch.end(s) - begin - 1;
      sum -= next.narrow(0, begin, n).sum(at::kDouble).item<double>(), tokens += double(n);
    }
    rows.clear();
  };
  int64_t held = 0;
  for (int64_t i = first; i < std::min(texts.count, first + count); ++i)
    for (auto& row : readout::token_rows(model, texts.at(i), std::min(longest, model.config.context))) {
      if (row.size() < 2) continue;
      if (held + int64_t(row.size()) > pass) flush(), held = 0;
      held += int64_t(row.size());
      rows.push_back({std::move(row)});
    }
  flush();
  if (tokens == 0) fail("text", "there is no text from number {} on to measure the loss of", first);
  return sum / tokens;
}

double perplexity_rise(const readout::AnalysisInput& input, int64_t first, int64_t count,
                       const std::vector<model::Tap>& taps) {
  const data::Texts texts = input.some_texts();
  const auto loss = [&](const std::vector<model::Tap>& with) {
    return text_loss(input.model, texts, first, count, with, input.compute);
  };
  return std::exp(loss(taps) - loss({})) - 1;
}

}  // namespace ken::evidence
