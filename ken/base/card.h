// A card is what an open-set file says of itself: help, docs, server routes and law tests are generated from it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ken/base/json.h"

namespace ken {

struct Param {
  std::string name;
  Json standard;                          // the default; its JSON type is the parameter's type
  std::string meaning;                    // one phrase, with the unit
  double low = -1e300, high = 1e300;      // inclusive bounds of a number
  std::vector<std::string> choices = {};  // allowed strings, if any
};

enum class Cost { seconds, minutes, hours };  // on the almanac with 2 cores

struct Card {
  std::string id;      // the file's name without ".cpp"
  std::string family;  // the folder's name: confidence, inside, steer, ...
  std::string title;
  std::string paper;     // arXiv id, or where it was published
  std::string sentence;  // what it does, in one sentence
  std::vector<Param> params = {};
  std::string example;          // a command that runs as it stands
  Json null_setting = nullptr;  // parameters under which nothing may change; null where that has no meaning
  std::string direction = {};   // estimators: "higher is surer" or "lower is surer"
  Cost cost = Cost::seconds;
  std::vector<std::string> needs = {};
};

// The given parameters over the card's defaults, each checked against type, bounds and choices.
// An unknown name or a bad value is a UsageError that names the parameter and, if there is one, its near match.
Json resolve_params(const Card& card, const Json& given);

// "cad:alpha=0.5,mask=0.1" -> {"cad", {"alpha": 0.5, "mask": 0.1}}; values are JSON scalars, else strings.
struct NamedParams {
  std::string name;
  Json params = Json::object();
};
NamedParams parse_named_params(std::string_view text);

}  // namespace ken
