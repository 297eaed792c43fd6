#include "ken/evidence/options.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/model/partial.h"
#include "ken/readout/collect.h"
#include "ken/readout/passes.h"

namespace ken::evidence {
namespace {

using at::Tensor;

constexpr int64_t least_shared = nn::KvCache::block;
constexpr const char* blanks = " \t\n\r\f\v";

// A token whose probability is wanted, and the score it belongs to.
struct Target {
  OptionScore* score;
  int32_t token;
};

// Adds log p(target) after each row of `hidden` to the target's score. A score's targets come in the order of its
// tokens.
void add_logprobs(const model::Model& model, const Tensor& hidden, const std::vector<Target>& targets,
                  nn::Compute compute, bool entropies) {
  const int64_t rows = int64_t(targets.size()),
                step = std::max<int64_t>(1, readout::logits_at_once / model.config.vocab);
  for (int64_t begin = 0; begin < rows; begin += step) {
    const int64_t n = std::min(step, rows - begin);
    Tensor wanted = at::empty({n, 1}, at::kLong);
    for (int64_t i = 0; i < n; ++i) wanted.data_ptr<int64_t>()[i] = targets[size_t(begin + i)].token;
    const Tensor logits = model::unembed(model, hidden.narrow(0, begin, n), compute).to(at::kCPU);  // [n, vocab]
    const Tensor total = logits.logsumexp(1, true), best = logits.argmax(1);
    const Tensor logprobs = (logits.gather(1, wanted) - total).squeeze(1);
    const Tensor entropy = entropies ? total.squeeze(1) - (logits - total).exp_().mul_(logits).sum(1) : Tensor();
    for (int64_t i = 0; i < n; ++i) {
      OptionScore& score = *targets[size_t(begin + i)].score;
      const double logprob = double(logprobs.data_ptr<float>()[i]);
      if (!std::isfinite(logprob)) fail("options", "the logits hold NaN or infinity; the weights are damaged");
      score.logprob += logprob;
      score.logprobs.push_back(logprob);
      if (entropies) score.entropies.push_back(std::max(0.0, double(entropy.data_ptr<float>()[i])));
      score.greedy = score.greedy && best.data_ptr<int64_t>()[i] == wanted.data_ptr<int64_t>()[i];
    }
  }
}

// A few items whose prompts fit one pass.
class Group {
 public:
  Group(const model::Model& model, nn::Compute compute, bool entropies)
      : model_(model), compute_(compute), entropies_(entropies) {}

  // Whether `prompt` still fits; the first always does.
  bool fits(const std::vector<int32_t>& prompt) const {
    return items_.empty() || tokens_ + int64_t(prompt.size()) <= readout::max_pass_tokens;
  }
  void add(OptionTokens item, std::vector<OptionScore>& scores) {
    tokens_ += int64_t(item.prompt.size());
    items_.push_back(std::move(item));
    scores_.push_back(&scores);
  }
  void score() {
    cache_.emplace(model::make_cache(model_, compute_));
    read_prompts();
    read_options();
  }

 private:
  // Tokens that all prompts begin with, such as worked examples; each prompt keeps at least one of its own.
  size_t shared() const {
    size_t n = items_[0].prompt.size() - 1;
    for (const auto& item : items_) {
      const auto& prompt = item.prompt;
      n = std::min(n, prompt.size() - 1);
      n = size_t(std::mismatch(prompt.begin(), prompt.begin() + long(n), items_[0].prompt.begin()).first -
                 prompt.begin());
    }
    return items_.size() > 1 && int64_t(n) >= least_shared ? n : 0;
  }

  Tensor hidden(const std::vector<model::Row>& rows, model::Batch& batch) {
    batch = model::pack(rows, model_.config.vocab, &*cache_);
    return model::forward(model_, batch,
                          {.compute = compute_, .cache = &*cache_, .logits = model::ForwardOptions::Logits::none})
        .hidden;
  }

  // Fills prompts_ and gives the first token of each option its probability.
  void read_prompts() {
    const long begin = long(shared());
    const int root = cache_->open();
    model::Batch batch;
    if (begin > 0) hidden({{{items_[0].prompt.begin(), items_[0].prompt.begin() + begin}, root}}, batch);
    std::vector<model::Row> rows;
    for (const auto& item : items_) {
      prompts_.push_back(cache_->fork(root));
      rows.push_back({{item.prompt.begin() + begin, item.prompt.end()}, prompts_.back(), model::Phase::prefill});
    }
    const Tensor states = hidden(rows, batch);
    std::vector<int64_t> last;
    std::vector<Target> targets;
    for (size_t i = 0; i < items_.size(); ++i) {
      for (size_t o = 0; o < items_[i].options.size(); ++o) {
        last.push_back(batch.last(int64_t(i)));
        targets.push_back({&(*scores_[i])[o], items_[i].options[o][0]});
      }
    }
    add_logprobs(model_, states.index_select(0, at::tensor(last, at::kLong).to(states.device())), targets, compute_,
                 entropies_);
  }

  // The tokens of each option after its first, in passes of options.
  void read_options() {
    std::vector<model::Row> rows;
    std::vector<Target> targets;
    for (size_t i = 0; i < items_.size(); ++i) {
      for (size_t o = 0; o < items_[i].options.size(); ++o) {
        const auto& option = items_[i].options[o];
        if (option.size() < 2) continue;
        if (!targets.empty() && int64_t(targets.size() + option.size()) > readout::max_pass_tokens) pass(rows, targets);
        rows.push_back({{option.begin(), option.end() - 1}, cache_->fork(prompts_[i]), model::Phase::prefill});
        for (size_t t = 1; t < option.size(); ++t) targets.push_back({&(*scores_[i])[o], option[t]});
      }
    }
    if (!rows.empty()) pass(rows, targets);
  }

  void pass(std::vector<model::Row>& rows, std::vector<Target>& targets) {
    model::Batch batch;
    add_logprobs(model_, hidden(rows, batch), targets, compute_, entropies_);
    for (const auto& row : rows) cache_->close(row.cached);
    rows.clear();
    targets.clear();
  }

  const model::Model& model_;
  nn::Compute compute_;
  bool entropies_;
  std::optional<nn::KvCache> cache_;
  std::vector<OptionTokens> items_;
  std::vector<std::vector<OptionScore>*> scores_;
  std::vector<int> prompts_;  // their cached sequences
  int64_t tokens_ = 0;
};

std::vector<int32_t> empty_prompt(const text::Tokenizer& tokenizer, const std::string& where) {
  if (tokenizer.bos) return {*tokenizer.bos};
  if (tokenizer.eos) return {*tokenizer.eos};
  fail(where, "the prompt is empty, and the tokenizer has neither BOS nor EOS to begin with; give a prompt");
}

}  // namespace

OptionTokens option_tokens(const model::Model& model, const OptionItem& item, const std::string& where) {
  if (item.options.empty()) fail(where, "there is no option; give at least one");
  const auto ids = [&](const std::string& text) {
    return item.chat ? item.chat->encode(text) : model::prompt_ids(model, text);
  };
  const size_t end = item.chat ? item.prompt.size() - 1 : item.prompt.find_last_not_of(blanks);
  const std::string prompt = end == std::string::npos ? "" : item.prompt.substr(0, end + 1);
  const std::string moved = item.prompt.substr(prompt.size());
  OptionTokens result;
  result.prompt = ids(prompt);
  // An empty prompt holds BOS already where the tokenizer adds it.
  const size_t given = prompt.empty() ? model.tokenizer->add_bos && model.tokenizer->bos ? 1 : 0 : result.prompt.size();
  if (prompt.empty()) result.prompt = empty_prompt(*model.tokenizer, where);
  for (size_t o = 0; o < item.options.size(); ++o) {
    const std::string option = item.chat ? item.chat->guard(item.options[o]) : item.options[o];
    const auto whole = ids(prompt + moved + option);
    if (whole.size() <= given)
      fail(where, "option {} ('{}') gives no token of its own after the prompt; give it at least one word", o + 1,
           item.options[o].substr(0, 80));
    result.options.emplace_back(whole.begin() + long(given), whole.end());
    const int64_t length = int64_t(result.prompt.size() + result.options.back().size());
    if (length > model.config.context)
      fail(where, "the prompt and option {} have {} tokens, but the model's context holds {}; shorten them", o + 1,
           length, model.config.context);
  }
  return result;
}

std::vector<std::vector<OptionScore>> score_tokens(const model::Model& model, const std::vector<OptionTokens>& items,
                                                   nn::Compute compute, bool entropies) {
  const at::NoGradGuard no_gradients;
  std::vector<std::vector<OptionScore>> scores(items.size());
  std::unique_ptr<Group> group;
  for (size_t i = 0; i < items.size(); ++i) {
    for (const auto& option : items[i].options) {
      if (option.empty() || items[i].prompt.empty())
        fail("options", "item {} has a prompt or an option without a token", i + 1);
      scores[i].push_back({.tokens = int64_t(option.size()), .greedy = true});
    }
    if (group && !group->fits(items[i].prompt)) {
      group->score();
      group.reset();
    }
    if (!group) group = std::make_unique<Group>(model, compute, entropies);
    group->add(items[i], scores[i]);
  }
  if (group) group->score();
  return scores;
}

std::vector<std::vector<OptionScore>> score_options(const model::Model& model, const std::vector<OptionItem>& items,
                                                    nn::Compute compute) {
  std::vector<OptionTokens> tokens;
  for (size_t i = 0; i < items.size(); ++i)
    tokens.push_back(option_tokens(model, items[i], fmt::format("item {}", i + 1)));
  auto scores = score_tokens(model, tokens, compute);
  for (size_t i = 0; i < items.size(); ++i) {
    for (size_t o = 0; o < items[i].options.size(); ++o) {
      const std::string& text = items[i].options[o];
      const size_t first = text.find_first_not_of(blanks);
      scores[i][o].bytes = first == std::string::npos ? 0 : text.size() - first;
    }
  }
  return scores;
}

}  // namespace ken::evidence
