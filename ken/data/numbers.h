// Numbers in what a model says.
#pragma once
#include <optional>
#include <string_view>

namespace ken::data {

// The first number of a text as a probability: 0.8, .8, 80 %, 80 and "80 percent" are all 0.8. None: no number, or one
// that lies outside of [0, 100].
std::optional<double> first_probability(std::string_view text);

}  // namespace ken::data
