// A probe as an estimator (Azaria and Mitchell, arXiv 2304.13734): the log-odds that a saved probe (`ken inside
// probe-map
// --save-probes`) reads from the state of the prompt's last token, from which the answer is about to be said (place
// "answer"), or from that of the answer's own last token (place "answer end").
#include <mutex>

#include "ken/evidence/evidence.h"
#include "ken/readout/probe.h"

namespace ken::evidence::probe_file {
namespace {

// Read once a process: a score is asked for thousands of times.
const readout::Probe& probe_of(const Json& params) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::string>, readout::Probe> probes;
  const std::string file = params.at("file"), name = params.at("name");
  const std::scoped_lock lock(mutex);
  const auto known = probes.find({file, name});
  if (known != probes.end()) return known->second;
  if (file.empty())
    fail_usage("probe",
               "give the probes' file: probe:file=probes.safetensors (ken inside probe-map --save-probes FILE)");
  std::string names;
  for (auto& probe : readout::load_probes(file)) {
    names += (names.empty() ? "" : ", ") + probe.name;
    if (name.empty() || probe.name == name)
      return probes.emplace(std::pair{file, name}, std::move(probe)).first->second;
  }
  fail_usage("probe", "{} holds no probe '{}'; it holds {}", file, name, names);
}

std::string state_of(const readout::Probe& probe) {
  if (probe.place == "answer") return "prompt " + probe.point;
  if (probe.place == "answer end") return "answer " + probe.point;
  fail_usage("probe", "'{}' reads the {}, which stands inside of a question; take a probe of the place 'answer'",
             probe.name, probe.place);
}

double score(const View& view, const Json& params) {
  const readout::Probe& probe = probe_of(params);
  const auto& state = view.states(state_of(probe));
  if (int64_t(state.size()) != probe.width())
    fail("probe", "'{}' reads {} numbers and the state has {}; it belongs to another model", probe.name, probe.width(),
         state.size());
  return probe.score(at::tensor(at::ArrayRef<float>(state)).unsqueeze(0)).item<double>();
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "probe",
              .family = "confidence",
              .title = "Probe",
              .paper = "arXiv 2304.13734",
              .sentence = "The log-odds of being right that a saved probe reads from the hidden state.",
              .params = {{"file", "", "safetensors file of ken inside probe-map --save-probes"},
                         {"name", "", "which of its probes; empty: the first"}},
              .example = "ken methods probe",
              .direction = "higher is surer",
              .needs = {"probe"}},
     .needs = [](const Json& p) { return Needs{.greedy = true, .states = {state_of(probe_of(p))}}; },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::probe_file
