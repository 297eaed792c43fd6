// Made-up evidence with the scores that the formulas give, worked out by numpy and scipy (reference.py).
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>

#include "ken/base/read_json.h"
#include "ken/evidence/evidence.h"

namespace ken::test {

inline const Json& reference() {
  static const Json json = [] {
    const char* source = std::getenv("KEN_SOURCE");
    return read_json(fs::path(source ? source : ".") / "tests/methods/confidence/reference.json", size_t{1} << 24,
                     "test");
  }();
  return json;
}

inline evidence::Evidence reference_evidence(size_t i) {
  return evidence::evidence_from_json(reference().at("questions").at(i).at("evidence"));
}

// Every setting of this estimator that the reference holds, on every question, to 1e-6.
inline void expect_reference(const std::string& id) {
  size_t settings = 0;
  for (const Json& question : reference().at("questions")) {
    const auto e = evidence::evidence_from_json(question.at("evidence"));
    for (const auto& [spec, score] : question.at("scores").items()) {
      if (spec != id && !spec.starts_with(id + ":")) continue;
      ++settings;
      const double expected = score.get<double>();
      EXPECT_NEAR(evidence::estimator_from(spec).score(e), expected, 1e-6 * std::max(1.0, std::abs(expected)))
          << spec << " of " << e.question;
    }
  }
  EXPECT_GE(settings, 5u) << id;
}

}  // namespace ken::test
