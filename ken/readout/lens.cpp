#include "ken/readout/lens.h"

#include <cstring>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/io/tensors.h"
#include "ken/model/partial.h"
#include "ken/nn/autograd.h"
#include "ken/nn/functions.h"
#include "ken/readout/passes.h"

namespace ken::readout {
namespace {

constexpr int64_t left_out = 10;  // every tenth text is for judging

std::vector<int32_t> pass_tokens_of(const model::Model& model, const std::string& text) {
  auto ids = model::prompt_ids(model, text);
  ids.resize(std::min(ids.size(), size_t(model.config.context)));
  return ids;
}

// Texts by drawn index, either those that lenses are fitted on or those that are left out.
std::vector<std::vector<int32_t>> draw_rows(const model::Model& model, const data::Texts& texts, int64_t tokens,
                                            Rng& rng, bool judged) {
  if (texts.count < 2 * left_out)
    fail("lens", "{} holds {} texts; a lens is fitted on {} or more", texts.name, texts.count, 2 * left_out);
  std::vector<std::vector<int32_t>> result;
  const int64_t blocks = texts.count / left_out;
  for (int64_t total = 0; total < tokens;) {
    const int64_t block = int64_t(rng.below(uint64_t(blocks)));
    const int64_t place = judged ? 0 : 1 + int64_t(rng.below(left_out - 1));
    auto ids = pass_tokens_of(model, texts.at(block * left_out + place));
    if (ids.empty()) {
      ++total;  // a file of empty texts must end
      continue;
    }
    total += int64_t(ids.size());
    result.push_back(std::move(ids));
  }
  if (result.empty()) fail("lens", "no text of {} gives a token; give running text", texts.name);
  return result;
}

// Gradients of the summed losses, and the losses: one chunk of tokens at a time, so that there are never the logits of
// all tokens. dKL/dz_l = (softmax z_l - softmax z_final) / T is known, so only the read-out is differentiated.
class LensFitter {
 public:
  LensFitter(const model::Model& model, const LensOptions& options) : model_(model), options_(options) {
    const int64_t d = model.config.d_model;
    for (int64_t l = 0; l < model.config.n_layers; ++l) {
      lens_.a.push_back(at::zeros({d, d}).requires_grad_());
      lens_.b.push_back(at::zeros({d}).requires_grad_());
    }
    for (const Tensor& p : parameters()) velocity_.push_back(at::zeros_like(p));
  }

  double step(const std::vector<std::vector<int32_t>>& sequences, double rate) {
    const Pass pass = states_of(model_, sequences, options_.compute);
    const int64_t T = pass.logits.size(0), rows = std::max<int64_t>(16, logits_at_once / pass.logits.size(1));
    gradients_.assign(velocity_.size(), Tensor());
    double loss = 0;
    for (int64_t begin = 0; begin < T; begin += rows) {
      const int64_t n = std::min(rows, T - begin);
      const Tensor target = at::softmax(pass.logits.narrow(0, begin, n), -1);
      for (size_t l = 0; l < lens_.a.size(); ++l)
        loss += differentiate(l, pass.states[int64_t(l)].narrow(0, begin, n), target, double(T));
    }
    update(rate);
    return loss / double(lens_.a.size());
  }

  Lens finish() {
    for (Tensor& a : lens_.a) a = a.detach();
    for (Tensor& b : lens_.b) b = b.detach();
    lens_.model_sha256 = model_.sha256();
    return std::move(lens_);
  }

 private:
  std::vector<Tensor> parameters() const {
    std::vector<Tensor> all = lens_.a;
    all.insert(all.end(), lens_.b.begin(), lens_.b.end());
    return all;
  }

  double differentiate(size_t l, const Tensor& h, const Tensor& target, double T) {
    const at::AutoGradMode with_gradients(true);
    const Tensor z = lens_.read(model_, int64_t(l), h, options_.compute);
    const Tensor log_q = at::log_softmax(z.detach(), -1);
    const Tensor dz = (log_q.exp() - target) / T;
    const auto grads = torch::autograd::grad({z}, {lens_.a[l], lens_.b[l]}, {dz});
    for (size_t i = 0; i < 2; ++i) {
      Tensor& sum = gradients_[l + i * lens_.a.size()];
      sum = sum.defined() ? sum.add_(grads[i]) : grads[i];
    }
    const Tensor entropy = at::xlogy(target, target).sum();  // minus the entropy of the target
    return (entropy - (target * log_q).sum()).item<double>() / T;
  }

  void update(double rate) {
    double squares = 0;
    for (const Tensor& g : gradients_) squares += g.square().sum().item<double>();
    const double norm = std::sqrt(squares), scale = norm > options_.clip ? options_.clip / norm : 1;
    if (!std::isfinite(norm)) fail("lens", "the gradient became {}; lower the rate", norm);
    const at::NoGradGuard plain;
    const auto values = parameters();
    for (size_t i = 0; i < values.size(); ++i) {
      const Tensor g = gradients_[i] * scale + values[i].detach() * options_.weight_decay;
      velocity_[i].mul_(options_.momentum).add_(g);
      Tensor value = values[i].detach();
      value.sub_((g + velocity_[i] * options_.momentum) * rate);
    }
  }

  const model::Model& model_;
  const LensOptions& options_;
  Lens lens_;
  std::vector<Tensor> velocity_, gradients_;
};

Tensor read_tensor(const io::TensorFile& file, const std::string& name, const std::vector<int64_t>& shape) {
  const io::TensorInfo& info = file.at(name);
  if (info.dtype != io::DType::f32 || info.shape != shape)
    fail("lens", "{}: {} is {} [{}]; this model needs F32 [{}]; fit a lens of this model", file.name, name,
         io::dtype_name(info.dtype), fmt::join(info.shape, ", "), fmt::join(shape, ", "));
  Tensor value = at::empty(shape, at::kFloat);
  if (!info.bytes.empty()) std::memcpy(value.data_ptr<float>(), info.bytes.data(), info.bytes.size());
  return value;
}

}  // namespace

Tensor Lens::translate(int64_t layer, const Tensor& h) const {
  if (size_t(layer) >= a.size()) return h;
  return h + at::linear(h, a[size_t(layer)], b[size_t(layer)]);
}

Tensor Lens::read(const model::Model& model, int64_t layer, const Tensor& h, nn::Compute compute) const {
  return model::read_out(model, translate(layer, h), compute);
}

Lens fit_lens(const model::Model& model, const data::Texts& texts, const LensOptions& options,
              const Progress& progress) {
  LensFitter fitter(model, options);
  Rng rng(options.seed, 1);
  for (int64_t i = 0; i < options.steps; ++i) {
    const auto sequences = draw_rows(model, texts, options.tokens, rng, false);
    // Momentum multiplies the step by 1 / (1 - momentum) in the long run; the rate is that of the whole step.
    const double falling = 1 - double(i) / double(options.steps);
    const double loss = fitter.step(sequences, options.rate * (1 - options.momentum) * falling);
    if (progress) progress("lens", size_t(i + 1), size_t(options.steps), fmt::format("KL {:.3f} a layer", loss));
  }
  return fitter.finish();
}

std::vector<std::vector<int32_t>> held_out_texts(const model::Model& model, const data::Texts& texts, int64_t tokens,
                                                 uint64_t seed) {
  Rng rng(seed, 2);
  return draw_rows(model, texts, tokens, rng, true);
}

Pass states_of(const model::Model& model, const std::vector<std::vector<int32_t>>& sequences, nn::Compute compute) {
  const at::NoGradGuard plain;
  std::vector<model::Row> rows;
  for (const auto& tokens : sequences) rows.push_back({tokens});
  const model::Batch batch = model::pack(rows, model.config.vocab);
  Pass pass;
  pass.states = at::empty({model.config.n_layers + 1, batch.tokens.size(0), model.config.d_model}, at::kFloat);
  const auto copy = [&](const Tensor& x, const model::Site& site) {
    const int64_t layer = site.point == model::Point::resid_pre ? site.layer : site.layer + 1;
    const int64_t begin = batch.begin(site.sequence), n = batch.end(site.sequence) - begin;
    pass.states[layer].narrow(0, begin, n).copy_(x);
    return std::optional<Tensor>();
  };
  const model::TapPlan plan(model.config, {{"blocks.0.hook_resid_pre", copy}, {"blocks.*.hook_resid_post", copy}});
  pass.logits =
      model::forward(model, batch, {.compute = compute, .taps = &plan, .logits = model::ForwardOptions::Logits::all})
          .logits;
  return pass;
}

Tensor last_states(const model::Model& model, const std::vector<std::vector<int32_t>>& sequences, nn::Compute compute) {
  const at::NoGradGuard plain;
  const model::Config& c = model.config;
  Tensor result = at::empty({int64_t(sequences.size()), c.n_layers + 1, c.d_model}, at::kFloat);
  size_t first = 0;
  const auto copy = [&](const Tensor& x, const model::Site& site) {
    const int64_t layer = site.point == model::Point::resid_pre ? site.layer : site.layer + 1;
    result[int64_t(first) + site.sequence][layer].copy_(x[x.size(0) - 1]);
    return std::optional<Tensor>();
  };
  const model::TapPlan plan(c, {{"blocks.0.hook_resid_pre", copy}, {"blocks.*.hook_resid_post", copy}});
  while (first < sequences.size()) {
    std::vector<model::Row> rows;
    int64_t tokens = 0;
    for (size_t i = first; i < sequences.size() && (rows.empty() || tokens < max_pass_tokens); ++i) {
      rows.push_back({sequences[i]});
      tokens += int64_t(sequences[i].size());
    }
    model::forward(model, model::pack(rows, c.vocab),
                   {.compute = compute, .taps = &plan, .logits = model::ForwardOptions::Logits::none});
    first += rows.size();
  }
  return result;
}

Tensor final_norm(const model::Model& model, const Tensor& states) {
  const Tensor x = states.reshape({-1, model.config.d_model}).contiguous();
  if (!model.ln_final.defined()) return states;
  const double eps = model.config.norm_eps;
  const Tensor y = model.ln_final_bias.defined()
                       ? nn::layer_norm(x, model.ln_final, model.ln_final_bias, eps, at::kFloat)
                       : nn::rms_norm(x, model.ln_final, eps, at::kFloat);
  return y.view(states.sizes());
}

Tensor word_vectors(const model::Model& model, const std::vector<std::vector<int32_t>>& words) {
  std::vector<Tensor> rows;
  for (const auto& word : words) {
    const std::vector<int64_t> ids(word.begin(), word.end());
    rows.push_back(nn::rows_of(model.output(), at::tensor(at::ArrayRef<int64_t>(ids))).mean(0));
  }
  return at::stack(rows);
}

Tensor kl(const Tensor& p_logits, const Tensor& q_logits) {
  const Tensor log_p = at::log_softmax(p_logits, -1);
  return (log_p.exp() * (log_p - at::log_softmax(q_logits, -1))).sum(-1);
}

Tensor ablate(const Tensor& h, const Tensor& directions, const Tensor& mean) {
  return h - at::mm(at::mm(h - mean, directions.t()), directions);
}

Basis causal_basis(const model::Model& model, const Lens& lens, int64_t layer, const Tensor& states, int64_t count,
                   uint64_t seed, nn::Compute compute) {
  constexpr int rounds = 16;
  const int64_t d = states.size(1);
  const Tensor mean = states.mean(0);
  Tensor plain;
  {
    const at::NoGradGuard no_gradients;
    plain = lens.read(model, layer, states, compute);
  }
  const auto effect = [&](const Tensor& v) {
    return kl(plain, lens.read(model, layer, ablate(states, v.unsqueeze(0), mean), compute)).mean();
  };
  Basis basis{at::zeros({count, d}), {}};
  Rng rng(seed, 3);
  for (int64_t k = 0; k < count; ++k) {
    const Tensor found = basis.directions.narrow(0, 0, k);
    const auto freed = [&](const Tensor& v) { return v - at::mv(found.t(), at::mv(found, v)); };
    Tensor v = at::empty({d});
    for (int64_t i = 0; i < d; ++i) v[i] = rng.normal();
    v = freed(v);
    v = v / v.norm();
    double best = -1;
    for (int round = 0; round < rounds; ++round) {
      const at::AutoGradMode with_gradients(true);
      const Tensor leaf = v.detach().requires_grad_();
      const Tensor value = effect(leaf);
      if (value.item<double>() > best) {
        best = value.item<double>();
        basis.directions[k].copy_(leaf.detach());
      }
      Tensor g = freed(torch::autograd::grad({value}, {leaf})[0]);
      g = g - leaf.detach() * g.dot(leaf.detach());
      // A step of a falling angle on the sphere towards the gradient.
      const double angle = 1.2 * std::pow(0.8, round);
      // Freed again: where hardly any gradient is left, dividing by its norm brings rounding back from what was taken.
      v = freed(leaf.detach() * std::cos(angle) + g / (g.norm() + 1e-12) * std::sin(angle));
      v = v / v.norm();
    }
    basis.influence.push_back(best);
  }
  return basis;
}

std::vector<std::string> layer_names(const model::Config& config) {
  std::vector<std::string> names{"embedding"};
  for (int64_t l = 1; l <= config.n_layers; ++l) names.push_back(std::to_string(l));
  return names;
}

Readings read_layers(const model::Model& model, const Lens& lens, const Tensor& states, const Tensor& targets,
                     nn::Compute compute) {
  const at::NoGradGuard plain;
  const int64_t n = states.size(0), layers = states.size(1);
  Readings r;
  for (Tensor* x : {&r.logprob, &r.rank, &r.entropy, &r.divergence}) *x = at::empty({n, layers}, at::kFloat);
  r.best = at::empty({n, layers}, at::kLong);
  const int64_t rows = std::max<int64_t>(16, logits_at_once / model.output().out);
  for (int64_t begin = 0; begin < n; begin += rows) {
    const int64_t m = std::min(rows, n - begin);
    const Tensor h = states.narrow(0, begin, m), target = targets.narrow(0, begin, m).unsqueeze(1);
    const Tensor last = at::log_softmax(lens.read(model, layers - 1, h.select(1, layers - 1), compute), -1);
    const Tensor p = last.exp();
    for (int64_t l = 0; l < layers; ++l) {
      const Tensor log_q = l + 1 == layers ? last : at::log_softmax(lens.read(model, l, h.select(1, l), compute), -1);
      const auto put = [&](Tensor& to, const Tensor& x) { to.select(1, l).narrow(0, begin, m).copy_(x); };
      const Tensor own = log_q.gather(1, target);
      put(r.logprob, own.squeeze(1));
      put(r.rank, (log_q > own).sum(-1));
      put(r.entropy, -(log_q.exp() * log_q).sum(-1));
      put(r.divergence, (p * (last - log_q)).sum(-1));
      put(r.best, log_q.argmax(-1));
    }
  }
  return r;
}

Tensor Readings::settled() const {
  const int64_t n = best.size(0), last = best.size(1) - 1;
  Tensor result = at::empty({n}, at::kLong);
  const auto rows = best.accessor<int64_t, 2>();
  for (int64_t i = 0; i < n; ++i) {
    int64_t layer = last;
    while (layer > 0 && rows[i][layer - 1] == rows[i][last]) --layer;
    result[i] = layer;
  }
  return result;
}

std::map<std::string, Tensor> tensors_of(const Lens& lens) {
  std::map<std::string, Tensor> result;
  for (size_t l = 0; l < lens.a.size(); ++l) {
    result[fmt::format("lens.{}.weight", l)] = lens.a[l];
    result[fmt::format("lens.{}.bias", l)] = lens.b[l];
  }
  return result;
}

void save(const Lens& lens, const fs::path& path) {
  std::map<std::string, Tensor> values;
  std::vector<io::TensorOut> tensors;
  for (const auto& [name, x] : tensors_of(lens)) {
    const Tensor& value = values[name] = x.to(at::kCPU, at::kFloat).contiguous();
    const auto* bytes = reinterpret_cast<const std::byte*>(value.data_ptr<float>());
    tensors.push_back({name, io::DType::f32, value.sizes().vec(), {bytes, size_t(value.numel()) * sizeof(float)}});
  }
  io::write_safetensors(path, {{"model_sha256", lens.model_sha256}}, tensors);
}

Lens load_lens(const fs::path& path, const model::Model& model) {
  const auto file = io::open_tensors(path);
  Lens lens;
  lens.model_sha256 = file->metadata.text("model_sha256", "");
  if (!lens.model_sha256.empty() && !model.sha256().empty() && lens.model_sha256 != model.sha256())
    fail("lens", "{} was fitted on the model with SHA-256 {:.12}, this one has {:.12}; fit a lens of this model",
         file->name, lens.model_sha256, model.sha256());
  const int64_t layers = model.config.n_layers, d = model.config.d_model;
  for (int64_t l = 0; l < layers; ++l) {
    lens.a.push_back(read_tensor(*file, fmt::format("lens.{}.weight", l), {d, d}));
    lens.b.push_back(read_tensor(*file, fmt::format("lens.{}.bias", l), {d}));
  }
  if (file->find(fmt::format("lens.{}.weight", layers)))
    fail("lens", "{} has translators of more than the {} layers of this model; fit a lens of this model", file->name,
         layers);
  return lens;
}

}  // namespace ken::readout
