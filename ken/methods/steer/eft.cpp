// Emulated fine-tuning and up-scaling (Mitchell et al., arXiv 2310.12962): what tuning taught a small model, on top of
// what pretraining taught a large one, put together token by token. With L0 the row's model, S0 a small one and S1 its
// tuned copy, all over one vocabulary,
//   log p(y_t) = log p_L0 + beta (log p_S1 - log p_S0) + const,   each [vocab]
// so logits serve as well as log probabilities: the step's constants fall to the normalisation. beta = 1 is up-scaling;
// a small row with a large pair is down-scaling; several deltas add up as several controls. The difference is large
// where both small models find a token unlikely, so `mask` keeps tokens that L0 finds plausible. The speculative form
// (the small tuned model drafts, one large pass verifies) gives the same distribution faster, and is not here: the loop
// takes one token a step.
#include "ken/generate/control.h"
#include "ken/model/shipped.h"

namespace ken::generate {
namespace {

using ModelPtr = std::shared_ptr<const model::Model>;

class Eft final : public Control {
 public:
  Eft(ModelPtr base, ModelPtr tuned, double beta, double mask)
      : base_(std::move(base)), tuned_(std::move(tuned)), beta_(beta), mask_(mask) {}

  std::vector<Twin> twins(const Prompt& prompt) override { return {{prompt.text, tuned_}, {prompt.text, base_}}; }

  Tensor combine(Step& step) override {
    const Tensor large = step.logits;                                // [vocab]
    Tensor mixed = large + beta_ * (step.twins[0] - step.twins[1]);  // beta 0: exactly the large one's
    if (mask_ > 0 && beta_ != 0) mixed = mixed.masked_fill(large < large.max() + std::log(mask_), -INFINITY);
    step.notes["eft changed"] = double(mixed.argmax().item<int64_t>() != large.argmax().item<int64_t>());
    return mixed;
  }

 private:
  ModelPtr base_, tuned_;
  double beta_, mask_;
};

ModelPtr opened(const std::string& name) { return name.empty() ? nullptr : model::load(model::model_path(name)); }

MakeControl open(const Json& p) {
  const std::string base = p["base"], tuned = p["tuned"];
  if (base.empty() != tuned.empty())
    fail_usage("eft", "a pair is needed, and only '{}' is given; give base=FILE and tuned=FILE", base + tuned);
  return [base = opened(base), tuned = opened(tuned), beta = p["beta"].get<double>(), mask = p["mask"].get<double>()] {
    return std::make_unique<Eft>(base, tuned, beta, mask);
  };
}

const Register<ControlEntry> entry{
    {.card = {.id = "eft",
              .family = "steer",
              .title = "Emulated fine-tuning (up-scaling)",
              .paper = "arXiv 2310.12962",
              .sentence = "Adds what tuning changed in a small model to a large model's next-token logits.",
              .params = {{"base", "", "the small model before its tuning; without a pair, the row's own model twice"},
                         {"tuned", "", "the small model after it, over the same vocabulary"},
                         {"beta", 1.0, "how much of the difference is added; negative takes it away", -20, 20},
                         {"mask", 0.0, "keep tokens with p >= mask * max p of the row's model; 0 keeps all", 0, 1}},
              .example = "ken generate \"answer in a sentence Q: where was Ada Lovelace born ? A:\" --control "
                         "eft:base=small.gguf,tuned=small-tuned.gguf",
              .null_setting = {{"beta", 0.0}}},
     .open = open}};

}  // namespace
}  // namespace ken::generate
