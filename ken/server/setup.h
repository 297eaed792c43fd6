// What the operator of a server has decided, and what is made of it once.
#pragma once
#include <ctime>
#include <map>

#include "ken/base/files.h"
#include "ken/data/prompts.h"
#include "ken/evidence/calibration.h"
#include "ken/io/api_call.h"
#include "ken/model/model.h"
#include "ken/readout/probe.h"

namespace ken::server {

struct Setup {
  std::string name;                             // of the model, as clients ask for it
  std::shared_ptr<const data::Chat> chat = {};  // null: the model has no chat template
  data::PromptStyle style = {};                 // how a question is asked where there is none
  std::optional<evidence::Calibration> calibration = {};
  std::map<std::string, fs::path> levers = {};  // files of fitted controls, by the name that a request may say
  std::vector<readout::Probe> probes = {};      // what a look inside says of each token
  io::CallLimits limits = {};
  int64_t max_tokens = 4096;                // of an answer
  size_t capture_bytes = size_t{16} << 20;  // of what one request captures
  std::time_t started = std::time(nullptr);
};

}  // namespace ken::server
