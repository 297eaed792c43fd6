// Affine maps of single coordinates at several points of the forward pass, z -> omega z + b, which carry the
// activations of some source prompts onto those of some target prompts; the prompts need not be paired (LinEAS, arXiv
// 2503.10679; its closed-form relatives: Linear-AcT, arXiv 2410.23054).
#pragma once
#include "ken/base/progress.h"
#include "ken/model/model.h"
#include "ken/readout/lever.h"

namespace ken::readout {

struct AffineMap {
  std::string point;
  Tensor slope, offset;  // omega, b: [d]
};

// strength s: (1 + s (omega - 1)) z + s b, of all rows or of the last one.
struct AffineMaps {
  std::vector<AffineMap> maps;
  bool last = false;

  model::Tap tap(size_t map, double strength, bool last_row) const;  // these maps must outlive it
};
Lever lever_of(const AffineMaps& maps, const std::string& method);
AffineMaps affine_maps(const Lever& lever);
// Random changes of every coordinate, of the same length as these at each point.
AffineMaps random_maps(const AffineMaps& like, uint64_t seed);

enum class MapKind { joint, mean, gaussian, linear };
MapKind map_kind(const std::string& name);
std::vector<std::string> map_kinds();

struct MapOptions {
  MapKind kind = MapKind::joint;
  std::vector<std::string> points;  // names of single points, in the order of the pass
  bool last = false;                // the last row of each prompt, instead of the mean over its rows
  int64_t steps = 300;              // joint: of Adam, its rate falling to 0 as a cosine
  double rate = 0.01;
  double gamma = 0, l1 = 1, group = 1;  // joint: gamma [l1 (|w - 1|_1 + |b|_1) + group sqrt(d) (|w - 1|_2 + |b|_2)]
  nn::Compute compute = nn::Compute::f32;
};
struct MapFit {
  AffineMaps maps;
  double before = 0, after = 0;  // the loss below, with no map active and with all
};
// joint: all maps at once, by gradients through the frozen model, of least
//   sum_points sum_j 1/N |sort(xi_j) - sort(eta_j)|^2  (squared 1-D Wasserstein distances of the coordinates),
// where eta [N, d] are the target prompts' activations in the plain model and xi the source prompts' after their map,
// with all maps active. The others are closed forms, point after point with the earlier maps active: mean z - mu_s +
// mu_t; gaussian also with the standard deviations' quotient; linear least squares of the sorted pairs.
MapFit fit_maps(const model::Model& model, const std::vector<std::vector<int32_t>>& source,
                const std::vector<std::vector<int32_t>>& target, const MapOptions& options,
                const Progress& progress = {});

// Sorted columns [m, d] as n values each: linear interpolation between quantiles.
Tensor resampled(const Tensor& sorted, int64_t n);

}  // namespace ken::readout
