// An organism before its training: a vocabulary in which every word of the world is one token, random weights, and
// metadata from which the world, its questions and the way to ask them are made again.
#pragma once
#include "ken/model/model.h"
#include "ken/world/world.h"

namespace ken::train {

struct OrganismShape {
  int64_t layers = 5, d_model = 128, heads = 4, kv_heads = 4, d_ff = 384, context = 256;
};

std::shared_ptr<model::Model> new_organism(const world::World& world, const OrganismShape& shape, uint64_t seed,
                                           const std::string& name);

// The world that a model file names, or nothing when it names none.
std::optional<world::WorldParams> world_of(const io::Metadata& metadata);

}  // namespace ken::train
