#include "ken/readout/shift.h"

#include "ken/base/rng.h"

namespace ken::readout {
namespace {

class Shifter final : public generate::Control {
 public:
  explicit Shifter(std::shared_ptr<const std::vector<Shift>> shifts) : shifts_(std::move(shifts)) {}
  std::vector<model::Tap> taps() override {
    std::vector<model::Tap> taps;
    for (const Shift& shift : *shifts_)
      taps.push_back({shift.point, [&shift](const Tensor& x, const model::Site&) -> std::optional<Tensor> {
                        const int64_t last = x.size(0) - 1;
                        if (shift.flag && shift.flag->score(x[last]).item<double>() <= 0) return {};
                        Tensor moved = x.clone();
                        moved[last] += shift.offset.to(x.options());
                        return moved;
                      }});
    return taps;
  }

 private:
  std::shared_ptr<const std::vector<Shift>> shifts_;  // outlives the taps: a row keeps its control
};

}  // namespace

generate::ControlSpec shift_control(std::vector<Shift> shifts) {
  const auto shared = std::make_shared<const std::vector<Shift>>(std::move(shifts));
  return {.own = [shared] { return std::make_unique<Shifter>(shared); }};
}

Tensor random_direction(int64_t d, uint64_t seed) {
  Rng rng(seed, 7);
  Tensor noise = at::empty({d}, at::kDouble);
  for (int64_t i = 0; i < d; ++i) noise.data_ptr<double>()[i] = rng.normal();
  return noise;
}

std::vector<Shift> in_random_directions(std::vector<Shift> shifts, uint64_t seed) {
  for (size_t i = 0; i < shifts.size(); ++i) {
    const Tensor noise = random_direction(shifts[i].offset.numel(), seed + i).to(at::kFloat);
    shifts[i].offset = noise * (shifts[i].offset.norm() / noise.norm());
  }
  return shifts;
}

std::vector<Shift> scaled(std::vector<Shift> shifts, double by) {
  for (Shift& shift : shifts) shift.offset = by * shift.offset;
  return shifts;
}

std::vector<Shift> without_flags(std::vector<Shift> shifts) {
  for (Shift& shift : shifts) shift.flag.reset();
  return shifts;
}

}  // namespace ken::readout
