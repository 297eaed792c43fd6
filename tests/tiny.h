// A tiny model with random weights and a small world's vocabulary, for tests that need a model but no fixture.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/train/organism.h"

namespace ken::test {

inline world::WorldParams tiny_world() {
  world::WorldParams params;
  params.people = 20;
  params.unseen = 4;
  params.documents = 400;
  return params;
}

inline std::shared_ptr<model::Model> tiny_model(uint64_t seed = 1) {
  return train::new_organism(world::World(tiny_world()),
                             {.layers = 2, .d_model = 32, .heads = 4, .kv_heads = 2, .d_ff = 48, .context = 128}, seed,
                             "tiny");
}

inline data::FactSet tiny_facts() { return world::World(tiny_world()).facts(); }

}  // namespace ken::test
