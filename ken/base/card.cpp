#include "ken/base/card.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/select.h"

namespace ken {
namespace {

void check(const Card& card, const Param& param, const Json& value) {
  const bool number = param.standard.is_number();
  const bool fits =
      (number && value.is_number() && (!param.standard.is_number_integer() || value.is_number_integer())) ||
      (!number && value.type() == param.standard.type()) || param.standard.is_null();
  if (!fits) {
    fail_usage(card.id, "parameter '{}' takes {} such as {}, not {}", param.name, param.standard.type_name(),
               param.standard.dump(), value.dump());
  }
  if (number && (value.get<double>() < param.low || value.get<double>() > param.high ||
                 value.get<double>() != value.get<double>())) {
    fail_usage(card.id, "parameter '{}' must lie in [{}, {}], not {} ({})", param.name, param.low, param.high,
               value.dump(), param.meaning);
  }
  if (!param.choices.empty() && !is_in(value.get<std::string>(), param.choices)) {
    fail_usage(card.id, "parameter '{}' is one of {}, not {}", param.name, fmt::join(param.choices, ", "),
               value.dump());
  }
}

}  // namespace

Json resolve_params(const Card& card, const Json& given) {
  Json result = Json::object();
  std::vector<std::string> known;
  for (const auto& param : card.params) {
    result[param.name] = param.standard;
    known.push_back(param.name);
  }
  for (const auto& [name, value] : given.items()) {
    const auto param =
        std::find_if(card.params.begin(), card.params.end(), [&name = name](const Param& p) { return p.name == name; });
    if (param == card.params.end()) fail_usage(card.id, "{}", unknown_name("parameter", name, known));
    // On a command line a text may look like a number: layers=3.
    const bool as_text = param->standard.is_string() && (value.is_number() || value.is_boolean());
    const Json fitted = as_text ? Json(value.dump()) : value;
    check(card, *param, fitted);
    result[name] = fitted;
  }
  return result;
}

NamedParams parse_named_params(std::string_view text) {
  const size_t colon = text.find(':');
  NamedParams result{std::string(text.substr(0, colon))};
  if (colon == std::string_view::npos) return result;
  std::string_view rest = text.substr(colon + 1);
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view pair = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      fail_usage(result.name, "'{}' is no parameter; write NAME:key=value,key=value", pair);
    }
    const std::string value(pair.substr(equals + 1));
    Json parsed = Json::parse(value, nullptr, false);
    result.params[std::string(pair.substr(0, equals))] =
        parsed.is_discarded() || parsed.is_structured() ? Json(value) : parsed;
  }
  return result;
}

}  // namespace ken
