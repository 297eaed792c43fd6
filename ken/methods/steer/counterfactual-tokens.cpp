// Counterfactual token generation (Chatzi et al., arXiv 2409.17027): what would this same sample have been, had an
// earlier word been another one? The sampler is a Gumbel-max causal model,
//   y_t = argmax_v( log p_t(v) / T + U_t(v) ),   U_t(v) ~ Gumbel(0) by (seed, sequence, t, v) alone,   U_t [vocab]
// so an edited prompt or token that goes on with the same U gives the counterfactual of the factual text, and fresh U
// an interventional one. Noise belongs to token ids, never to ranks: where the edit changes p_t(v) little, the same
// token wins again (counterfactual stability). "position" is the comparison that is not stable: one uniform number a
// step, read off the cumulative distribution from the likeliest token down.
// A text that was not sampled here has no noise on record. Its hindsight noise is drawn from the posterior given that
// y_t won at each t: with phi_v = log p_t(v) / T (normalised), Z = U_y the winner's total and G_v = phi_v + U_v,
//   total_v = -ln( e^-Z + e^-G_v )  for v != y,   U'_v = total_v - phi_v,   U'_y = Z - phi_y.
// It is that of the whole tempered distribution; filters (top-k, top-p, min-p) must keep the observed tokens.
#include "ken/base/rng.h"
#include "ken/evidence/word_swaps.h"
#include "ken/generate/control.h"
#include "ken/generate/sampler.h"

namespace ken::generate::counterfactual_tokens_file {
namespace {

constexpr const char* id = "counterfactual-tokens";
constexpr double least_lead = 1e-3;  // of the observed token's total, so that rounding does not turn it

Tensor prior(uint64_t seed, uint64_t sequence, int64_t step, int64_t vocab) {
  Tensor noise = at::empty({vocab}, at::kDouble);
  double* values = noise.data_ptr<double>();
  at::parallel_for(0, vocab, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t v = begin; v < end; ++v) values[v] = gumbel(seed, sequence, uint64_t(step), uint64_t(v));
  });
  return noise;
}

// U' of one step, given that `winner` won there.
Tensor hindsight(const Tensor& logits, double temperature, int64_t winner, const Tensor& u) {
  const Tensor phi = at::log_softmax(logits.to(at::kDouble) / temperature, 0), z = u[winner];
  Tensor totals = at::minimum(-at::logaddexp(-z, -(phi + u)), z - least_lead);
  totals[winner] = z;
  return totals - phi;
}

// The token at which the cumulative distribution passes u, from the likeliest down, among those that the filters keep.
int64_t by_rank(const Tensor& logits, const Sampling& s, double u) {
  const auto [p, order] = at::softmax(logits.to(at::kDouble) / s.temperature, 0).sort(/*stable=*/true, 0, true);
  int64_t n = s.top_k > 0 ? std::min(s.top_k, p.size(0)) : p.size(0);
  const Tensor sums = p.narrow(0, 0, n).cumsum(0);
  if (s.top_p < 1) n = std::min(n, 1 + (sums < s.top_p * sums[n - 1]).sum().item<int64_t>());
  if (s.min_p > 0) n = std::max<int64_t>(1, (p.narrow(0, 0, n) >= s.min_p * p[0]).sum().item<int64_t>());
  const int64_t rank = (sums.narrow(0, 0, n) < u * sums[n - 1]).sum().item<int64_t>();
  return order[std::min(rank, n - 1)].item<int64_t>();
}

// Of an observed text: its tokens, and the logits before each [tokens, vocab] under the prompt as it was.
struct Observed {
  std::vector<int32_t> tokens;
  Tensor logits;
};

class CounterfactualTokens final : public Control {
 public:
  explicit CounterfactualTokens(const Json& p, const evidence::WordSwaps& swaps, const std::string& observed)
      : swaps_(swaps), at_(p["at"]), shift_(p["shift"]), seed_(uint64_t(p["seed"].get<int64_t>())) {
    token_ = p["token"], noise_ = p["noise"], observed_text_ = observed, ended_ = p["ended"];
    if ((at_ >= 0) == token_.empty()) fail_usage(id, "at=K and token=TEXT belong together: which token, and by what");
    seen_ = !observed_text_.empty() || ended_;
    if (seen_ && noise_ == "position")
      fail_usage(id, "hindsight noise belongs to token ids; with observed=TEXT, noise is same or fresh");
  }

  void begin(const Setting& setting) override {
    model_ = &setting.model, compute_ = setting.compute;
    if (!token_.empty()) replaced_ = encoded(token_);
  }

  void rewrite(Prompt& prompt) override {
    if (seen_) factual_ = prompt;
    if (swaps_.empty()) return;
    const std::string before = prompt.text;
    const auto swap = [swaps = swaps_](const std::string& text) { return evidence::swap_words(text, swaps); };
    prompt.text = swap(prompt.text);
    if (prompt.text == before) fail_usage(id, "the prompt does not hold '{}'; nothing is swapped", swaps_[0].first);
    prompt.without_context = swap(prompt.without_context), prompt.question = swap(prompt.question);
    if (prompt.beside)
      prompt.beside = [swap, plain = prompt.beside](const std::string& passage) { return swap(plain(passage)); };
  }

  void follow(const Control& first) override { observed_ = static_cast<const CounterfactualTokens&>(first).observed_; }

  Tensor combine(Step& step) override {
    const int64_t t = step.index, m = int64_t(replaced_.size());
    const bool edited = t >= at_ + m;  // everything, where only the prompt is
    const int64_t source = edited ? t - shift_ - std::max<int64_t>(0, m - 1) : t;
    if (step.sampling && step.sampling->temperature > 0) step.noise = noise(step, source, edited);
    if (edited || t < at_) return step.logits;
    const int64_t forced = replaced_[size_t(t - at_)];
    Tensor only = at::full_like(step.logits, -INFINITY);
    only[forced] = step.logits[forced];
    return only;
  }

 private:
  std::vector<int32_t> encoded(const std::string& text) const {
    if (!model_->tokenizer) fail_usage(id, "{} has no tokenizer; words cannot be replaced", model_->config.name);
    // Tokenizers that put a blank before a text would double one that is there.
    const bool doubled = model_->tokenizer->add_space_prefix && text.starts_with(' ');
    const auto tokens = model_->tokenizer->encode(std::string_view(text).substr(doubled));
    if (tokens.empty()) fail_usage(id, "'{}' has no token", text);
    return tokens;
  }

  // Of this step, being that of step `source` of the factual text; undefined: the sampler's own.
  Tensor noise(const Step& step, int64_t source, bool edited) {
    const Sampling& s = *step.sampling;
    const int64_t vocab = step.logits.size(0);
    if (noise_ == "position") {
      const uint32_t word = philox(s.seed, step.sequence, uint64_t(std::max<int64_t>(0, source)) << 32 | UINT32_MAX)[0];
      Tensor chosen = at::full({vocab}, -1e6);  // no logit makes up for it
      chosen[by_rank(step.logits, s, (double(word) + 0.5) * 0x1.0p-32)] = 0;
      return chosen;
    }
    // Steps that the factual text did not have are fresh in any case.
    if (source < 0 || (edited && noise_ == "fresh"))
      return prior(s.seed ^ (seed_ + 1) * 0x9E3779B97F4A7C15, step.sequence, step.index, vocab);
    if (const Observed* seen = observed(); seen && source < int64_t(seen->tokens.size()))
      return hindsight(seen->logits[source], s.temperature, seen->tokens[size_t(source)],
                       prior(s.seed, step.sequence, source, vocab));
    return source == step.index ? Tensor() : prior(s.seed, step.sequence, source, vocab);
  }

  // The factual prompt and text in one pass, once for all samples of a request.
  const Observed* observed() {
    if (!seen_) return nullptr;
    if (observed_->logits.defined()) return observed_.get();
    if (!observed_text_.empty()) observed_->tokens = encoded(observed_text_);
    if (ended_) {
      if (!model_->tokenizer->eos) fail_usage(id, "the tokenizer has no token that ends a text; leave out `ended`");
      observed_->tokens.push_back(*model_->tokenizer->eos);
    }
    auto ids = factual_.chat ? factual_.chat->encode(factual_.text) : model::prompt_ids(*model_, factual_.text);
    const int64_t n = int64_t(observed_->tokens.size()), first = int64_t(ids.size()) - 1;
    ids.insert(ids.end(), observed_->tokens.begin(), observed_->tokens.end() - 1);
    const model::Batch batch = model::pack({{ids}}, model_->config.vocab);
    observed_->logits =
        model::forward(*model_, batch, {.compute = compute_, .logits = model::ForwardOptions::Logits::all})
            .logits.narrow(0, first, n)
            .to(at::kCPU);
    return observed_.get();
  }

  evidence::WordSwaps swaps_;
  int64_t at_, shift_;
  uint64_t seed_;
  std::string token_, noise_, observed_text_;
  bool ended_ = false, seen_ = false;  // seen: a text was observed, if only its end
  const model::Model* model_ = nullptr;
  nn::Compute compute_ = nn::Compute::f32;
  std::vector<int32_t> replaced_;
  Prompt factual_;
  std::shared_ptr<Observed> observed_ = std::make_shared<Observed>();
};

MakeControl open(const Json& p) {
  const auto swaps = evidence::read_word_swaps(p["swap"], id);
  const std::string given = p["observed"],
                    observed = !given.empty() && fs::is_regular_file(given) ? read_text(given) : given;
  return [p, swaps, observed] { return std::make_unique<CounterfactualTokens>(p, swaps, observed); };
}

const Register<ControlEntry> entry{
    {.card = {.id = id,
              .family = "steer",
              .title = "Counterfactual token generation",
              .paper = "arXiv 2409.17027",
              .sentence = "Samples the same text again with a word changed: the noise of each token is the one that it "
                          "was sampled with, or, for a text from elsewhere, could have been.",
              .params = {{"swap", "", "words of the prompt to replace, FROM>TO;FROM>TO or a JSON file of them"},
                         {"at", -1, "which generated token is replaced, from 0; -1: none", -1, 1e9},
                         {"token", "", "what it is replaced by"},
                         {"noise",
                          "same",
                          "after the edit: the same; fresh (an interventional text); or, from the beginning, by "
                          "position (a uniform number by rank, which is not stable)",
                          -1e300,
                          1e300,
                          {"same", "fresh", "position"}},
                         {"shift", 0, "after the edit token t takes the noise of token t - shift", -1e6, 1e6},
                         {"seed", 0, "of fresh noise", 0, 1e9},
                         {"observed", "",
                          "a text that was observed after the prompt as it was, or a file that holds it"},
                         {"ended", false, "whether the observed text ended there"}},
              .example = "ken generate \"the home city of Ada Lovelace is Turin .\" --temperature 1 --seed 7 --control "
                         "\"counterfactual-tokens:swap=Ada>Grace\"",
              .null_setting = {{"swap", ""}, {"at", -1}, {"noise", "same"}}},
     .open = open}};

}  // namespace
}  // namespace ken::generate::counterfactual_tokens_file
