// Random models: named shapes, their weights, and a tokenizer that fits them.
#include "ken/model/random.h"

#include <cmath>

#include "ken/base/error.h"
#include "ken/base/registry.h"
#include "ken/base/rng.h"

namespace ken::model {
namespace {

struct Shape {
  const char* name;
  Config config;
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = [] {
    Config small{.n_layers = 12, .d_model = 768, .n_heads = 12, .n_kv_heads = 12, .d_head = 64, .d_ff = 2048};
    small.vocab = 32000, small.context = 2048, small.rope_width = 64;
    Config large = small;
    large.n_layers = 22, large.d_model = 2048, large.n_heads = 32, large.n_kv_heads = 4, large.d_ff = 5632;
    Config gpt2{.arch = "gpt2", .n_layers = 12, .d_model = 768, .n_heads = 12, .n_kv_heads = 12, .d_head = 64};
    gpt2.d_ff = 3072, gpt2.vocab = 50257, gpt2.context = 1024, gpt2.tied = true;
    gpt2.learned_positions = true, gpt2.rope_width = 0, gpt2.norm = NormKind::layer, gpt2.gated = false;
    gpt2.activation = Activation::gelu_tanh, gpt2.qkv_bias = gpt2.out_bias = gpt2.mlp_bias = true;
    Config tiny = small;
    tiny.n_layers = 2, tiny.d_model = 256, tiny.n_heads = tiny.n_kv_heads = 4, tiny.d_ff = 768, tiny.vocab = 512;
    return std::vector<Shape>{{"llama-125m", small}, {"llama-1b", large}, {"gpt2-124m", gpt2}, {"llama-2m", tiny}};
  }();
  return all;
}

// almanac.md's scales: embedding 0.05, inputs 0.7 / sqrt(fan-in), outputs 1 / sqrt(fan-in) / sqrt(2 L).
double scale_of(const Config& c, const std::string& name, double fan_in) {
  if (name.ends_with("W_E") || name.ends_with("W_U")) return 0.05;
  const bool output = name.ends_with("W_O") || name.ends_with("W_out");
  return (output ? 1 / std::sqrt(2.0 * double(c.n_layers)) : 0.7) / std::sqrt(fan_in);
}

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const Shape& shape : shapes()) names.push_back(shape.name);
  return names;
}

Config named_shape(const std::string& name) {
  for (const Shape& shape : shapes()) {
    if (shape.name != name) continue;
    Config config = shape.config;
    config.name = name;
    return config;
  }
  fail_usage("bench", "{}", unknown_name("shape", name, shape_names()));
}

Tensor random_weights(const Config& config, const std::string& name, const nn::Matrix& shape, uint64_t seed,
                      uint64_t index) {
  const double scale = scale_of(config, name, double(shape.in));
  const Tensor weights = at::empty({shape.out, shape.in}, at::kFloat);
  float* x = weights.data_ptr<float>();
  // A normal number takes one block of the counter, so the threads draw what one would draw in a row.
  at::parallel_for(0, weights.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
    Rng rng(seed, index, uint64_t(begin));
    for (int64_t i = begin; i < end; ++i) x[i] = float(rng.normal() * scale);
  });
  return weights;
}

std::shared_ptr<Model> make_random(const Config& config, uint64_t seed) {
  auto m = frame(config);
  uint64_t index = 0;
  for (auto& [name, w] : m->matrices()) {
    w->name = name;
    w->data = random_weights(config, name, *w, seed, index++);
  }
  return m;
}

io::Metadata byte_tokenizer(const Config& config) {
  text::BpeVocab vocab = text::train_bpe({}, {"<s>", "</s>"}, 258);
  while (int64_t(vocab.tokens.size()) < config.vocab) {
    vocab.tokens.push_back("t" + std::to_string(vocab.tokens.size()));
    vocab.types.push_back(1);
  }
  io::Metadata metadata;
  text::put_tokenizer(metadata, vocab, "gpt-2", false, "<s>", "</s>");
  return metadata;
}

}  // namespace ken::model
