// The one forward pass: prefill, cached decoding and training, plain or tapped, every architecture.
// Each activation is offered to the taps where it is made; a fused step is split where a tap replaced its inner value.
#include "ken/base/error.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/reference.h"
#include "ken/model/model.h"
#include "ken/nn/functions.h"

namespace ken::model {
namespace {

const TapPlan no_taps;

struct Pass {
  const Model& model;
  const Batch& batch;
  const ForwardOptions& options;
  const TapPlan& taps;
  Tensor tokens, positions;
  at::ScalarType dtype;
  // The paged cache of this pass; rows without a cached id borrow a sequence until the pass ends.
  std::vector<int> cached;
  Tensor table, lengths;

  Pass(const Model& m, const Batch& b, const ForwardOptions& o)
      : model(m),
        batch(b),
        options(o),
        taps(o.taps ? *o.taps : no_taps),
        tokens(b.tokens.to(m.device)),
        positions(b.positions.to(m.device)),
        dtype(nn::activation_type(o.compute)) {
    bool any = false;
    for (int id : batch.cached) any = any || id >= 0;
    if (!any) return;
    if (!options.cache) fail("forward", "the batch names cached rows, but no cache was given");
    cached = batch.cached;
    for (size_t s = 0; s < cached.size(); ++s) {
      if (cached[s] < 0) cached[s] = options.cache->open();
      options.cache->extend(cached[s], batch.end(int64_t(s)) - batch.begin(int64_t(s)));
    }
    std::tie(table, lengths) = options.cache->table(cached);
  }
  ~Pass() {
    for (size_t s = 0; s < cached.size(); ++s)
      if (batch.cached[s] < 0) options.cache->close(cached[s]);
  }
  Pass(const Pass&) = delete;

  Tensor tap(Point point, int64_t layer, const Tensor& x) const { return taps.apply(point, layer, x, batch); }
  Tensor heads(const Tensor& x, int64_t n) const { return x.reshape({x.size(0), n, model.config.d_head}); }

  // {x + delta after the taps at `point`, its norm after the taps at `normed`}
  std::pair<Tensor, Tensor> add_norm(const Tensor& x, const Tensor& delta, const Tensor& gain, Point point,
                                     Point normed, int64_t layer) const {
    auto [sum, y] = nn::add_rms_norm(x, delta, gain, model.config.norm_eps, dtype);
    const Tensor tapped = tap(point, layer, sum);
    if (!tapped.is_same(sum)) y = nn::rms_norm(tapped, gain, model.config.norm_eps, dtype);
    return {tapped, tap(normed, layer, y)};
  }

  // Keys and values that sequence s sees: its cached positions (constants), then its own rows of k or v.
  Tensor seen(const Tensor& pool, const Tensor& fresh, int64_t s) const {
    const int64_t n = batch.end(s) - batch.begin(s);
    const Tensor own = fresh.narrow(0, batch.begin(s), n);
    if (cached.empty()) return own;
    const int64_t past = lengths.data_ptr<int64_t>()[s] - n;
    if (past == 0) return own;
    return at::cat(
        {kernels::reference::gather_pages(
             pool,
             table.select(0, s).narrow(0, 0, (past + nn::KvCache::block - 1) / nn::KvCache::block).to(pool.device()),
             past)
             .to(own.scalar_type()),
         own});
  }

  // Plain attention of one sequence, with its taps on scores and pattern.
  Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t l, int64_t s, double scale) const {
    const Tensor kpool = cached.empty() ? Tensor() : options.cache->keys(l),
                 vpool = cached.empty() ? Tensor() : options.cache->values(l);
    const Tensor values = seen(vpool, v, s);
    const auto rows = kernels::reference::attend(q.narrow(0, batch.begin(s), batch.end(s) - batch.begin(s)),
                                                 seen(kpool, k, s), values, scale);
    const Tensor scores = taps.apply(Point::scores, l, rows.scores, batch, int(s));
    Tensor pattern = scores.is_same(rows.scores) ? rows.pattern : at::softmax(scores, -1);
    pattern = taps.apply(Point::pattern, l, pattern, batch, int(s));
    return kernels::reference::mix(pattern, values, q.scalar_type());
  }

  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, int64_t l) const {
    const double scale = 1.0 / std::sqrt(double(model.config.d_head));
    const bool gradients = at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
    if (!cached.empty()) options.cache->write(l, cached, batch.offsets, k, v);
    const bool tapped = taps.uses(Point::scores, l) || taps.uses(Point::pattern, l);
    Tensor z;
    if (cached.empty()) {
      z = nn::attention(q, k, v, batch.offsets, scale);
    } else if (!gradients) {
      z = kernels::attention_paged(q, options.cache->keys(l), options.cache->values(l), table, lengths, batch.offsets,
                                   scale);
    }
    if (z.defined() && !tapped) return z;
    std::vector<Tensor> parts;
    for (int64_t s = 0; s < batch.sequences(); ++s) {
      const bool own = taps.uses(Point::scores, l, int(s)) || taps.uses(Point::pattern, l, int(s)) || !z.defined();
      parts.push_back(own ? plain_attention(q, k, v, l, s, scale)
                          : z.narrow(0, batch.begin(s), batch.end(s) - batch.begin(s)));
    }
    return at::cat(parts);
  }

  // The attention module on normed input; the raw output after the output projection.
  Tensor attention(const Tensor& n, const Block& block, int64_t l) const {
    const Config& c = model.config;
    const Tensor q = tap(Point::q, l, heads(nn::linear(n, block.q, options.compute), c.n_heads));
    const Tensor k = tap(Point::k, l, heads(nn::linear(n, block.k, options.compute), c.n_kv_heads));
    const Tensor v = tap(Point::v, l, heads(nn::linear(n, block.v, options.compute), c.n_kv_heads));
    const Tensor rot_q = tap(Point::rot_q, l, nn::rope(q, positions, model.rope_frequencies, c.rope_interleaved));
    const Tensor rot_k = tap(Point::rot_k, l, nn::rope(k, positions, model.rope_frequencies, c.rope_interleaved));
    const Tensor z = tap(Point::z, l, attend(rot_q, rot_k, v, l));
    return tap(Point::attn_raw, l, nn::linear(z.reshape({z.size(0), c.n_heads * c.d_head}), block.o, options.compute));
  }

  Tensor mlp(const Tensor& n, const Block& block, int64_t l) const {
    const Tensor gate = tap(Point::mlp_pre, l, nn::linear(n, block.gate, options.compute));
    const Tensor up = tap(Point::mlp_linear, l, nn::linear(n, block.up, options.compute));
    const Tensor post = tap(Point::mlp_post, l, nn::swiglu(gate, up));
    return tap(Point::mlp_raw, l, nn::linear(post, block.down, options.compute));
  }

  Tensor run() const {
    const Config& c = model.config;
    Tensor x = tap(Point::embed, 0, nn::rows_of(model.embed, tokens));
    x = tap(Point::resid_pre, 0, x);
    Tensor n = tap(Point::ln1, 0, nn::rms_norm(x, model.blocks[0].ln1, c.norm_eps, dtype));
    for (int64_t l = 0; l < c.n_layers; ++l) {
      const Block& block = model.blocks[size_t(l)];
      const Tensor attn = tap(Point::attn_out, l, attention(n, block, l));
      std::tie(x, n) = add_norm(x, attn, block.ln2, Point::resid_mid, Point::ln2, l);
      const Tensor out = tap(Point::mlp_out, l, mlp(n, block, l));
      std::tie(x, n) = end_of_block(x, out, l);
    }
    return n;
  }

  // x + delta, offered as resid_post of block l and as resid_pre of the next, then the norm that follows.
  std::pair<Tensor, Tensor> end_of_block(const Tensor& x, const Tensor& delta, int64_t l) const {
    const bool final = l + 1 == model.config.n_layers;
    const Tensor& gain = final ? model.ln_final : model.blocks[size_t(l + 1)].ln1;
    auto [sum, y] = nn::add_rms_norm(x, delta, gain, model.config.norm_eps, dtype);
    Tensor tapped = tap(Point::resid_post, l, sum);
    if (!final) tapped = tap(Point::resid_pre, l + 1, tapped);
    if (!tapped.is_same(sum)) y = nn::rms_norm(tapped, gain, model.config.norm_eps, dtype);
    return {tapped, tap(final ? Point::ln_final : Point::ln1, final ? 0 : l + 1, y)};
  }
};

}  // namespace

Output forward(const Model& model, const Batch& batch, const ForwardOptions& options) {
  const Pass pass(model, batch, options);
  Output output;
  output.hidden = pass.run();
  if (options.logits == ForwardOptions::Logits::none) return output;
  Tensor rows = output.hidden;
  if (options.logits == ForwardOptions::Logits::last) {
    rows = rows.index_select(0, (batch.offsets.narrow(0, 1, batch.sequences()) - 1).to(model.device));
  }
  output.logits = nn::linear(rows, model.output(), options.compute).to(at::kFloat);
  return output;
}

nn::KvCache make_cache(const Model& model) {
  return nn::KvCache(model.config.n_layers, model.config.n_kv_heads, model.config.d_head, model.device);
}

}  // namespace ken::model
