// What one architecture family adds to the forward pass: its config keys and tensor names. One file each in arch/.
#pragma once
#include "ken/base/registry.h"
#include "ken/model/model.h"

namespace ken::model {

struct Arch {
  Card card;  // id = general.architecture
  Config (*read_config)(const io::TensorFile& file);
  void (*write_config)(const Config& config, io::Metadata& metadata);
  // GGUF name of one of ken's names ("embed", "blocks.0.attn.W_Q", "ln_final.w"); empty when the family lacks it.
  std::string (*gguf_name)(const std::string& name);
};

}  // namespace ken::model
