// What the workbench looks at beside an answer: the model's layers while it answers, and what else it could have said.
#pragma once
#include "ken/server/answering.h"

namespace ken::server {

// The greedy answer's tokens and the last ones of its prompt; for each layer what the model would say there (the logit
// lens), how likely the token that comes next is, and what the operator's probes say. `params`: top, rows.
Json look_inside(Engine& engine, const Setup& setup, Exchange exchange, const Json& params);
// Sampled answers, grouped by meaning, with their semantic entropy in nats. `params`: n, temperature, judge.
Json look_at_samples(Engine& engine, const Setup& setup, Exchange exchange, const Json& params);

}  // namespace ken::server
