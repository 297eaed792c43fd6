// HSO, hidden-state optimisation (Yoshida and Gimpel, arXiv 2112.08653): before a model answers, what it has cached of
// the prompt is moved by gradient steps, so that the prompt itself becomes likelier. The prompt is read in windows of w
// tokens; for the window x_b .. x_{b+w-1}
//   loss = -sum_{t=b}^{b+w-1} log p(x_t | K + dK, V + dV of the tokens before b),    dK, dV [layers, b, n_kv, d_head]
// and one Adam step moves dK and dV, each position with its own moments. No weight changes; nothing is fitted
// beforehand. The answer is then written behind the moved cache.
// Here keys and values of the whole prompt are computed once more with all shifts in place, where the paper goes on
// with what it had: a later window's states then see the earlier ones where they ended, not where they were.
#include "ken/generate/generate.h"
#include "ken/readout/cache_shift.h"

namespace ken::generate::hso_file {
namespace {

class Hso final : public Control {
 public:
  explicit Hso(const Json& p) : steps_{p["rate"], p["window"], p["steps"]} {}

  void begin(const Setting& setting) override { model_ = &setting.model, compute_ = setting.compute; }
  // The prompt after all Controls that rewrite it.
  std::vector<Twin> twins(const Prompt& prompt) override {
    prompt_ = prompt;
    return {};
  }
  std::vector<model::Tap> taps() override {
    if (!shift_ && !prompt_.text.empty())
      shift_ = std::make_shared<const readout::CacheShift>(
          readout::fit_cache(*model_, prompt_ids(*model_, prompt_.text, prompt_.chat.get()), steps_, compute_));
    return shift_ ? shift_->taps() : std::vector<model::Tap>();
  }
  // Of one prompt the shift is the same.
  void follow(const Control& first) override { shift_ = static_cast<const Hso&>(first).shift_; }
  Tensor combine(Step& step) override {
    if (step.index == 0 && shift_) step.notes["nll-before"] = shift_->before, step.notes["nll-after"] = shift_->after;
    return step.logits;
  }

 private:
  readout::CacheSteps steps_;
  const model::Model* model_ = nullptr;
  nn::Compute compute_ = nn::Compute::f32;
  Prompt prompt_;
  std::shared_ptr<const readout::CacheShift> shift_;
};

const Register<ControlEntry> entry{
    {.card = {.id = "hso",
              .family = "steer",
              .title = "Hidden-state optimisation of the cache (HSO)",
              .paper = "arXiv 2112.08653",
              .sentence =
                  "Moves the keys and values of the prompt by gradient steps that make the prompt likelier, and "
                  "answers behind them; no weight changes.",
              .params = {{"rate", 3e-3, "of Adam on keys and values; 0 changes nothing", 0, 10},
                         {"window", 25, "tokens read before the states behind them move", 1, 100000},
                         {"steps", 1, "a window", 1, 1000}},
              .example = "ken ask --control hso:window=5 \"where was Ada Lovelace born ?\"",
              .null_setting = {{"rate", 0.0}}},
     .make = [](const Json& p) -> std::unique_ptr<Control> { return std::make_unique<Hso>(p); }}};

}  // namespace
}  // namespace ken::generate::hso_file
