#include "ken/model/shipped.h"

#include <cstdlib>
#include <map>

#include "ken/base/error.h"

namespace ken::model {

std::vector<fs::path> shipped_models() {
  std::vector<fs::path> folders;
  if (const char* given = std::getenv("KEN_MODELS")) folders.emplace_back(given);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* place : {"../share/ken/models", "../models", "../../models"}) folders.push_back(program / place);
  std::map<std::string, fs::path> found;  // the first folder that holds a name counts
  for (const auto& folder : folders)
    for (const auto& file : fs::directory_iterator(folder, error))
      if (file.path().extension() == ".gguf") found.emplace(file.path().stem().string(), file.path());
  std::vector<fs::path> paths;
  for (const auto& [name, path] : found) paths.push_back(fs::weakly_canonical(path));
  return paths;
}

fs::path model_path(const std::string& name) {
  if (fs::exists(name)) return name;
  std::vector<std::string> names;
  for (const auto& path : shipped_models()) {
    if (path.stem() == name) return path;
    names.push_back(path.stem().string());
  }
  names.push_back("almanac");
  fail_usage("model",
             "{} is no file; give a GGUF file, a Hugging Face folder, or the name of a model that ships with ken: {}",
             name, unknown_name("model", name, names));
}

}  // namespace ken::model
