// VISTA (arXiv 2502.03628) for text: the evidence is a passage instead of an image. What the passage did to the last
// token of the prompt is added again while the answer is written, and tokens that show early are made likelier.
//   v_l = h+_l - h-_l [d]: the stream after block l at the prompt's last token, with and without the passage
//   at each MLP's output a [n, d], every token:  a <- |a| normalize(a / |a| + lambda k v_l / |v_l|),
//       k = 1 + max(0, cos(a, -v_l)): the norm stays, and what points away from the evidence is pushed harder
//   logits <- (1 - gamma) logits + gamma mean over l of unembed(norm(h_l)), l from a window of late layers
// The push also reaches the prompt, so v is computed before it, by a pass of its own over both prompts. The published
// code hands some states to the unembedding without the final norm; here all of them pass it. With random=1 a random
// direction stands in for each v_l: the control that the evidence is held against.
#include "ken/base/rng.h"
#include "ken/generate/generate.h"
#include "ken/model/partial.h"
#include "ken/readout/last_rows.h"
#include "ken/readout/lens.h"

namespace ken::generate::vista_file {
namespace {

Tensor unit(const Tensor& x) { return x / x.norm(2, -1, true).clamp_min(1e-12); }

// a [n, d] turned towards the unit vector v [d], its norm kept. The part without a push is taken away again, so that a
// strength of 0 leaves every bit.
Tensor turned(const Tensor& a, const Tensor& v, double strength) {
  const Tensor size = a.norm(2, -1, true), direction = unit(a);
  const Tensor k = 1 + (-direction.matmul(v)).clamp_min(0).unsqueeze(-1);  // [n, 1]
  return a + (size * unit(direction + strength * k * v) - size * unit(direction));
}

class Vista final : public Control {
 public:
  explicit Vista(const Json& p)
      : lambda_(p["lambda"]),
        gamma_(p["gamma"]),
        from_(p["from"]),
        to_(p["to"]),
        random_(p["random"]),
        seed_(p["seed"]) {}

  void begin(const Setting& setting) override {
    setting_.emplace(setting);
    const int64_t n = setting.model.config.n_layers;
    std::vector<std::string> points;
    for (int64_t l = 0; l < n; ++l) points.push_back(model::point_name(model::Point::resid_post, l));
    rows_.emplace(std::move(points));
    first_ = std::clamp<int64_t>(std::llround(from_ * double(n)), 1, n) - 1;
    last_ = std::clamp<int64_t>(int64_t(to_ * double(n)), first_ + 1, n) - 1;
  }

  std::vector<Twin> twins(const Prompt& prompt) override {
    if (prompt.without_context.empty()) fail_usage("vista", "there is no passage to reinforce; give a context");
    prompt_ = {prompt.text, prompt.without_context, prompt.chat};
    return {};
  }
  void follow(const Control& first) override {
    const auto& other = dynamic_cast<const Vista&>(first);
    v_ = other.v_;
    rows_->follow(*other.rows_);
  }

  std::vector<model::Tap> taps() override {
    if (!v_.defined()) v_ = directions();
    std::vector<model::Tap> taps = rows_->taps();
    taps.push_back({"blocks.*.hook_mlp_out", [this](const Tensor& x, const model::Site& site) {
                      const Tensor v = v_[site.layer].to(x.device());
                      return std::optional(turned(x.to(at::kFloat), v, lambda_).to(x.scalar_type()));
                    }});
    return taps;
  }

  Tensor combine(Step& step) override {
    const Tensor states = rows_->at(step.index);  // [layers, d]
    step.notes["passage-cosine"] = at::cosine_similarity(states, v_.to(states.device()), 1).mean().item<double>();
    const Tensor early =
        model::read_out(setting_->model, states.narrow(0, first_, last_ - first_ + 1), setting_->compute);
    return (1 - gamma_) * step.logits + gamma_ * early.mean(0).to(step.logits.device(), at::kFloat);
  }

 private:
  // Unit vectors [layers, d].
  Tensor directions() const {
    const at::NoGradGuard no_gradients;
    const auto tokens = [&](const std::string& text) { return prompt_ids(setting_->model, text, prompt_.chat.get()); };
    const Tensor states = readout::last_states(setting_->model, {tokens(prompt_.text), tokens(prompt_.without_context)},
                                               setting_->compute);  // [2, layers + 1, d]
    Tensor v = (states[0] - states[1]).narrow(0, 1, setting_->model.config.n_layers);
    if (random_) {
      Rng rng{uint64_t(seed_)};
      v = at::empty_like(v);
      for (int64_t i = 0; i < v.numel(); ++i) v.data_ptr<float>()[i] = float(rng.normal());
    }
    return unit(v);
  }

  double lambda_, gamma_, from_, to_;
  bool random_;
  int64_t seed_, first_ = 0, last_ = 0;  // rows of the window, by the block that they leave
  std::optional<Setting> setting_;
  Prompt prompt_;
  Tensor v_;
  std::optional<readout::LastRows> rows_;
};

const Register<ControlEntry> entry{
    {.card = {.id = "vista",
              .family = "steer",
              .title = "VISTA for passages",
              .paper = "arXiv 2502.03628",
              .sentence =
                  "Adds what the passage did to the prompt's last token to every later state, and mixes in what "
                  "late layers would say.",
              .params = {{"lambda", 0.1, "strength of the push at each MLP's output", 0, 100},
                         {"gamma", 0.3, "weight of the late layers' logits", 0, 1},
                         {"from", 0.78, "the window of late layers begins here, as a share of the depth", 0, 1},
                         {"to", 0.94, "and ends here", 0, 1},
                         {"random", false, "push along random directions instead, as a control"},
                         {"seed", 0, "of those directions", 0, 1e9}},
              .example =
                  "ken ask --control vista:lambda=0.2 --context-text \"the birthplace of Ada Lovelace is Turin .\" "
                  "\"where was Ada Lovelace born ?\"",
              .null_setting = {{"lambda", 0.0}, {"gamma", 0.0}}},
     .make = [](const Json& p) -> std::unique_ptr<Control> { return std::make_unique<Vista>(p); }}};

}  // namespace
}  // namespace ken::generate::vista_file
