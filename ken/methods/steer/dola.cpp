// DoLa (arXiv 2309.03883): what later layers add to an earlier one is what the model knows, not what merely sounds
// right. At every step, q_l = softmax(unembed(norm(h_l))) [V] for candidate layers l, q_N the model's own:
//   M = argmax over l of JSD(q_N || q_l)                                         the premature layer
//   score(x) = log q_N(x) - strength log q_M(x) where q_N(x) >= mask max q_N, else -inf        (the paper: 1, 0.1)
// Candidates are every second layer of the lower or the upper half; h_l is the stream that enters block l, 0 being the
// embedding. A model whose output matrix is its embedding starts at 2, since its embedding only says the last word
// again. The paper divides the scores of tokens that stand in the text by a penalty of 1.2 against repetition; here it
// counts the answer's tokens only.
#include <set>

#include "ken/generate/control.h"
#include "ken/model/partial.h"
#include "ken/readout/last_rows.h"

namespace ken::generate::dola_file {
namespace {

// As the published code chooses them: 20 layers of a half at most.
std::vector<int64_t> candidates(const model::Config& config, bool low) {
  const int64_t n = config.n_layers, begin = config.tied ? 2 : 0;
  const int64_t middle = n <= 40 ? n / 2 : low ? 20 : n - 20;
  std::vector<int64_t> layers;
  for (int64_t l = low ? begin : middle; l < (low ? middle : n); l += 2) layers.push_back(l);
  if (layers.empty()) layers.push_back(n / 2);  // a model of few layers
  return layers;
}

// JSD(p || q_l) of each row of q [n, V], nats; logs are of -inf where there is no chance.
Tensor divergences(const Tensor& log_p, const Tensor& log_q) {
  const Tensor p = log_p.exp(), q = log_q.exp(), log_m = ((p + q) / 2).log();
  const Tensor left = (p * (log_p - log_m)).masked_fill(p == 0, 0),
               right = (q * (log_q - log_m)).masked_fill(q == 0, 0);
  return (left + right).sum(-1) / 2;
}

class Dola final : public Control {
 public:
  explicit Dola(const Json& p)
      : low_(p["layers"] == "low"), strength_(p["strength"]), mask_(p["mask"]), repetition_(p["repetition"]) {}

  void begin(const Setting& setting) override {
    setting_.emplace(setting);
    layers_ = candidates(setting.model.config, low_);
    std::vector<std::string> points;
    for (const int64_t l : layers_) points.push_back(model::point_name(model::Point::resid_pre, l));
    rows_.emplace(std::move(points));
  }
  std::vector<model::Tap> taps() override { return rows_->taps(); }
  void follow(const Control& first) override { rows_->follow(*dynamic_cast<const Dola&>(first).rows_); }

  Tensor combine(Step& step) override {
    const Tensor early = model::read_out(setting_->model, rows_->at(step.index), setting_->compute);  // [layers, V]
    const Tensor log_n = at::log_softmax(step.logits, -1),
                 log_l = at::log_softmax(early.to(step.logits.device(), at::kFloat), -1);
    const Tensor jsd = divergences(log_n, log_l);
    const int64_t chosen = jsd.argmax().item<int64_t>();
    step.notes["premature-layer"] = double(layers_[size_t(chosen)]);
    step.notes["layer-divergence"] = jsd[chosen].item<double>();
    Tensor scores = step.logits - strength_ * log_l[chosen];  // the constant between logits and log q_N cancels
    if (strength_ > 0 && mask_ > 0) scores = scores.masked_fill(log_n < log_n.max() + std::log(mask_), -INFINITY);
    return repetition_ > 1 ? penalised(at::log_softmax(scores, -1), step) : scores;
  }

 private:
  // Log scores are negative, so that a penalty multiplies them.
  Tensor penalised(Tensor scores, const Step& step) const {
    for (const int32_t token : std::set<int32_t>(step.chosen->begin(), step.chosen->end()))
      scores[token] *= repetition_;
    return scores;
  }

  bool low_;
  double strength_, mask_, repetition_;
  std::optional<Setting> setting_;
  std::vector<int64_t> layers_;
  std::optional<readout::LastRows> rows_;
};

const Register<ControlEntry> entry{
    {.card = {.id = "dola",
              .family = "steer",
              .title = "DoLa: decoding by contrasting layers",
              .paper = "arXiv 2309.03883",
              .sentence =
                  "Contrasts the model's distribution with that of the earlier layer that differs most from it, "
                  "token by token.",
              .params = {{"layers",
                          "high",
                          "which half the candidates come from, every second layer",
                          -1e300,
                          1e300,
                          {"low", "high"}},
                         {"strength", 1.0, "of the earlier layer's log-probability that is subtracted", 0, 10},
                         {"mask", 0.1, "keep tokens with p >= mask * max p of the last layer", 0, 1},
                         {"repetition", 1.0, "penalty of tokens that the answer holds already (the paper: 1.2)", 1,
                          10}},
              .example = "ken ask --control dola:layers=low \"where was Ada Lovelace born ?\"",
              .null_setting = {{"strength", 0.0}}},
     .make = [](const Json& p) -> std::unique_ptr<Control> { return std::make_unique<Dola>(p); }}};

}  // namespace
}  // namespace ken::generate::dola_file
