#include "ken/readout/last_rows.h"

#include "ken/base/error.h"

namespace ken::readout {

std::vector<model::Tap> LastRows::taps() {
  std::vector<model::Tap> taps;
  for (size_t i = 0; i < points_.size(); ++i)
    taps.push_back({points_[i], [this, i](const Tensor& x, const model::Site& site) {
                      const int64_t position = site.positions.back();
                      if (first_ < 0) first_ = position;
                      // What lies far back is never asked for again.
                      while (!kept_.empty() && kept_.begin()->first < position - 64) kept_.erase(kept_.begin());
                      auto& rows = kept_[position];
                      rows.resize(points_.size());
                      rows[i] = x[x.size(0) - 1].flatten().to(at::kFloat).clone();
                      return std::optional<Tensor>();
                    }});
  return taps;
}

Tensor LastRows::at(int64_t index) const {
  const auto found = kept_.find(first_ + index);
  if (found == kept_.end()) fail("generate", "no state was kept of the token before step {}", index);
  return at::stack(found->second);
}

}  // namespace ken::readout
