// The one forward pass: prefill, cached decoding and training, plain or tapped, every architecture.
// Each activation is offered to the taps where it is made; a fused step is split where a tap replaced its inner value.
#include "ken/base/error.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/reference.h"
#include "ken/kernels/team.h"
#include "ken/model/partial.h"
#include "ken/nn/autograd.h"
#include "ken/nn/functions.h"

namespace ken::model {
namespace {

const TapPlan no_taps;
constexpr int64_t most_rows_of_a_step = 64;

// The norm of x as the family has it; x itself where it has none.
Tensor normed(const Config& config, const Tensor& x, const Tensor& gain, const Tensor& bias, at::ScalarType dtype) {
  if (!gain.defined()) return x.to(dtype);
  if (bias.defined()) return nn::layer_norm(x, gain, bias, config.norm_eps, dtype);
  return nn::rms_norm(x, gain, config.norm_eps, dtype);
}

struct Pass {
  const Model& model;
  const Batch& batch;
  const ForwardOptions& options;
  const TapPlan& taps;
  Tensor tokens, positions;
  at::ScalarType dtype;
  Tensor angles, local_angles, long_angles;  // of rope, for every layer
  Tensor long_rows;  // [T, 1, 1]: rows of sequences that longrope turns otherwise; undefined when there are none
  // The paged cache of this pass; rows without a cached id borrow a sequence until the pass ends.
  std::vector<int> cached;
  std::pair<Tensor, Tensor> table;  // its blocks and lengths

  Pass(const Model& m, const Batch& b, const ForwardOptions& o)
      : model(m),
        batch(b),
        options(o),
        taps(o.taps ? *o.taps : no_taps),
        tokens(b.tokens.to(m.device)),
        positions(b.positions.to(m.device)),
        dtype(nn::activation_type(o.compute)) {
    if (model.rope_long.defined()) find_long_rows();
    const auto angles_of = [&](const Tensor& f) { return kernels::rope_angles(positions, f); };
    if (!model.config.learned_positions) angles = angles_of(model.rope_frequencies);
    if (model.rope_local.defined()) local_angles = angles_of(model.rope_local);
    if (long_rows.defined()) long_angles = angles_of(model.rope_long);
    bool any = false;
    for (int id : batch.cached) any = any || id >= 0;
    if (!any) return;
    if (!options.cache) fail("forward", "the batch names cached rows, but no cache was given");
    cached = batch.cached;
    for (size_t s = 0; s < cached.size(); ++s) {
      if (cached[s] < 0) cached[s] = options.cache->open();
      options.cache->extend(cached[s], batch.end(int64_t(s)) - batch.begin(int64_t(s)));
    }
    table = options.cache->table(cached);
  }
  ~Pass() {
    for (size_t s = 0; s < cached.size(); ++s)
      if (batch.cached[s] < 0) options.cache->close(cached[s]);
  }
  Pass(const Pass&) = delete;

  void find_long_rows() {
    const Tensor rows = at::zeros({tokens.size(0), 1, 1}, at::kBool);
    bool any = false;
    for (int64_t s = 0; s < batch.sequences(); ++s) {
      if (batch.positions_of(s).empty() || batch.positions_of(s).back() < model.config.rope_original) continue;
      rows.narrow(0, batch.begin(s), batch.end(s) - batch.begin(s)).fill_(true);
      any = true;
    }
    if (any) long_rows = rows.to(model.device);
  }

  Tensor tap(Point point, int64_t layer, const Tensor& x) const { return taps.apply(point, layer, x, batch); }
  Tensor heads(const Tensor& x, int64_t n) const { return x.reshape({x.size(0), n, model.config.d_head}); }

  Tensor normed(const Tensor& x, const Tensor& gain, const Tensor& bias) const {
    return ken::model::normed(model.config, x, gain, bias, dtype);
  }
  // {x + delta, its norm}: in one step where both are of the usual kind.
  std::pair<Tensor, Tensor> summed(const Tensor& x, const Tensor& delta, const Tensor& gain, const Tensor& bias) const {
    if (gain.defined() && !bias.defined()) return nn::add_rms_norm(x, delta, gain, model.config.norm_eps, dtype);
    const Tensor sum = x + delta;
    return {sum, normed(sum, gain, bias)};
  }
  // {x + delta after its taps, its norm after its taps}
  std::pair<Tensor, Tensor> add_norm(const Tensor& x, const Tensor& delta, const Block& block, int64_t layer) const {
    auto [sum, y] = summed(x, delta, block.ln2, block.ln2_bias);
    const Tensor tapped = tap(Point::resid_mid, layer, sum);
    if (!tapped.is_same(sum)) y = normed(tapped, block.ln2, block.ln2_bias);
    return {tapped, tap(Point::ln2, layer, y)};
  }
  // A module's output as it is added to the stream.
  Tensor added(Point point, int64_t layer, const Tensor& out, const Tensor& post) const {
    return tap(point, layer,
               post.defined() ? nn::rms_norm(out.to(at::kFloat), post, model.config.norm_eps, dtype) : out);
  }

  // Keys or values that sequence s sees: its cached positions (constants), then its own rows of k or v.
  Tensor seen(decltype(kernels::reference::gather_keys) gather, const Tensor& pool, const Tensor& fresh,
              int64_t s) const {
    const int64_t n = batch.end(s) - batch.begin(s);
    const Tensor own = fresh.narrow(0, batch.begin(s), n);
    if (cached.empty()) return own;
    const auto& [blocks, lengths] = table;
    const int64_t past = lengths.data_ptr<int64_t>()[s] - n;
    if (past == 0) return own;
    const Tensor row = blocks.select(0, s).narrow(0, 0, (past + nn::KvCache::block - 1) / nn::KvCache::block);
    return at::cat({gather(pool, row.to(pool.device()), past).to(own.scalar_type()), own});
  }

  // Plain attention of one sequence, with its taps on scores and pattern.
  Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t l, int64_t s,
                         const kernels::Scores& how) const {
    const Tensor k_pool = cached.empty() ? Tensor() : options.cache->keys(l),
                 v_pool = cached.empty() ? Tensor() : options.cache->values(l);
    const Tensor keys = seen(kernels::reference::gather_keys, k_pool, k, s),
                 values = seen(kernels::reference::gather_values, v_pool, v, s);
    const auto rows =
        kernels::reference::attend(q.narrow(0, batch.begin(s), batch.end(s) - batch.begin(s)), keys, values, how);
    const Tensor scores = taps.apply(Point::scores, l, rows.scores, batch, int(s));
    Tensor pattern = scores.is_same(rows.scores) ? rows.pattern : at::softmax(scores, -1);
    pattern = taps.apply(Point::pattern, l, pattern, batch, int(s));
    return kernels::reference::mix(pattern, values, q.scalar_type());
  }

  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, int64_t l) const {
    const Config& c = model.config;
    const kernels::Scores how{c.attn_scale > 0 ? c.attn_scale : 1.0 / std::sqrt(double(c.d_head)), c.window(l),
                              c.attn_cap};
    const bool gradients = at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
    if (!cached.empty()) options.cache->write(l, table, batch.offsets, k, v);
    const bool tapped = taps.uses(Point::scores, l) || taps.uses(Point::pattern, l);
    Tensor z;
    if (cached.empty()) {
      z = nn::attention(q, k, v, batch.offsets, how);
    } else if (!gradients) {
      z = kernels::attention_paged(q, options.cache->keys(l), options.cache->values(l), table.first, table.second,
                                   batch.offsets, how);
    }
    if (z.defined() && !tapped) return z;
    std::vector<Tensor> parts;
    for (int64_t s = 0; s < batch.sequences(); ++s) {
      const bool own = taps.uses(Point::scores, l, int(s)) || taps.uses(Point::pattern, l, int(s)) || !z.defined();
      parts.push_back(own ? plain_attention(q, k, v, l, s, how)
                          : z.narrow(0, batch.begin(s), batch.end(s) - batch.begin(s)));
    }
    return at::cat(parts);
  }

  Tensor qk_normed(const Tensor& x, const Tensor& gain) const {
    if (!gain.defined()) return x;
    const Tensor rows = x.to(at::kFloat).reshape({-1, gain.size(0)});
    return nn::rms_norm(rows, gain, model.config.norm_eps, x.scalar_type()).reshape(x.sizes());
  }

  // q or k in its position at layer l.
  Tensor turned(const Tensor& x, int64_t l) const {
    const Config& c = model.config;
    if (c.learned_positions || (!c.rope_skip.empty() && c.rope_skip[size_t(l)])) return x;
    const bool local = model.rope_local.defined() && c.window(l) > 0;
    Tensor y = nn::rope(x, local ? local_angles : angles, c.rope_interleaved);
    if (local) return y;  // scaling is for the layers that see everything
    if (long_rows.defined()) y = at::where(long_rows, nn::rope(x, long_angles, c.rope_interleaved), y);
    if (c.rope_magnitude == 1) return y;
    const Tensor part = (y.narrow(2, 0, c.rope_width) * c.rope_magnitude).to(y.scalar_type());
    return at::cat({part, y.narrow(2, c.rope_width, c.d_head - c.rope_width)}, 2);
  }

  // The attention module on normed input; the raw output after the output projection.
  Tensor attention(const Tensor& n, const Block& block, int64_t l) const {
    const Config& c = model.config;
    const auto qkv = nn::linear_all(n, {&block.q, &block.k, &block.v}, options.compute);
    const Tensor q = tap(Point::q, l, heads(qkv[0], c.n_heads)), k = tap(Point::k, l, heads(qkv[1], c.n_kv_heads)),
                 v = tap(Point::v, l, heads(qkv[2], c.n_kv_heads));
    const Tensor rot_q = tap(Point::rot_q, l, turned(qk_normed(q, block.q_norm), l));
    const Tensor rot_k = tap(Point::rot_k, l, turned(qk_normed(k, block.k_norm), l));
    const Tensor z = tap(Point::z, l, attend(rot_q, rot_k, v, l));
    return tap(Point::attn_raw, l, nn::linear(z.reshape({z.size(0), c.n_heads * c.d_head}), block.o, options.compute));
  }

  Tensor activated(const Tensor& x) const {
    const Tensor y = x.to(at::kFloat);
    if (model.config.activation == Activation::silu) return at::silu(y);
    return at::gelu(y, model.config.activation == Activation::gelu ? "none" : "tanh");
  }
  Tensor gated(const Tensor& gate, const Tensor& up) const {
    if (model.config.activation == Activation::silu) return nn::swiglu(gate, up);
    return (activated(gate) * up).to(up.scalar_type());
  }

  // What gate and up make of x, where no tap looks at either.
  Tensor hidden(const Tensor& x, const nn::Matrix& gate, const nn::Matrix& up) const {
    if (model.config.activation == Activation::silu) return nn::swiglu_of(x, gate, up, options.compute);
    const auto in = nn::linear_all(x, {&gate, &up}, options.compute);
    return gated(in[0], in[1]);
  }

  Tensor mlp(const Tensor& n, const Block& block, int64_t l) const {
    if (!block.experts.empty()) return tap(Point::mlp_raw, l, mixture(n, block));
    Tensor post;
    if (model.config.gated && !taps.uses(Point::mlp_pre, l) && !taps.uses(Point::mlp_linear, l)) {
      post = hidden(n, block.gate, block.up);
    } else if (model.config.gated) {
      const auto in = nn::linear_all(n, {&block.gate, &block.up}, options.compute);
      post = gated(tap(Point::mlp_pre, l, in[0]), tap(Point::mlp_linear, l, in[1]));
    } else {
      const Tensor pre = tap(Point::mlp_pre, l, nn::linear(n, block.up, options.compute));
      post = activated(pre).to(pre.scalar_type());
    }
    return tap(Point::mlp_raw, l, nn::linear(tap(Point::mlp_post, l, post), block.down, options.compute));
  }

  // The best experts of each token, weighted by the softmax over theirs: each expert runs once, on its tokens.
  Tensor mixture(const Tensor& n, const Block& block) const {
    const Tensor scores = nn::linear(n, block.router, options.compute).to(at::kFloat);
    const auto [best, chosen] = scores.topk(model.config.n_experts_used, -1);  // [T, used]
    const Tensor weights = at::softmax(best, -1);
    Tensor out = at::zeros(n.sizes(), n.options().dtype(at::kFloat));
    for (size_t e = 0; e < block.experts.size(); ++e) {
      const Expert& expert = block.experts[e];
      const Tensor places = chosen.eq(int64_t(e)).nonzero();  // [tokens, {row, choice}]
      if (places.size(0) == 0) continue;
      const Tensor rows = places.select(1, 0), weight = weights.index({rows, places.select(1, 1)}).unsqueeze(1);
      const Tensor x = n.index_select(0, rows);
      const Tensor post = hidden(x, expert.gate, expert.up);
      out = out.index_add(0, rows, nn::linear(post, expert.down, options.compute).to(at::kFloat) * weight);
    }
    return out.to(dtype);
  }

  Tensor embedded() const {
    Tensor x = nn::rows_of(model.embed, tokens);
    if (model.config.embed_scale != 1) x = x * model.config.embed_scale;
    x = tap(Point::embed, 0, x);
    if (model.config.learned_positions) {
      const int64_t last = positions.numel() ? positions.max().item<int64_t>() : 0;
      if (last >= model.config.context)
        fail("forward", "position {} is beyond the {} that the model has learned; shorten the text", last,
             model.config.context);
      x = x + nn::rows_of(model.pos_embed, positions);
    }
    return tap(Point::resid_pre, 0, x);
  }

  Tensor run(const Start* start) const {
    const Config& c = model.config;
    const int64_t first = start ? start->layer : 0;
    Tensor x = start ? entered(*start) : embedded();
    if (first == c.n_layers) return tap(Point::ln_final, 0, normed(x, model.ln_final, model.ln_final_bias));
    const Block& entry = model.blocks[size_t(first)];
    Tensor n = tap(Point::ln1, first, normed(x, entry.ln1, entry.ln1_bias));
    const bool plain = taps.empty() && cached.empty() && at::GradMode::is_enabled();
    const int64_t keeps = options.kept_blocks >= 0 && plain ? options.kept_blocks : c.n_layers;
    for (int64_t l = first; l < c.n_layers; ++l)
      std::tie(x, n) = l < keeps ? after_block(x, n, l) : recomputed(x, n, l);
    return n;
  }

  // {x, its norm} behind block l, from those before it.
  std::pair<Tensor, Tensor> after_block(const Tensor& x, const Tensor& n, int64_t l) const {
    const Block& block = model.blocks[size_t(l)];
    const Tensor attn = added(Point::attn_out, l, attention(n, block, l), block.ln1_post);
    if (model.config.parallel) {
      const Tensor own = tap(Point::ln2, l, normed(x, block.ln2, block.ln2_bias));
      return end_of_block(x, attn + added(Point::mlp_out, l, mlp(own, block, l), block.ln2_post), l);
    }
    const auto [mid, own] = add_norm(x, attn, block, l);
    return end_of_block(mid, added(Point::mlp_out, l, mlp(own, block, l), block.ln2_post), l);
  }
  std::pair<Tensor, Tensor> recomputed(const Tensor& x, const Tensor& n, int64_t l) const;

  Tensor entered(const Start& start) const {
    const Config& c = model.config;
    if (start.layer < 0 || start.layer > c.n_layers)
      fail("forward", "a pass cannot start before layer {}; the model has layers 0 to {}", start.layer, c.n_layers - 1);
    if (start.resid.dim() != 2 || start.resid.size(0) != tokens.size(0) || start.resid.size(1) != c.d_model)
      fail("forward", "a pass over {} tokens starts from residual states [{}, {}]", tokens.size(0), tokens.size(0),
           c.d_model);
    const Tensor x = start.resid.to(model.device, at::kFloat).contiguous();
    return start.layer == c.n_layers ? x : tap(Point::resid_pre, start.layer, x);
  }

  // x + delta, offered as resid_post of block l and as resid_pre of the next, then the norm that follows.
  std::pair<Tensor, Tensor> end_of_block(const Tensor& x, const Tensor& delta, int64_t l) const {
    const bool final = l + 1 == model.config.n_layers;
    const Tensor& gain = final ? model.ln_final : model.blocks[size_t(l + 1)].ln1;
    const Tensor& bias = final ? model.ln_final_bias : model.blocks[size_t(l + 1)].ln1_bias;
    auto [sum, y] = summed(x, delta, gain, bias);
    Tensor tapped = tap(Point::resid_post, l, sum);
    if (!final) tapped = tap(Point::resid_pre, l + 1, tapped);
    if (!tapped.is_same(sum)) y = normed(tapped, gain, bias);
    return {tapped, tap(final ? Point::ln_final : Point::ln1, final ? 0 : l + 1, y)};
  }
};

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What a block's second pass needs; the model outlives the gradients.
struct Again : torch::CustomClassHolder {
  Again(const Pass& pass, int64_t layer) : model(pass.model), batch(pass.batch), options(pass.options), layer(layer) {}
  const Model& model;
  const Batch batch;
  const ForwardOptions options;
  const int64_t layer;
};

// Of a block only its input stays; when the gradient comes by, the block is computed again.
struct Recomputed : torch::autograd::Function<Recomputed> {
  // `any` asks for a gradient where x does not: the block's own parameters may want theirs.
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& /*any*/, const Tensor& n,
                               const Pass* pass, int64_t layer) {
    ctx->save_for_backward({x});
    ctx->saved_data["again"] = c10::IValue::make_capsule(c10::make_intrusive<Again>(*pass, layer));
    ctx->set_materialize_grads(false);
    const auto [y, norm] = pass->after_block(x, n, layer);
    return {y, norm};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto held = ctx->saved_data["again"].toCapsule();
    const auto& again = static_cast<const Again&>(*held);
    const Block& block = again.model.blocks[size_t(again.layer)];
    const at::AutoGradMode on(true);
    const Tensor x = ctx->get_saved_variables()[0].detach().set_requires_grad(true);
    const Pass pass(again.model, again.batch, again.options);
    const auto [y, norm] = pass.after_block(x, pass.normed(x, block.ln1, block.ln1_bias), again.layer);
    variable_list ends, gradients;
    for (const auto& [end, gradient] : {std::pair(y, grads[0]), std::pair(norm, grads[1])})
      if (gradient.defined()) ends.push_back(end), gradients.push_back(gradient);
    if (!ends.empty()) torch::autograd::backward(ends, gradients);
    return {x.grad(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

std::pair<Tensor, Tensor> Pass::recomputed(const Tensor& x, const Tensor& n, int64_t l) const {
  const Tensor any = at::empty({0}).set_requires_grad(true);
  const variable_list both = Recomputed::apply(x, any, n.detach(), this, l);
  return {both[0], both[1]};
}

}  // namespace

namespace {

// Whether the products of a pass are ken's own, which a team shares; torch's would run on one thread.
bool all_in_panels(const Model& model, nn::Compute compute) {
  const auto in_panels = [&](const nn::Matrix& w) { return !w.defined() || nn::in_panels(w, compute); };
  return in_panels(model.output()) && std::all_of(model.blocks.begin(), model.blocks.end(),
                                                  [&](const Block& b) { return in_panels(b.o) && in_panels(b.down); });
}

}  // namespace

Output forward(const Model& model, const Batch& batch, const ForwardOptions& options) {
  return forward(model, batch, options, nullptr);
}

Output forward(const Model& model, const Batch& batch, const ForwardOptions& options, const Start* start) {
  // Without gradients and taps nothing below asks autograd: its layers of the dispatcher are left out.
  c10::optional<at::AutoDispatchBelowADInplaceOrView> below;
  if (!at::GradMode::is_enabled() && (!options.taps || options.taps->empty())) below.emplace();
  Output output;
  const auto run = [&] {
    const Pass pass(model, batch, options);
    output.hidden = pass.run(start);
    if (options.logits == ForwardOptions::Logits::none) return;
    Tensor rows = output.hidden;
    if (options.logits == ForwardOptions::Logits::last)
      rows = rows.index_select(0, (batch.offsets.narrow(0, 1, batch.sequences()) - 1).to(model.device));
    output.logits = unembed(model, rows, options.compute);
  };
  if (below && batch.tokens.size(0) <= most_rows_of_a_step && all_in_panels(model, options.compute)) {
    kernels::Team::hold(run);
  } else {
    run();
  }
  return output;
}

Tensor unembed(const Model& model, const Tensor& rows, nn::Compute compute) {
  return nn::capped(nn::linear_f32(rows, model.output(), compute), model.config.final_cap);
}

Tensor read_out(const Model& model, const Tensor& resid, nn::Compute compute) {
  const auto dtype = nn::activation_type(compute);
  return unembed(model, normed(model.config, resid.to(at::kFloat), model.ln_final, model.ln_final_bias, dtype),
                 compute);
}

nn::KvCache make_cache(const Model& model, nn::Compute compute) {
  if (model.int8_cache && (compute == nn::Compute::f32 || !model.device.is_cpu()))
    fail_usage("cache", "keys and values in int8 are for fast arithmetic on the CPU; give --compute fast");
  return nn::KvCache(model.config.n_layers, model.config.n_kv_heads, model.config.d_head,
                     model.int8_cache ? at::kChar : nn::activation_type(compute), model.device);
}

}  // namespace ken::model
