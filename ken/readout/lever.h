// What a method has fitted for its Control, as one file: f32 tensors by name and a description.
#pragma once
#include <map>

#include "ken/base/files.h"
#include "ken/base/json.h"
#include "ken/nn/torch.h"

namespace ken::readout {

using at::Tensor;

struct Lever {
  std::string method;        // id of the card
  std::string model_sha256;  // of the model that it was fitted on; empty: unknown
  Json about = Json::object();
  std::map<std::string, Tensor> tensors;

  // A tensor of this shape, -1 standing for any size; an Error that names the file's tensor where it is another.
  const Tensor& at(const std::string& name, const std::vector<int64_t>& shape) const;
  // A field of the description; an Error where it is missing or of another type.
  int64_t integer(const std::string& key, int64_t least, int64_t most) const;
  double number(const std::string& key) const;
  std::string text(const std::string& key) const;
  std::vector<int64_t> layers(int64_t n_layers) const;  // "layers": a list without repeats, each in [0, n_layers)
  std::string file = "lever";                           // for errors
};

void save(const Lever& lever, const fs::path& path);  // safetensors
// An Error where the file is of another method, or holds anything but finite f32 tensors.
Lever load_lever(const fs::path& path, const std::string& method);

}  // namespace ken::readout
