#include "ken/evidence/fluency.h"

#include "ken/evidence/options.h"

namespace ken::evidence {

Fluency fluency(const model::Model& model, const std::vector<std::vector<generate::Prompt>>& prompts,
                const std::vector<generate::Generated>& answers) {
  std::vector<OptionTokens> asked;
  std::vector<size_t> item;  // of each
  for (size_t i = 0; i < answers.size(); ++i) {
    std::vector<int32_t> tokens = answers[i].tokens;
    const bool ended = answers[i].logprobs.size() > tokens.size();  // by EOS, which is a token of the answer here
    if (ended && model.tokenizer && model.tokenizer->eos) tokens.push_back(*model.tokenizer->eos);
    if (tokens.empty()) continue;
    for (const auto& prompt : prompts[i]) {
      asked.push_back({generate::prompt_ids(model, prompt.text, prompt.chat.get()), {tokens}});
      item.push_back(i);
    }
  }
  const auto scores = score_tokens(model, asked, nn::Compute::f32);
  double all = 0, tokens = 0, behind = 0, rest = 0;
  for (size_t s = 0; s < scores.size();) {
    size_t best = s;
    const size_t first = s;
    for (; s < scores.size() && item[s] == item[first]; ++s)
      if (scores[s][0].logprob > scores[best][0].logprob) best = s;
    const OptionScore& score = scores[best][0];
    all += score.logprob, tokens += double(score.tokens);
    behind += score.logprob - score.logprobs.at(0), rest += double(score.tokens - 1);
  }
  return {tokens > 0 ? all / tokens : NAN, rest > 0 ? behind / rest : NAN};
}

}  // namespace ken::evidence
