// Emulated fine-tuning and up-scaling (Mitchell et al., arXiv 2310.12962): what tuning taught a small model, on top of
// what pretraining taught a large one, put together token by token. With L0 the row's model, S0 a small one and S1 its
// tuned copy, all over one vocabulary,
//   log p(y_t) = log p_L0 + beta (log p_S1 - log p_S0) + const,   each [vocab]
// so logits serve as well as log probabilities: the step's constants fall to the normalisation. beta = 1 is up-scaling;
// a small row with a large pair is down-scaling; several deltas add up as several controls. The difference is large
// where both small models find a token unlikely, so `mask` keeps tokens that L0 finds plausible. In the speculative
// form S1 drafts `draft` tokens, and one pass of L0 and one of S0 read them all: the same text, sooner where S1 is
// small and often right. A base model may be far from home in a tuned one's prompts: words in `plain`, such as an
// instruction or the marks of a template, are read by the small pair only.
#include "ken/generate/control.h"
#include "ken/model/shipped.h"

namespace ken::generate::eft_file {
namespace {

using ModelPtr = std::shared_ptr<const model::Model>;

class Eft final : public Control {
 public:
  Eft(ModelPtr base, ModelPtr tuned, std::vector<std::string> plain, double beta, double mask, int64_t draft)
      : base_(std::move(base)),
        tuned_(std::move(tuned)),
        plain_(std::move(plain)),
        beta_(beta),
        mask_(mask),
        draft_(draft) {}

  void rewrite(Prompt& prompt) override {
    whole_ = prompt.text;
    for (const auto& words : plain_)
      for (size_t at = prompt.text.find(words); at != std::string::npos; at = prompt.text.find(words, at))
        prompt.text.erase(at, words.size());
    if (prompt.text == whole_) return;
    prompt.text.erase(0, prompt.text.find_first_not_of(' '));
    prompt.text.erase(prompt.text.find_last_not_of(' ') + 1);
  }

  std::vector<Twin> twins(const Prompt& prompt) override {
    const std::string& text = plain_.empty() ? prompt.text : whole_;
    return {{text, tuned_}, {text, base_}};
  }

  Draft draft() const override { return {0, draft_}; }

  Tensor combine(Step& step) override {
    const Tensor large = step.logits;                                // [vocab]
    Tensor mixed = large + beta_ * (step.twins[0] - step.twins[1]);  // beta 0: exactly the large one's
    if (mask_ > 0 && beta_ != 0) mixed = mixed.masked_fill(large < large.max() + std::log(mask_), -INFINITY);
    step.notes["eft changed"] = double(mixed.argmax().item<int64_t>() != large.argmax().item<int64_t>());
    if (draft_ > 0) step.notes["eft ahead"] = double(step.ahead);
    return mixed;
  }

 private:
  ModelPtr base_, tuned_;
  std::vector<std::string> plain_;
  std::string whole_;  // the prompt with what is plain_
  double beta_, mask_;
  int64_t draft_;
};

ModelPtr opened(const std::string& name) { return name.empty() ? nullptr : model::load(model::model_path(name)); }

MakeControl open(const Json& p) {
  const std::string base = p["base"], tuned = p["tuned"];
  if (base.empty() != tuned.empty())
    fail_usage("eft", "a pair is needed, and only '{}' is given; give base=FILE and tuned=FILE", base + tuned);
  std::vector<std::string> plain;
  for (std::string rest = p["plain"]; !rest.empty();) {
    const size_t end = std::min(rest.find(';'), rest.size());
    if (end > 0) plain.push_back(rest.substr(0, end));
    rest.erase(0, end + 1);
  }
  return [plain, base = opened(base), tuned = opened(tuned), beta = p["beta"].get<double>(),
          mask = p["mask"].get<double>(),
          draft = p["draft"].get<int64_t>()] { return std::make_unique<Eft>(base, tuned, plain, beta, mask, draft); };
}

const Register<ControlEntry> entry{
    {.card = {.id = "eft",
              .family = "steer",
              .title = "Emulated fine-tuning (up-scaling)",
              .paper = "arXiv 2310.12962",
              .sentence = "Adds what tuning changed in a small model to a large model's next-token logits.",
              .params = {{"base", "", "the small model before its tuning; without a pair, the row's own model twice"},
                         {"tuned", "", "the small model after it, over the same vocabulary"},
                         {"plain", "", "words of the prompt, A;B;C, that only the small pair reads"},
                         {"beta", 1.0, "how much of the difference is added; negative takes it away", -20, 20},
                         {"mask", 0.0, "keep tokens with p >= mask * max p of the row's model; 0 keeps all", 0, 1},
                         {"draft", 0, "tokens that the tuned small model guesses ahead for one pass of the others", 0,
                          64}},
              .example = "ken generate \"answer in a sentence Q: where was Ada Lovelace born ? A:\" --control "
                         "eft:base=small.gguf,tuned=small-tuned.gguf",
              .null_setting = {{"beta", 0.0}}},
     .open = open}};

}  // namespace
}  // namespace ken::generate::eft_file
