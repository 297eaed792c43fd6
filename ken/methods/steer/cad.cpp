// Context-aware decoding (Shi et al., arXiv 2305.14739): amplify what the passage adds.
//   p(y_t) = softmax[(1 + alpha) logit(y | c, x, y_<t) - alpha logit(y | x, y_<t)]
// alpha > 0 favours the passage, 0 is plain, -1 is the model's memory alone. The second stream reads the same question
// without the passage and has its own positions and cache.
#include "ken/generate/control.h"

namespace ken::generate::cad_file {
namespace {

class Cad final : public Control {
 public:
  Cad(double alpha, double mask) : alpha_(alpha), mask_(mask) {}

  std::vector<Twin> twins(const Prompt& prompt) override {
    if (prompt.without_context.empty()) fail_usage("cad", "there is no passage to compare with; give a context");
    return {prompt.without_context};
  }

  Tensor combine(Step& step) override {
    const Tensor a = step.logits, b = step.twins[0];  // [vocab]: with and without the passage
    Tensor mixed = (1 + alpha_) * a - alpha_ * b;     // alpha 0: exactly a
    // Plausibility: a token that the passage stream finds hopeless must not win by the difference alone.
    if (mask_ > 0 && alpha_ > 0) mixed = mixed.masked_fill(a < a.max() + std::log(mask_), -INFINITY);
    return mixed;
  }

 private:
  double alpha_, mask_;
};

const Register<ControlEntry> entry{
    {.card = {.id = "cad",
              .family = "steer",
              .title = "Context-aware decoding (CAD)",
              .paper = "arXiv 2305.14739",
              .sentence = "Decodes with and without the passage and amplifies the difference, towards the passage or "
                          "towards memory.",
              .params = {{"alpha", 1.0, "strength; > 0 towards the passage, < 0 towards memory, -1 is memory alone", -1,
                          20},
                         {"mask", 0.0,
                          "with alpha > 0, keep tokens with p >= mask * max p under the passage; 0 keeps all", 0, 1}},
              .example = "ken ask --control cad:alpha=1 --context-text \"the birthplace of Ada Lovelace is Turin .\" "
                         "\"where was Ada Lovelace born ?\"",
              .null_setting = {{"alpha", 0.0}}},
     .make = [](const Json& p) -> std::unique_ptr<Control> { return std::make_unique<Cad>(p["alpha"], p["mask"]); }}};

}  // namespace
}  // namespace ken::generate::cad_file
