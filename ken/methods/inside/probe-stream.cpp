// A probe at decode time (as Obeso et al., arXiv 2509.03531, stream hallucination probes): the state from which each
// token is chosen is scored by a saved probe, at no extra pass. The scores are notes of the answer, one a token; with a
// threshold the answer ends where the score falls below it. A tap that reads changes nothing.
#include <memory>

#include "ken/base/error.h"
#include "ken/generate/control.h"
#include "ken/readout/probe.h"

namespace ken::generate::probe_stream_file {
namespace {

constexpr const char* null_point = "blocks.0.hook_resid_post";
constexpr double no_threshold = -1e300;

// A file is read once however many rows ask for it.
readout::Probe probe_of(const std::string& file, const std::string& name) {
  if (file.empty()) return {"zero", null_point, "", "", "", {}, 0};
  const auto probes = readout::load_probes(file);
  std::string names;
  for (const auto& probe : probes) {
    if (name.empty() ? probes.size() == 1 : probe.name == name || probe.point == name) return probe;
    if (names.size() < 400) names += (names.empty() ? "" : "; ") + probe.name;
  }
  fail_usage("probe-stream", "{} holds {} probes and none was chosen by probe='{}'; name one of: {}", file,
             probes.size(), name, names);
}

class ProbeStream final : public Control {
 public:
  ProbeStream(readout::Probe probe, double stop_below)
      : probe_(std::make_shared<readout::Probe>(std::move(probe))), stop_below_(stop_below) {}

  std::vector<model::Tap> taps() override {
    return {{probe_->point, [this](const Tensor& x, const model::Site&) {
               read(x.flatten(1));
               return std::optional<Tensor>();
             }}};
  }
  Tensor combine(Step& step) override {
    if (score_) step.notes["probe-stream"] = *score_;
    if (score_ && *score_ < stop_below_) step.finish = true;
    score_.reset();
    return step.logits;
  }

 private:
  void read(const Tensor& x) {
    const Tensor last = x.narrow(0, x.size(0) - 1, 1);
    if (!probe_->weight.defined()) probe_->weight = at::zeros({x.size(1)}, at::kFloat);
    if (x.dim() != 2 || probe_->width() != x.size(1))
      fail("probe-stream", "the probe reads {} numbers, but {} holds {}; it was fitted on another model",
           probe_->width(), probe_->point, x.size(1));
    score_ = probe_->score(last)[0].item<double>();
  }

  std::shared_ptr<readout::Probe> probe_;
  double stop_below_;
  std::optional<double> score_;
};

const Register<ControlEntry> entry{
    {.card = {.id = "probe-stream",
              .family = "inside",
              .title = "Probe at decode time",
              .paper = "arXiv 2509.03531",
              .sentence = "Scores the state behind every token of an answer with a saved probe while it is generated.",
              .params = {{"file", "",
                          "probes as `ken inside probe-map --save-probes` writes them; empty: a probe of 0"},
                         {"probe", "", "the name or point of one of its probes; empty: the only one"},
                         {"stop_below", no_threshold, "end the answer where the log-odds fall below this"}},
              .example = "ken generate --control probe-stream --json \"Q: where was Ada Lovelace born ? A:\"",
              .null_setting = {{"file", ""}}},
     .make = [](const Json& p) -> std::unique_ptr<Control> {
       return std::make_unique<ProbeStream>(probe_of(p["file"], p["probe"]), p["stop_below"].get<double>());
     }}};

}  // namespace
}  // namespace ken::generate::probe_stream_file
