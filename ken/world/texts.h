// The almanac's documents as running text.
#pragma once
#include "ken/data/texts.h"
#include "ken/world/world.h"

namespace ken::world {

// `count` documents from `first` on; those from params().documents on were in no training run.
inline data::Texts texts_of(std::shared_ptr<const World> world, int64_t first, int64_t count) {
  return {"the almanac", count, [world, first](int64_t i) { return world->document(first + i).text; }};
}

}  // namespace ken::world
