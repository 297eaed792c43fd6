#include <cstdio>
#include <map>
#include <thread>

#include "ken/cli/command.h"
#include "ken/study/embedded.h"
#include "ken/train/organism.h"
#include "ken/world/texts.h"

namespace ken::cli {

std::shared_ptr<model::Model> open_model(const std::string& name) {
  if (!name.empty() && name != "almanac") return model::load(model_path(name));
  const auto bytes = study::embedded_model();
  if (bytes.empty())
    fail("model", "this program was built without its organism; give a GGUF file, or train one with `ken train`");
  return model::load(io::open_tensors(bytes, "almanac.gguf"), [bytes] { return sha256(bytes); });
}

data::FactSet open_facts(const model::Model& model, const std::string& file) {
  if (!file.empty()) return data::read_facts(file);
  const auto params = train::world_of(model.metadata);
  if (!params)
    fail_usage(
        "facts",
        "{} does not say what it was trained on; give questions with --facts FILE (JSONL with question and answer)",
        model.config.name);
  return world::World(*params).facts();
}

data::Texts open_texts(const model::Model& model, const std::string& file) {
  if (!file.empty()) return data::read_texts(file);
  const auto params = train::world_of(model.metadata);
  if (!params) return {};
  return world::texts_of(std::make_shared<const world::World>(*params), params->documents, params->documents);
}

void add_common(CLI::App& app, Common& common, const std::string& compute) {
  common.compute = compute;
  app.add_option("--compute", common.compute, "arithmetic: f32, or fast (int8 and bf16 products)")
      ->capture_default_str();
  app.add_option("--threads", common.threads, "CPU threads; 0 = all cores")->check(CLI::Range(0, 4096));
  app.add_flag("--json", common.json, "print one JSON object a line");
}

void add_cache(CLI::App& app, Common& common) {
  app.add_flag("--int8-cache", common.int8_cache, "keep keys and values in int8: half the memory, other last digits");
}

void apply(const Common& common) {
  // libtorch's own default counts cores in a way that gives 1 on some virtual machines.
  at::set_num_threads(common.threads > 0 ? common.threads : int(std::max(1u, std::thread::hardware_concurrency())));
  nn::compute_from(common.compute);
}

Progress printer() {
  auto shared = std::make_shared<ProgressPrinter>();
  return [shared](std::string_view what, size_t done, size_t total, std::string_view note) {
    (*shared)(what, done, total, note);
  };
}

Json write_tensors(const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                   const std::map<std::string, std::string>& metadata, const fs::path& path) {
  std::vector<at::Tensor> kept;  // the bytes live until the file is written
  std::vector<io::TensorOut> out;
  Json shapes = Json::object();
  for (const auto& [name, tensor] : tensors) {
    kept.push_back(tensor.to(at::kFloat).contiguous());
    const at::Tensor& values = kept.back();
    out.push_back({name,
                   io::DType::f32,
                   values.sizes().vec(),
                   {static_cast<const std::byte*>(values.data_ptr()), values.nbytes()}});
    shapes[name] = values.sizes().vec();
  }
  io::write_safetensors(path, metadata, out);
  return shapes;
}

std::vector<int32_t> parse_ids(const std::string& text) {
  std::vector<int32_t> ids;
  size_t at = 0;
  while (at <= text.size()) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, comma - at);
    if (part.empty() || part.size() > 9 || part.find_first_not_of("0123456789") != std::string::npos) {
      fail_usage("ids", "'{}' is no token id; write ids as 1,2,3", part);
    }
    ids.push_back(std::stoi(part));
    at = comma + 1;
  }
  return ids;
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    fail("stdout", "cannot write the output");
}

void say(const std::string& text) { std::fputs(text.c_str(), stderr); }

}  // namespace ken::cli
