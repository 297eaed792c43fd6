// What the almanac asks: facts with their exact exposure, and questions beside a passage.
#pragma once
#include <vector>

#include "ken/data/facts.h"
#include "ken/world/people.h"

namespace ken::world {

// counts[person * relation_count + relation]: in how many documents of the run the true value is stated.
data::FactSet make_questions(const Population& people, const std::vector<int64_t>& counts);

}  // namespace ken::world
