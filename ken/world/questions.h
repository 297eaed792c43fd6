// What the almanac asks: facts with their exact exposure, questions beside a passage, claims.
#pragma once
#include <functional>

#include "ken/data/facts.h"
#include "ken/world/documents.h"

namespace ken::world {

// The persons who are asked about: all of a small world, evenly spread ones of a large world.
class Asked {
 public:
  explicit Asked(const WorldParams& params);
  const std::vector<int>& known() const { return known_; }
  const std::vector<int>& unseen() const { return unseen_; }
  // Place in known(), or -1.
  int place(int person) const { return person < people_ && person % step_ == 0 ? person / step_ : -1; }

 private:
  int people_, step_ = 1;
  std::vector<int> known_, unseen_;
};

// In how many documents of the run the true value of a fact is stated.
using Exposure = std::function<int64_t(Stated fact)>;
data::FactSet make_questions(const Almanac& almanac, const Asked& asked, const Exposure& exposure);

}  // namespace ken::world
