// Erasing a concept from states: the smallest affine change after which no linear probe tells its classes apart better
// than a constant (LEACE, Belrose et al., arXiv 2306.03819), or the plain projection off the classes' directions.
#pragma once
#include "ken/model/model.h"
#include "ken/readout/lever.h"

namespace ken::readout {

// h <- h - strength * left right (h - mean): right [r, d], left [d, r], of rank r at most (classes - 1).
struct Erasure {
  std::string point;
  Tensor mean, left, right;

  Tensor erased(const Tensor& h, double strength = 1) const;  // [n, d]
  model::Tap tap(double strength, bool last_row) const;       // holds its own tensors
};
Lever lever_of(const std::vector<Erasure>& erasures, bool last, const std::string& method);
std::vector<Erasure> erasures(const Lever& lever);
// Random directions of the same rank about the same mean, projected off.
Erasure random_erasure(const Erasure& like, uint64_t seed);

// What a mean and a covariance are made of, added up row by row: there may be too many rows to keep.
struct Moments {
  double n = 0;
  Tensor sum, squares;  // [d], [d, d] f64

  void add(const Tensor& rows);  // [n, d]
  Tensor mean() const { return sum / n; }
  // The linear shrinkage estimate of least Frobenius loss (Bodnar et al., arXiv 1308.2608), of the sample covariance S:
  //   alpha S + (1 - alpha) tr(S) / d I,   1 - alpha = (tr S)^2 / (n (|S|_F^2 - (tr S)^2 / d)).
  Tensor covariance() const;
};

enum class ErasureKind { leace, orthogonal };
struct ErasureOptions {
  ErasureKind kind = ErasureKind::leace;
  double tolerance = 0.01;  // singular values of W Sigma_xz up to this are noise; plainly projected: of the largest's
};
// states [n, d], classes from 0 on. With W = Sigma_xx^(-1/2) and P the projector onto the columns of W Sigma_xz:
//   leace: W^+ P W;  orthogonal: the projector onto the columns of Sigma_xz.
// `erased`: all rows that will be erased, the labelled ones among them; without it these states. E x and Sigma_xx are
// theirs, so that the change is smallest over them all. Sigma_xz is the labelled states' own: were the other rows a
// class, or none of the classes, what tells them from the labelled ones would be erased too.
Erasure fit_erasure(const Tensor& states, const std::vector<int>& classes, const ErasureOptions& options = {},
                    const Moments& erased = {});

// Tokens, and the row from which on they count.
struct Rows {
  std::vector<int32_t> tokens;
  size_t first = 0;
};
// Calls `read` with the rows [n, d] f32 of each at a point, after these taps.
void read_rows(const model::Model& model, const std::vector<Rows>& all, const std::string& point,
               std::vector<model::Tap> taps, nn::Compute compute,
               const std::function<void(size_t index, const Tensor& rows)>& read);
// The last states [n, d] of prompts.
Tensor last_states(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                   const std::string& point, const std::vector<model::Tap>& taps, nn::Compute compute);

}  // namespace ken::readout
