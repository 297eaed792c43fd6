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

// The same with a chat template over the control tokens that it has: <pad> ends a turn.
inline const char* tiny_template =
    "{% for m in messages %}{{ '<bos>' + m.role + ' : ' + m.content + '<pad>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<bos>assistant :' }}{% endif %}";
inline std::shared_ptr<model::Model> tiny_chat_model(uint64_t seed = 1) {
  auto model = tiny_model(seed);
  std::erase_if(model->metadata.values, [](const auto& entry) { return entry.first.starts_with("ken.prompt."); });
  model->metadata.values["tokenizer.chat_template"] = std::string(tiny_template);
  return model;
}
// The same as a base model: neither a form of its own nor a template.
inline std::shared_ptr<model::Model> tiny_base_model(uint64_t seed = 1) {
  auto model = tiny_chat_model(seed);
  model->metadata.values.erase("tokenizer.chat_template");
  return model;
}

inline data::FactSet tiny_facts() { return world::World(tiny_world()).facts(); }

}  // namespace ken::test
