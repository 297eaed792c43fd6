// q(a | x_1..t): how likely a text that goes on after this prefix will have an attribute (end in time, repeat nothing).
// Read from the state before a candidate token and the candidate's embedding, so that no candidate is run through the
// model: what search over continuations is steered by (arXiv 2311.08817).
#pragma once
#include "ken/base/progress.h"
#include "ken/model/model.h"
#include "ken/readout/lever.h"
#include "ken/readout/probe.h"

namespace ken::readout {

// A text that a model wrote behind a prompt, and whether it has the attribute.
struct LabelledContinuation {
  std::vector<int32_t> prompt, continuation;  // the continuation with the token that ended it, if one did
  bool has = false;
  std::string group;  // never on both sides of a split
};

struct PrefixClassifier {
  std::string point;         // of the state
  int64_t length = 1;        // tokens that a continuation has at most: what the time left is seen by
  Probe probe;               // over [state, embedding, t / length]
  std::vector<double> heat;  // by position, in equal parts of the length: log-odds are divided by it

  // log q [n] of these tokens behind a state [d] that has `index` tokens of the continuation before it.
  Tensor log_likely(const model::Model& model, const Tensor& state, int64_t index, const Tensor& tokens) const;
};

struct PrefixFit {
  PrefixClassifier classifier;
  Json table;  // held-out AUROC by part of the length, share of texts with the attribute
};
PrefixFit fit_prefix_classifier(const model::Model& model, std::vector<LabelledContinuation> texts,
                                const std::string& point, int64_t length, uint64_t seed, nn::Compute compute,
                                const Progress& progress = {});

Lever lever_of(const PrefixClassifier& classifier, const std::string& method);
PrefixClassifier prefix_classifier(const Lever& lever);
void check(const PrefixClassifier& classifier, const model::Model& model);  // an Error where it is another model's

}  // namespace ken::readout
