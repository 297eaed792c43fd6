#include "ken/train/checkpoint.h"

#include <cstring>

#include "ken/base/error.h"

namespace ken::train {
namespace {

std::map<std::string, Tensor> tensors_of(const std::vector<Parameter>& parameters, const Optimizer& optimizer) {
  std::map<std::string, Tensor> result;
  for (const Parameter& p : parameters) result["weight." + p.name] = p.value.detach();
  for (auto& [name, x] : optimizer.state()) result["optimizer." + name] = x;
  return result;
}

void restore(const io::TensorFile& file, const std::string& name, const Tensor& to) {
  const io::TensorInfo& info = file.at(name);
  if (info.dtype != io::DType::f32 || info.shape != to.sizes().vec())
    fail("train", "{}: tensor {} does not fit the model", file.name, name);
  const Tensor bytes = at::empty(to.sizes(), at::kFloat);
  std::memcpy(bytes.data_ptr(), info.bytes.data(), bytes.nbytes());
  to.copy_(bytes);
}

// The first key whose value differs, for the message.
std::string difference(const Json& ours, const Json& theirs) {
  const Json a = ours.flatten(), b = theirs.flatten();
  for (const auto& [key, value] : a.items())
    if (!b.contains(key) || b[key] != value)
      return fmt::format("{} is {} now and was {}", key.substr(1), value.dump(),
                         b.contains(key) ? b[key].dump() : "absent");
  return "its settings differ";
}

int64_t count(const io::TensorFile& file, const std::string& key) {
  const std::string text = file.metadata.text(key);
  const bool digits = !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) fail("train", "{}: {} is '{}', not a count; remove the file to start anew", file.name, key, text);
  return std::stoll(text);
}

}  // namespace

void save_checkpoint(const fs::path& path, const Json& run, const Progressed& at,
                     const std::vector<Parameter>& parameters, const Optimizer& optimizer) {
  std::vector<io::TensorOut> out;
  std::vector<Tensor> kept;
  for (const auto& [name, x] : tensors_of(parameters, optimizer)) {
    kept.push_back(x.to(at::kCPU).contiguous());
    out.push_back({name,
                   io::DType::f32,
                   x.sizes().vec(),
                   {static_cast<const std::byte*>(kept.back().data_ptr()), kept.back().nbytes()}});
  }
  io::write_safetensors(path,
                        {{"run", run.dump()},
                         {"steps", std::to_string(at.steps)},
                         {"position", std::to_string(at.position)},
                         {"tokens", std::to_string(at.tokens)},
                         {"documents", std::to_string(at.documents)},
                         {"log_bytes", std::to_string(at.log_bytes)},
                         {"optimizer_steps", std::to_string(optimizer.steps)}},
                        out);
}

Progressed load_checkpoint(const fs::path& path, const Json& run, const std::vector<Parameter>& parameters,
                           Optimizer& optimizer) {
  const auto file = io::open_tensors(path);
  const Json theirs = Json::parse(file->metadata.text("run"), nullptr, false);
  if (theirs != run) {
    fail_usage("train", "{} belongs to another run: {}; choose another output folder, or remove it", path.string(),
               difference(run, theirs.is_object() ? theirs : Json::object()));
  }
  at::NoGradGuard no_gradients;
  for (const auto& [name, x] : tensors_of(parameters, optimizer)) restore(*file, name, x);
  for (const Parameter& p : parameters)
    if (p.matrix && p.matrix->shadow.defined()) p.matrix->shadow.copy_(p.value);
  optimizer.steps = count(*file, "optimizer_steps");
  return {count(*file, "steps"), count(*file, "position"), count(*file, "tokens"), count(*file, "documents"),
          count(*file, "log_bytes")};
}

}  // namespace ken::train
