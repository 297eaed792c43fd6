// CK-PLUG (arXiv 2503.15888): one dial from the passage to memory, turned only at tokens where the passage made the
// model less sure. Two streams, a = logits under passage and question (X_r + X_q), b = under the question (X_q): [V].
//   V_head       tokens of either stream with log p >= min(its 10th log p, its best log p + ln 0.01)
//   H_rag, H_par entropies of softmax(a), softmax(b) over V_head, nats
//   CG = H_par - H_rag                                                        the passage's confidence gain
//   conflict if CG < epsilon + kappa H_rag, else a as it is
//   F = alpha q_par + (1 - alpha) q_cont over V_head, -inf elsewhere,
//       q_par = log p(x | X_q), q_cont = log p(x | X_r + X_q) - log p(x | X_q)
//   adaptive: alpha = H_rag / (H_par + H_rag): the more the passage confuses, the more memory counts.
// The paper's gate is kappa = 0; the released code's, H_par - 2 H_rag < 0, is kappa = 1. Both logs are of V_head alone:
// that shifts each by a constant, which the softmax takes away.
#include "ken/generate/control.h"

namespace ken::generate::ck_plug_file {
namespace {

// Tokens that a stream takes into account: [V] bool.
Tensor head_of(const Tensor& logprobs, int64_t top, double share) {
  const int64_t k = std::min<int64_t>(top, logprobs.numel());
  const Tensor best = std::get<0>(logprobs.topk(k));  // falling
  return logprobs >= at::minimum(best[k - 1], best[0] + std::log(share));
}

// log softmax over the tokens of `head`, -inf elsewhere, and its entropy in nats.
std::pair<Tensor, double> on_head(const Tensor& logits, const Tensor& head) {
  const Tensor q = at::log_softmax(logits.masked_fill(head.logical_not(), -INFINITY), -1);
  const Tensor terms = (q.exp() * q).masked_fill(q.isneginf(), 0);
  return {q, -terms.sum().item<double>()};
}

class CkPlug final : public Control {
 public:
  explicit CkPlug(const Json& p)
      : alpha_(p["alpha"]),
        adaptive_(p["mode"] == "adaptive"),
        epsilon_(p["epsilon"]),
        kappa_(p["kappa"]),
        top_(p["top"]),
        share_(p["share"]) {}

  std::vector<Twin> twins(const Prompt& prompt) override {
    if (prompt.without_context.empty()) fail_usage("ck-plug", "there is no passage to weigh; give a context");
    return {prompt.without_context};
  }

  Tensor combine(Step& step) override {
    const Tensor a = step.logits.to(at::kFloat), b = step.twins[0].to(at::kFloat);
    // What an earlier Control ruled out stays out.
    const Tensor head =
        at::logical_or(head_of(at::log_softmax(a, -1), top_, share_), head_of(at::log_softmax(b, -1), top_, share_))
            .logical_and(a.isneginf().logical_not());
    const auto [q_rag, h_rag] = on_head(a, head);
    const auto [q_par, h_par] = on_head(b, head);
    const double gain = h_par - h_rag;
    const bool conflict = gain < epsilon_ + kappa_ * h_rag;
    const double alpha = !adaptive_ ? alpha_ : h_par + h_rag > 0 ? h_rag / (h_par + h_rag) : 0.5;
    step.notes["conflict"] = conflict;
    step.notes["confidence-gain"] = gain;
    const Tensor mixed = (alpha * q_par + (1 - alpha) * (q_rag - q_par)).masked_fill(head.logical_not(), -INFINITY);
    return conflict ? mixed : step.logits;
  }

 private:
  double alpha_;
  bool adaptive_;
  double epsilon_, kappa_;
  int64_t top_;
  double share_;
};

const Register<ControlEntry> entry{
    {.card = {.id = "ck-plug",
              .family = "steer",
              .title = "CK-PLUG",
              .paper = "arXiv 2503.15888",
              .sentence = "One dial from the passage to memory, turned only at tokens where the passage makes the "
                          "model less sure; or set by the two entropies themselves.",
              .params = {{"alpha", 0.5, "0: the passage, 1: memory; of mode fixed", 0, 1},
                         {"mode",
                          "fixed",
                          "how alpha is set: fixed, or adaptive from the two entropies",
                          -1e300,
                          1e300,
                          {"fixed", "adaptive"}},
                         {"epsilon", 0.0, "a token is in conflict where the confidence gain lies below this, nats",
                          -1e6, 1e6},
                         {"kappa", 0.0, "times the entropy under the passage is added to epsilon (released code: 1)", 0,
                          100},
                         {"top", 10, "tokens of each stream that are always weighed", 1, 1000},
                         {"share", 0.01, "and those with p >= share * max p", 1e-9, 1}},
              .example =
                  "ken ask --control ck-plug:alpha=0 --context-text \"the birthplace of Ada Lovelace is Turin .\" "
                  "\"where was Ada Lovelace born ?\"",
              .null_setting = {{"alpha", 0.0}, {"epsilon", -1e6}}},
     .make = [](const Json& p) -> std::unique_ptr<Control> { return std::make_unique<CkPlug>(p); }}};

}  // namespace
}  // namespace ken::generate::ck_plug_file
