// Steering by a feature of a sparse autoencoder: h' = h + strength d_j, or, to set what the feature holds to a value v
// (Templeton et al. 2024, "Scaling Monosemanticity"), h' = h + (v - z_j) d_j with z = encode(h).
//   h [n, d_model], d_j = W_dec[j] [d_model].
// Always a difference to the stream itself, never its reconstruction: the error h - decode(encode(h)) stays in the
// stream, and the decoder's bias cancels (SpARE, arXiv 2410.15999, does the same with many features). Without a
// dictionary the direction is a random one of length 1: the control that a feature is held against.
#include "ken/base/rng.h"
#include "ken/generate/control.h"
#include "ken/readout/sae.h"

namespace ken::generate::sae_feature_file {
namespace {

constexpr const char* first_point = "blocks.0.hook_resid_post";

Tensor random_direction(int64_t d, uint64_t seed) {
  Rng rng(seed);
  Tensor direction = at::empty({d}, at::kFloat);
  for (int64_t i = 0; i < d; ++i) direction.data_ptr<float>()[i] = float(rng.normal());
  return direction / direction.norm();
}

class SaeFeature final : public Control {
 public:
  explicit SaeFeature(const Json& p)
      : feature_(p["feature"]), strength_(p["strength"]), value_(p["value"]), where_(p["where"]), point_(p["point"]) {
    if (const std::string path = p["sae"]; !path.empty()) {
      sae_ = std::make_shared<const readout::Sae>(readout::load_sae(path));
      if (feature_ >= sae_->features())
        fail_usage("sae-feature", "there is no feature {}; {} has 0 to {}", feature_, path, sae_->features() - 1);
      if (point_.empty()) point_ = sae_->point;
      if (point_.empty()) fail_usage("sae-feature", "{} does not say which point it reads; give point=", path);
    } else if (value_ >= 0) {
      fail_usage("sae-feature", "a value can be set for a dictionary's feature only; give sae=FOLDER");
    }
    if (point_.empty()) point_ = first_point;
  }

  std::vector<model::Tap> taps() override {
    return {{point_, [this](const Tensor& x, const model::Site& site) { return steered(x, site); }}};
  }

 private:
  std::optional<Tensor> steered(const Tensor& x, const model::Site& site) const {
    const int64_t n = x.size(0), first = where_ == "last" || where_ == "answer" ? n - 1 : 0;
    if (site.phase == model::Phase::decode && (where_ == "prompt" || where_ == "last")) return std::nullopt;
    if (x.dim() != 2) fail_usage("sae-feature", "{} does not hold one row a token", point_);
    const Tensor h = x.narrow(0, first, n - first).to(at::kFloat);  // [rows, d]
    const Tensor d = sae_ ? sae_->w_dec[feature_].to(x.device()) : random_direction(x.size(1), uint64_t(feature_));
    Tensor amount = at::full({n - first, 1}, strength_, h.options());  // of d, row by row
    if (value_ >= 0) amount = amount + value_ - sae_->encode(h).narrow(1, feature_, 1);
    Tensor y = x.clone();
    y.narrow(0, first, n - first).copy_(h + amount * d);
    return y;
  }

  int64_t feature_;
  double strength_, value_;
  std::string where_, point_;
  std::shared_ptr<const readout::Sae> sae_;
};

const Register<ControlEntry> entry{
    {.card = {.id = "sae-feature",
              .family = "steer",
              .title = "Steering by a feature of a sparse autoencoder",
              .paper = "Templeton et al. 2024, Scaling Monosemanticity; arXiv 2410.15999",
              .sentence = "Adds a dictionary's direction to the stream, or sets a feature to a value, and keeps what "
                          "the dictionary cannot explain.",
              .params = {{"sae", "", "folder or .npz of the dictionary; empty: a random direction, as a control"},
                         {"feature", 0, "which one (of a random direction: its seed)", 0, 1e9},
                         {"strength", 1.0, "how much of the direction is added, in units of the stream", -1e6, 1e6},
                         {"value", -1.0, "set the feature to this value, then add `strength`; negative: leave it", -1,
                          1e6},
                         {"where",
                          "all",
                          "rows: all, the prompt's, its last, or those that decide the answer",
                          -1e300,
                          1e300,
                          {"all", "prompt", "last", "answer"}},
                         {"point", "", "another point than the dictionary's own"}},
              .example = "ken ask \"where was Ada Lovelace born ?\" --control sae-feature:feature=3,strength=4",
              .null_setting = {{"strength", 0.0}}},
     .make = [](const Json& p) -> std::unique_ptr<Control> { return std::make_unique<SaeFeature>(p); }}};

}  // namespace
}  // namespace ken::generate::sae_feature_file
