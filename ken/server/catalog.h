// What a server says of itself: the methods that a request can name, each with a route of its own, and OpenAPI.
#pragma once
#include <optional>

#include "ken/base/card.h"

namespace ken::server {

// A method behind a route: /ken/steer/cad is the Control cad, /ken/confidence/semantic-entropy the estimator.
struct MethodRoute {
  const Card* card;
  bool control;  // else an estimator
};
std::optional<MethodRoute> find_method(const std::string& path);
// The body of a completion or chat, with the method's own parameters as "params", as one that names the method.
Json with_method(Json body, const MethodRoute& method);

Json method_list();
Json openapi(const std::string& model);

}  // namespace ken::server
