#include "ken/server/controls.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <atomic>

#include "ken/base/error.h"
#include "ken/io/tensors.h"

namespace ken::server {
namespace {

using at::Tensor;
using generate::Control;
using generate::ControlSpec;
using generate::Step;

// OpenAI's logit_bias: added to the logits of these tokens.
class Bias final : public Control {
 public:
  explicit Bias(Tensor bias) : bias_(std::move(bias)) {}
  Tensor combine(Step& step) override { return step.logits + bias_; }

 private:
  Tensor bias_;  // [vocab]
};

// OpenAI's penalties: mu[j] -> mu[j] - c[j] frequency - [c[j] > 0] presence, with c[j] how often token j was chosen.
class Penalties final : public Control {
 public:
  Penalties(double presence, double frequency) : presence_(presence), frequency_(frequency) {}
  Tensor combine(Step& step) override {
    std::map<int32_t, double> counts;
    for (const int32_t token : *step.chosen) ++counts[token];
    Tensor logits = step.logits.clone();
    for (const auto& [token, count] : counts) logits.data_ptr<float>()[token] -= float(count * frequency_ + presence_);
    return logits;
  }

 private:
  double presence_, frequency_;
};

class Capturing final : public Control {
 public:
  Capturing(std::vector<std::string> points, std::shared_ptr<Captured> captured)
      : points_(std::move(points)), captured_(std::move(captured)) {}
  std::vector<model::Tap> taps() override {
    std::vector<model::Tap> taps;
    for (const auto& point : points_)
      taps.push_back({point, [captured = captured_](const Tensor& x, const model::Site& site) -> std::optional<Tensor> {
                        const int64_t n = std::min(x.size(0), captured->last);
                        const Tensor rows = x.detach().narrow(0, x.size(0) - n, n).to(at::kCPU, at::kFloat).clone();
                        captured->bytes += rows.nbytes();
                        if (captured->bytes > captured->most)
                          fail_usage("capture", "more than {} bytes of activations; capture fewer points or tokens",
                                     captured->most);
                        captured->rows[model::point_name(site.point, site.layer)].push_back(rows);
                        return std::nullopt;
                      }});
    return taps;
  }

 private:
  std::vector<std::string> points_;
  std::shared_ptr<Captured> captured_;
};

// A file that is there as long as this.
class Temporary {
 public:
  explicit Temporary(const char* suffix) {
    static std::atomic<uint64_t> number{0};
    path_ = fs::temp_directory_path() / fmt::format("ken-serve-{}-{}{}", ::getpid(), ++number, suffix);
  }
  ~Temporary() {
    std::error_code none;
    fs::remove(path_, none);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string lever(const Json& name, const std::string& field, const Setup& setup) {
  const auto found = name.is_string() ? setup.levers.find(name.get<std::string>()) : setup.levers.end();
  if (found != setup.levers.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [one, path] : setup.levers) known.push_back(one);
  io::fail_call(field, "{} is none of this server's levers ({}); its operator names files with --lever NAME=FILE",
                name.dump(), known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

// EasySteer's request, in which a vector's path is the name of one of the operator's levers.
ControlSpec steering(Json request, const Setup& setup) {
  if (!request.is_object()) io::fail_call("steering", "not an object");
  const auto name_path = [&](Json& one) {
    if (!one.is_object()) io::fail_call("steering", "a vector is no object");
    for (const char* key : {"path", "steer_vector_local_path", "local_path"})
      if (const auto found = one.find(key); found != one.end())
        *found = lever(*found, std::string("steering.") + key, setup);
  };
  name_path(request);
  if (const auto several = request.find("vector_configs"); several != request.end()) {
    if (!several->is_array()) io::fail_call("steering.vector_configs", "not a list");
    for (Json& one : *several) name_path(one);
  }
  const Temporary file(".json");
  write_text(file.path(), request.dump());
  return generate::control_from("vector", {{"file", file.path().string()}});
}

}  // namespace

SafeMethod parsed(const io::CallMethod& method) {
  if (!method.params.is_null()) return {method.name, method.params};
  const NamedParams named = parse_named_params(method.name);
  return {named.name, named.params};
}

Json safe_params(const SafeMethod& method, const Card& card, const std::string& field, const Setup& setup) {
  Json params = Json::object();
  for (const auto& [key, value] : method.params.items()) {
    const auto param =
        std::find_if(card.params.begin(), card.params.end(), [&](const Param& p) { return p.name == key; });
    const bool free_text = param != card.params.end() && param->standard.is_string() && param->choices.empty();
    if (!free_text || value == param->standard)
      params[key] = value;
    else if (key == "file")
      params[key] = lever(value, field + ".file", setup);
    else
      io::fail_call(field, "{} is a free text of {}, which a request cannot set", key, card.id);
  }
  return params;
}

std::vector<ControlSpec> controls_from(const io::Call& call, const model::Model& model, const Setup& setup) {
  std::vector<ControlSpec> controls;
  if (!call.ken.steering.is_null()) controls.push_back(steering(call.ken.steering, setup));
  for (const auto& method : call.ken.controls) {
    const SafeMethod safe = parsed(method);
    const auto& entry = Registry<generate::ControlEntry>::get().at("control", safe.id);
    controls.push_back(generate::control_from(safe.id, safe_params(safe, entry.card, "ken.controls", setup)));
  }
  if (!call.logit_bias.empty()) {
    Tensor bias = at::zeros({model.config.vocab}, at::kFloat);
    for (const auto& [token, value] : call.logit_bias) {
      if (token >= model.config.vocab)
        io::fail_call("logit_bias", "token {} is outside the vocabulary of {}", token, model.config.vocab);
      bias.data_ptr<float>()[token] = float(value);
    }
    controls.push_back({.own = [bias] { return std::make_unique<Bias>(bias); }});
  }
  if (call.presence_penalty != 0 || call.frequency_penalty != 0)
    controls.push_back(
        {.own = [p = call.presence_penalty, f = call.frequency_penalty] { return std::make_unique<Penalties>(p, f); }});
  return controls;
}

ControlSpec capturing(const std::vector<std::string>& points, const model::Model& model,
                      std::shared_ptr<Captured> captured) {
  std::vector<model::Tap> taps;
  for (const auto& point : points) {
    if (point.ends_with("hook_pattern") || point.ends_with("hook_attn_scores"))
      io::fail_call("ken.capture", "{} grows with every token; ken cache reads it", point);
    taps.push_back({point, {}});
  }
  model::TapPlan(model.config, std::move(taps));  // an unknown name is said before anything is computed
  return {.own = [points, captured] { return std::make_unique<Capturing>(points, captured); }};
}

std::string base64(std::span<const std::byte> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                       reinterpret_cast<const unsigned char*>(bytes.data()), int(bytes.size()));
  text.resize(size_t(length));
  return text;
}

std::string encoded(const Captured& captured) {
  std::vector<Tensor> joined;  // keeps the bytes
  std::vector<io::TensorOut> tensors;
  for (const auto& [name, rows] : captured.rows) {
    joined.push_back(at::cat(rows, 0));
    const Tensor& t = joined.back();
    tensors.push_back(
        {name, io::DType::f32, t.sizes().vec(), {static_cast<const std::byte*>(t.data_ptr()), t.nbytes()}});
  }
  const Temporary file(".safetensors");
  io::write_safetensors(file.path(), {}, tensors);
  const std::string bytes = read_text(file.path());
  return base64(std::as_bytes(std::span(bytes)));
}

}  // namespace ken::server
