// A Hugging Face folder's weights: one safetensors file, or shards with an index.
#include <set>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/io/tensors.h"

namespace ken::io {
namespace {

// The shards that the index names, each a plain file name: an index must not lead out of its folder.
std::set<std::string> shard_names(const fs::path& index) {
  const Json json = read_json(index, size_t{1} << 25, "model");
  if (!json.contains("weight_map") || !json["weight_map"].is_object())
    fail("model", "{} has no object 'weight_map'; download it again", index.string());
  std::set<std::string> names;
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    const std::string name = shard.is_string() ? shard.get<std::string>() : "";
    if (name.empty() || name != fs::path(name).filename().string() || name == "." || name == "..")
      fail("model", "{} places {} in '{}', which is no file name", index.string(), tensor, name);
    names.insert(name);
  }
  return names;
}

}  // namespace

std::shared_ptr<const TensorFile> open_shards(const fs::path& folder) {
  const fs::path whole = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  if (fs::exists(whole)) return open_tensors(whole);
  if (!fs::exists(index))
    fail("model", "{} holds neither model.safetensors nor its index; other weight formats are not read",
         folder.string());
  auto merged = std::make_shared<TensorFile>();
  auto shards = std::make_shared<std::vector<std::shared_ptr<const TensorFile>>>();
  merged->name = folder.string();
  merged->format = "safetensors";
  for (const auto& name : shard_names(index)) {
    const auto& shard = shards->emplace_back(open_tensors(folder / name));
    merged->tensors.insert(merged->tensors.end(), shard->tensors.begin(), shard->tensors.end());
    merged->unsupported.insert(merged->unsupported.end(), shard->unsupported.begin(), shard->unsupported.end());
  }
  merged->owner = shards;
  merged->index();
  return merged;
}

}  // namespace ken::io
