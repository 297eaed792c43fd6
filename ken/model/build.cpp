// A model's parts from its config: their shapes, names and rope frequencies, before any weight is there.
#include <cmath>

#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model {
namespace {

// base^(-2i / width) / factor, [rope_width / 2] f32.
Tensor frequencies(const Config& c, double base, double scale, const std::vector<float>& factors) {
  Tensor f = at::empty({c.rope_width / 2}, at::kFloat);
  for (int64_t i = 0; i < c.rope_width / 2; ++i) {
    const double plain = std::pow(base, -2.0 * double(i) / double(c.rope_width)) / scale;
    f.data_ptr<float>()[i] = float(factors.empty() ? plain : plain / factors[size_t(i)]);
  }
  return f;
}

void set_shape(nn::Matrix& w, int64_t out, int64_t in) { w.out = out, w.in = in; }
// One number seen n times.
Tensor ones(int64_t n) { return at::ones({1}, at::kFloat).expand({n}); }
Tensor zeros(int64_t n) { return at::zeros({1}, at::kFloat).expand({n}); }

void frame_block(const Config& c, Block& b) {
  const int64_t d = c.d_model, q = c.n_heads * c.d_head, kv = c.n_kv_heads * c.d_head;
  set_shape(b.q, q, d), set_shape(b.k, kv, d), set_shape(b.v, kv, d), set_shape(b.o, d, q);
  if (c.qkv_bias) b.q.bias = zeros(q), b.k.bias = zeros(kv), b.v.bias = zeros(kv);
  if (c.out_bias) b.o.bias = zeros(d);
  const auto mlp = [&](nn::Matrix& gate, nn::Matrix& up, nn::Matrix& down) {
    if (c.gated) set_shape(gate, c.d_ff, d);
    set_shape(up, c.d_ff, d), set_shape(down, d, c.d_ff);
    if (!c.mlp_bias) return;
    if (c.gated) gate.bias = zeros(c.d_ff);
    up.bias = zeros(c.d_ff), down.bias = zeros(d);
  };
  if (c.n_experts > 0) {
    set_shape(b.router, c.n_experts, d);
    b.experts.resize(size_t(c.n_experts));
    for (Expert& e : b.experts) mlp(e.gate, e.up, e.down);
  } else {
    mlp(b.gate, b.up, b.down);
  }
  if (c.pre_norm) b.ln1 = ones(d), b.ln2 = ones(d);
  if (c.pre_norm && c.norm == NormKind::layer) b.ln1_bias = zeros(d), b.ln2_bias = zeros(d);
  if (c.post_norm) b.ln1_post = ones(d), b.ln2_post = ones(d);
  if (c.qk_norm == QkNorm::head) b.q_norm = ones(c.d_head), b.k_norm = ones(c.d_head);
  if (c.qk_norm == QkNorm::whole) b.q_norm = ones(q), b.k_norm = ones(kv);
}

// An infinite or negative number would compute nonsense in silence.
void check_numbers(const Config& c) {
  const std::pair<double, const char*> positive[] = {{c.rope_base, "rope's base"},
                                                     {c.rope_scale, "rope's scale"},
                                                     {c.rope_magnitude, "rope's magnitude"},
                                                     {c.embed_scale, "the embedding's scale"}};
  const std::pair<double, const char*> others[] = {{c.rope_local_base, "rope's base at layers with a window"},
                                                   {c.attn_scale, "the query's scale"},
                                                   {c.attn_cap, "the cap on scores"},
                                                   {c.final_cap, "the cap on logits"}};
  for (const auto& [value, name] : positive)
    if (!(value > 0 && std::isfinite(value))) fail("model", "{} is {}; it must be positive", name, value);
  for (const auto& [value, name] : others)
    if (!(value >= 0 && std::isfinite(value))) fail("model", "{} is {}; it must not be negative", name, value);
  for (const auto* factors : {&c.rope_factors, &c.rope_long_factors}) {
    if (!factors->empty() && int64_t(factors->size()) != c.rope_width / 2)
      fail("model", "{} rope factors for {} frequencies", factors->size(), c.rope_width / 2);
    for (const float factor : *factors)
      if (!(factor > 0 && std::isfinite(factor))) fail("model", "a rope factor of {}; it must be positive", factor);
  }
}

}  // namespace

void check(const Config& c) {
  const auto positive = [](int64_t value, const char* name, int64_t most) {
    if (value < 1 || value > most) fail("model", "{} is {}; it must lie in 1..{}", name, value, most);
  };
  positive(c.n_layers, "the number of layers", 4096);
  positive(c.d_model, "d_model", 1 << 20);
  positive(c.n_heads, "the number of heads", 1 << 16);
  positive(c.n_kv_heads, "the number of key/value heads", c.n_heads);
  positive(c.d_head, "the head width", 1 << 14);
  positive(c.d_ff, "the feed-forward width", 1 << 22);
  positive(c.vocab, "the vocabulary size", 1 << 24);
  positive(c.context, "the context length", int64_t{1} << 31);
  if (c.n_heads % c.n_kv_heads != 0)
    fail("model", "{} heads cannot share {} key/value heads evenly", c.n_heads, c.n_kv_heads);
  if (c.rope_width < (c.learned_positions ? 0 : 2) || c.rope_width > c.d_head || c.rope_width % 2)
    fail("model", "rope turns {} of {} values; it takes an even number up to the head width", c.rope_width, c.d_head);
  if (!(c.norm_eps > 0 && c.norm_eps < 1)) fail("model", "the norm's epsilon is {}; it must lie in (0, 1)", c.norm_eps);
  check_numbers(c);
  const auto by_layer = [&](size_t size, const char* name) {
    if (size != 0 && int64_t(size) != c.n_layers) fail("model", "{} {} for {} layers", size, name, c.n_layers);
  };
  by_layer(c.windows.size(), "attention windows"), by_layer(c.rope_skip.size(), "rope switches");
  for (const int64_t window : c.windows)
    if (window < 0) fail("model", "an attention window of {} keys", window);
  if (c.n_experts != 0) {
    positive(c.n_experts, "the number of experts", 1024);
    positive(c.n_experts_used, "the number of experts used", c.n_experts);
    positive(c.n_experts * c.n_layers, "the number of experts in all layers", 1 << 14);
  }
}

std::shared_ptr<Model> frame(const Config& c) {
  auto m = outline(c);
  for (auto& [name, w] : m->matrices())
    if (w->bias.defined()) w->bias = w->bias.contiguous();
  for (auto& [name, g] : m->gains()) *g = g->contiguous();
  return m;
}

std::shared_ptr<Model> outline(const Config& c) {
  check(c);
  auto m = std::make_shared<Model>();
  m->config = c;
  m->blocks.resize(size_t(c.n_layers));
  m->rope_frequencies = frequencies(c, c.rope_base, c.rope_scale, c.rope_factors);
  if (!c.rope_long_factors.empty()) m->rope_long = frequencies(c, c.rope_base, c.rope_scale, c.rope_long_factors);
  if (c.rope_local_base > 0) m->rope_local = frequencies(c, c.rope_local_base, 1, {});
  set_shape(m->embed, c.vocab, c.d_model);
  if (!c.tied) set_shape(m->unembed, c.vocab, c.d_model);
  if (c.learned_positions) set_shape(m->pos_embed, c.context, c.d_model);
  for (Block& b : m->blocks) frame_block(c, b);
  m->ln_final = ones(c.d_model);
  if (c.norm == NormKind::layer) m->ln_final_bias = zeros(c.d_model);
  return m;
}

int64_t Model::parameters() const {
  int64_t n = 0;
  auto* self = const_cast<Model*>(this);
  for (const auto& [name, w] : self->matrices()) n += w->out * w->in + (w->bias.defined() ? w->bias.numel() : 0);
  for (const auto& [name, g] : self->gains()) n += g->numel();
  return n;
}

std::vector<std::pair<std::string, nn::Matrix*>> Model::matrices() {
  std::vector<std::pair<std::string, nn::Matrix*>> result;
  const auto add = [&](std::string name, nn::Matrix& w) {
    if (w.out > 0) result.emplace_back(std::move(name), &w);
  };
  add("embed.W_E", embed), add("pos_embed.W_pos", pos_embed);
  for (size_t l = 0; l < blocks.size(); ++l) {
    Block& b = blocks[l];
    const std::string at = fmt::format("blocks.{}.", l);
    add(at + "attn.W_Q", b.q), add(at + "attn.W_K", b.k), add(at + "attn.W_V", b.v), add(at + "attn.W_O", b.o);
    add(at + "mlp.W_gate", b.gate), add(at + "mlp.W_in", b.up), add(at + "mlp.W_out", b.down);
    add(at + "mlp.W_router", b.router);
    for (size_t e = 0; e < b.experts.size(); ++e) {
      const std::string expert = fmt::format("{}mlp.experts.{}.", at, e);
      add(expert + "W_gate", b.experts[e].gate), add(expert + "W_in", b.experts[e].up),
          add(expert + "W_out", b.experts[e].down);
    }
  }
  add("unembed.W_U", unembed);
  return result;
}

std::vector<std::pair<std::string, Tensor*>> Model::gains() {
  std::vector<std::pair<std::string, Tensor*>> result;
  const auto add = [&](std::string name, Tensor& gain) {
    if (gain.defined()) result.emplace_back(std::move(name), &gain);
  };
  for (size_t l = 0; l < blocks.size(); ++l) {
    Block& b = blocks[l];
    const std::string at = fmt::format("blocks.{}.", l);
    add(at + "ln1.w", b.ln1), add(at + "ln1.b", b.ln1_bias), add(at + "ln1_post.w", b.ln1_post);
    add(at + "attn.q_norm.w", b.q_norm), add(at + "attn.k_norm.w", b.k_norm);
    add(at + "ln2.w", b.ln2), add(at + "ln2.b", b.ln2_bias), add(at + "ln2_post.w", b.ln2_post);
  }
  add("ln_final.w", ln_final), add("ln_final.b", ln_final_bias);
  return result;
}

nn::Matrix& Model::matrix(const std::string& name) {
  std::vector<std::string> known;
  for (auto& [candidate, w] : matrices()) {
    if (candidate == name) return *w;
    known.push_back(candidate);
  }
  fail_usage("model", "{}", unknown_name("matrix", name, known));
}

}  // namespace ken::model
