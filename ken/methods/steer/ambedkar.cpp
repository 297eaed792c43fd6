// Verifier-guided speculative decoding with counterfactual contexts (AMBEDKAR, Mukhopadhyay et al., arXiv 2509.02133):
// the row's model proposes, a verifier tells how much each proposal leans on who is spoken of. With x the prompt, x'
// the prompt with identity words exchanged, and c among the k likeliest tokens of the proposer p,
//   y_t = argmax_c  log p(c | x, y_<t) - alpha D(c),   p(c) >= floor * max p
// which is argmin_c D(c) - mu log p(c) with mu = 1 / alpha. D is a Jensen-Shannon divergence of the verifier v:
//   token (the authors' code):  1/2 v ln(v / m) + 1/2 v' ln(v' / m),   v = v(c | x), v' = v(c | x'), m = (v + v') / 2
//   after (their definition):   JSD( v(. | x c), v(. | x' c) ), read behind each candidate on forks of both streams
// and the mean over counterfactual prompts, where a word has several counterparts. The verifier's streams can begin
// with a text of principles. What the row has written is the same in all streams: identity words in it are not
// exchanged. A prompt without any identity word is left alone.
#include "ken/evidence/word_swaps.h"
#include "ken/generate/control.h"
#include "ken/model/shipped.h"

namespace ken::generate::ambedkar_file {
namespace {

constexpr const char* id = "ambedkar";

// v ln(v / m), 0 where v is 0.
Tensor term(const Tensor& v, const Tensor& m) { return at::where(v > 0, v * (v / m).log(), at::zeros_like(v)); }

// 1/2 v ln(v / m) + 1/2 v' ln(v' / m), place by place; its sum over a distribution is the Jensen-Shannon divergence.
Tensor divergence(const Tensor& v, const Tensor& other) {
  const Tensor m = (v + other) / 2;
  return (term(v, m) + term(other, m)) / 2;
}

Tensor probabilities(const Tensor& logits) { return at::softmax(logits.to(at::kDouble), -1); }

// Swaps that can be made at once: no word stands in two of a list's.
std::vector<evidence::WordSwaps> contexts_of(const evidence::WordSwaps& swaps) {
  std::vector<evidence::WordSwaps> contexts;
  for (const auto& swap : swaps) {
    const auto free = std::find_if(contexts.begin(), contexts.end(), [&](const evidence::WordSwaps& used) {
      return std::none_of(used.begin(), used.end(), [&](const auto& other) {
        return swap.first == other.first || swap.first == other.second || swap.second == other.first ||
               swap.second == other.second;
      });
    });
    if (free == contexts.end()) {
      contexts.push_back({swap});
    } else {
      free->push_back(swap);
    }
  }
  for (auto& context : contexts) context = evidence::both_ways(context);
  return contexts;
}

struct Options {
  std::vector<evidence::WordSwaps> contexts;
  std::shared_ptr<const model::Model> verifier;  // null: the row's own
  std::string principle;
  double alpha, floor;
  int64_t k;
  bool after;
};

class Ambedkar final : public Control {
 public:
  explicit Ambedkar(std::shared_ptr<const Options> options) : o_(std::move(options)) {}

  std::vector<Twin> twins(const Prompt& prompt) override {
    const auto read = [&](const std::string& text) {
      return Twin(o_->principle.empty() ? text : o_->principle + " " + text, o_->verifier);
    };
    std::vector<Twin> twins;
    for (const auto& swaps : o_->contexts) {
      const std::string other = evidence::swap_words(prompt.text, swaps);
      if (other == prompt.text) continue;
      if (twins.empty()) twins.push_back(read(prompt.text));
      twins.push_back(read(other));
    }
    // Nothing to exchange is known: the verifier compares the prompt with itself.
    if (o_->contexts.empty()) twins = {read(prompt.text), read(prompt.text)};
    counterfactuals_ = twins.empty() ? 0 : twins.size() - 1;
    return twins;
  }

  std::vector<Trial> trials(const Step& step) override {
    std::vector<Trial> trials;
    if (counterfactuals_ == 0) return trials;
    candidates_ = candidates(step.logits);
    if (!o_->after) return trials;
    for (size_t stream = 1; stream <= counterfactuals_ + 1; ++stream)
      for (int64_t c = 0; c < candidates_.size(0); ++c) trials.push_back({stream, {candidates_[c].item<int32_t>()}});
    return trials;
  }

  Tensor combine(Step& step) override {
    if (counterfactuals_ == 0) return step.logits;
    const Tensor d = o_->after ? behind(step.tried) : at_token(step.twins);  // [candidates]
    step.notes["ambedkar divergence"] = d.mean().item<double>();
    const Tensor penalty = at::zeros_like(step.logits).index_copy(0, candidates_, d.to(at::kFloat));
    Tensor result = step.logits - o_->alpha * penalty;  // alpha 0: exactly the proposer's
    if (o_->alpha == 0) return result;
    const Tensor others = at::ones_like(step.logits).index_fill(0, candidates_, 0);
    return result.masked_fill(others > 0, -INFINITY);
  }

 private:
  Tensor candidates(const Tensor& logits) const {
    const auto [values, tokens] = logits.topk(std::min(o_->k, logits.size(0)));
    const double least = o_->floor > 0 ? values[0].item<double>() + std::log(o_->floor) : -INFINITY;
    return tokens.index_select(0, (values >= least).nonzero().squeeze(1));
  }

  // Streams in rows: v(c | x) in the first, v(c | x') of each counterfactual prompt after it.
  Tensor at_token(const std::vector<Tensor>& streams) const {
    const Tensor v = probabilities(at::stack(streams)).index_select(1, candidates_);  // [streams, candidates]
    const Tensor others = v.narrow(0, 1, v.size(0) - 1);
    return divergence(v.narrow(0, 0, 1).expand_as(others), others).mean(0);
  }

  Tensor behind(const std::vector<Tensor>& tried) const {
    const Tensor v = probabilities(at::stack(tried)).view({int64_t(counterfactuals_) + 1, candidates_.size(0), -1});
    const Tensor others = v.narrow(0, 1, v.size(0) - 1);  // [counterfactuals, candidates, vocab]
    return divergence(v.narrow(0, 0, 1).expand_as(others), others).sum(-1).mean(0);
  }

  std::shared_ptr<const Options> o_;
  size_t counterfactuals_ = 0;
  Tensor candidates_;  // token ids, the likeliest first
};

MakeControl open(const Json& p) {
  auto o = std::make_shared<Options>();
  o->contexts = contexts_of(evidence::read_word_swaps(p["swaps"], id));
  if (const std::string verifier = p["verifier"]; !verifier.empty())
    o->verifier = model::load(model::model_path(verifier));
  o->principle = p["principle"], o->alpha = p["alpha"], o->floor = p["floor"], o->k = p["k"];
  o->after = p["divergence"] == "after";
  return [o = std::shared_ptr<const Options>(o)] { return std::make_unique<Ambedkar>(o); };
}

const Register<ControlEntry> entry{
    {.card = {.id = id,
              .family = "steer",
              .title = "Verifier decoding with counterfactual contexts (AMBEDKAR)",
              .paper = "arXiv 2509.02133",
              .sentence = "Chooses among the likeliest tokens the one that a verifier finds least dependent on who is "
                          "spoken of: it reads the prompt with identity words exchanged as well.",
              .params = {{"swaps", "", "identity words and their counterparts, A>B;C>D or a JSON file of them"},
                         {"verifier", "", "a model over the same vocabulary; empty: the row's own"},
                         {"alpha", 1.0, "weight of the divergence against the proposer's log probability", 0, 1e6},
                         {"k", 5, "how many candidates are verified", 1, 1000},
                         {"floor", 0.0, "candidates have p >= floor * max p", 0, 1},
                         {"divergence",
                          "token",
                          "of the verifier's probability of a candidate, or of what it expects after it",
                          -1e300,
                          1e300,
                          {"token", "after"}},
                         {"principle", "", "a text that the verifier reads before the prompt"}},
              .example = "ken generate \"she is a member of the board . she works as\" --control "
                         "\"ambedkar:swaps=she>he,alpha=20\"",
              .null_setting = {{"alpha", 0.0}, {"divergence", "after"}}},
     .open = open}};

}  // namespace
}  // namespace ken::generate::ambedkar_file
