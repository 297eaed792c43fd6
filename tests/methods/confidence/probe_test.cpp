#include "ken/readout/probe.h"

#include "tests/fixtures.h"
#include "tests/methods/confidence/reference.h"

namespace ken::evidence::probe_test_file {
namespace {

TEST(ProbeEstimatorTest, reads_the_state_where_the_probe_was_fitted) {
  const auto file = test::scratch("probe-estimator") / "probes.safetensors";
  readout::Probe answer{"right", "blocks.1.hook_resid_post", "answer", "correct", "", at::tensor({1.0f, -2.0f}), 0.5};
  readout::Probe last = answer;
  last.name = "late", last.place = "answer end", last.bias = 0;
  readout::save({answer, last}, file);
  Evidence e;
  e.states["prompt blocks.1.hook_resid_post"] = {3, 1};
  e.states["answer blocks.1.hook_resid_post"] = {0, 1};
  EXPECT_NEAR(estimator_from("probe:file=" + file.string()).score(e), 1.5, 1e-6);
  EXPECT_NEAR(estimator_from("probe:name=late,file=" + file.string()).score(e), -2, 1e-6);
  EXPECT_THROW(estimator_from("probe:name=other,file=" + file.string()).score(e), UsageError);
  EXPECT_THROW(estimator_from("probe").score(e), UsageError);
  e.states["prompt blocks.1.hook_resid_post"] = {3, 1, 2};
  EXPECT_THROW(estimator_from("probe:file=" + file.string()).score(e), Error);
}

}  // namespace
}  // namespace ken::evidence::probe_test_file
