// Directions that decide between memory and passage, fitted on instructed cases: one exchanged between the two
// instructed runs (arXiv 2411.07404), or two exchanged into the undirected run (arXiv 2511.01706). Shared by what reads
// the coordinates and what sets them.
#pragma once
#include "ken/evidence/instructed.h"
#include "ken/readout/subspace.h"

namespace ken::evidence {

using at::Tensor;

enum class Part { test, validation, train };  // two, one and two fifths of the groups

struct SourceFitOptions {
  double depth = 0;  // the layer as a share of the depth; 0: of four the one of least loss on the validation part
  double confidence = 0.5;  // least probability of the first token of both instructed answers
  int64_t epochs = 4, batch = 32;
  double rate = 0.02;
};

struct SourceFit {
  readout::Subspace subspace;
  Json tried = Json::array();  // {layer, train_loss, validation_loss}
};

class SourceAxes {
 public:
  // Asks and reads everything once. An Error where too few items are answered surely and differently.
  SourceAxes(const readout::AnalysisInput& input, const Instructions& instructions, const SourceFitOptions& options,
             size_t max_items);
  const readout::AnalysisInput& input;
  std::vector<Instructed> items;

  SourceFit fit(int64_t rank) const;  // 1 or 2: coordinate 0 takes memory, coordinate 1 the passage
  // How often an exchange gives the source's answer, and how often the answer of the other instruction remains: test
  // items whose two answers begin with different tokens.
  Json interchange(const readout::Subspace& subspace) const;
  // Names the two axes by the means of the instructed runs, as published, where each peaks on another axis; else by
  // what each was fitted to take. Coordinates are turned so that each mean is positive on its own axis.
  Json name_axes(readout::Subspace& plane) const;
  void turn_axis(readout::Subspace& axis) const;  // memory is the positive side of the one axis

  std::vector<size_t> of(Part part) const;
  std::string group(size_t item) const;
  Tensor states(int64_t layer, Mode mode, const std::vector<size_t>& which) const;  // last ones, [n, d_model]
  // Mean last states of the training part's runs that were told to use memory, and the passage: [2, d_model].
  Tensor instructed_means(int64_t layer) const;

 private:
  std::vector<readout::Swap> swaps(Part part, bool two_axes, bool unequal_only) const;
  SourceFitOptions options_;
  std::vector<Part> parts_;
  std::vector<int64_t> layers_;
  std::unique_ptr<readout::Interchanges> data_;
};

}  // namespace ken::evidence
