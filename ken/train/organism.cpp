#include "ken/train/organism.h"

#include "ken/base/error.h"
#include "ken/data/prompts.h"

namespace ken::train {

std::shared_ptr<model::Model> new_organism(const world::World& world, const OrganismShape& shape, uint64_t seed,
                                           const std::string& name) {
  // The tokenizer puts a blank before every word, so that is how the words are learned.
  std::vector<std::pair<std::string, uint64_t>> words{{" unknown", 1}};
  for (const auto& word : world.words()) {
    // The pre-tokeniser splits "Q:" into " Q" and ":", which are in the list too.
    if (word.size() > 1 && word.back() == ':') continue;
    words.emplace_back(word == ":" ? word : " " + word, 1);
  }
  const text::BpeVocab vocab = text::train_bpe(words, {"<pad>", "<bos>", "<eos>"}, 20000);
  io::Metadata metadata;
  text::put_tokenizer(metadata, vocab, "gpt-2", true, "<bos>", "<eos>");
  data::put_prompt_style(metadata, world::prompt_style());
  metadata.values["general.description"] = std::string("A model organism trained by ken on a synthetic almanac.");
  metadata.values["general.license"] = std::string("apache-2.0");
  metadata.values["ken.world"] = world::to_json(world.params()).dump();
  model::Config c;
  c.name = name;
  c.n_layers = shape.layers, c.d_model = shape.d_model, c.n_heads = shape.heads, c.n_kv_heads = shape.kv_heads,
  c.d_ff = shape.d_ff;
  if (shape.heads < 1 || shape.d_model % shape.heads)
    fail_usage("train", "d_model {} is no multiple of {} heads", shape.d_model, shape.heads);
  c.d_head = c.rope_width = shape.d_model / shape.heads;
  c.vocab = int64_t(vocab.tokens.size());
  c.context = shape.context;
  c.tied = true;
  auto model = model::make_random(c, seed);
  model->metadata = metadata;
  model->tokenizer = text::tokenizer_from_gguf(metadata);
  return model;
}

std::optional<world::WorldParams> world_of(const io::Metadata& metadata) {
  if (!metadata.has("ken.world")) return std::nullopt;
  const Json json = Json::parse(metadata.text("ken.world"), nullptr, false);
  if (json.is_discarded()) fail("world", "the model file's ken.world is no JSON");
  return world::world_params(json);
}

}  // namespace ken::train
