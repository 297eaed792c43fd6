// Training of sparse autoencoders on centred rows with E |x|^2 = 1. Loss, over n rows:
//   L = 1/n sum |x - x^|^2 + what makes z sparse, and for dead features an auxiliary loss.
// relu: lambda 1/n sum |z| (Bricken et al. 2023), dead features begin again at badly explained inputs.
// topk: the k largest of a row (Gao et al., arXiv 2406.04093). batchtopk: the n k largest of the batch (Bussmann et
// al., arXiv 2412.06410); a running mean of the least active value becomes the threshold. Both: dead features explain
// the residual, |e - e^|^2 with e^ from the d/2 largest of them (AuxK, 2406.04093).
// jumprelu: z = y H(y - theta), lambda (L0 / k - 1)^2, with straight-through estimators for theta
// (Rajamanoharan et al., arXiv 2407.14435).
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/nn/cpu.h"
#include "ken/nn/sparse_code.h"
#include "ken/readout/sae.h"

namespace ken::readout {
namespace {

constexpr float adam_epsilon = 6.25e-10f;  // of arXiv 2406.04093: gradients of means over rows are small
constexpr double threshold_rate = 0.01;    // of the running mean of batchtopk's least active value, once settled

const float* floats(const Tensor& x) { return x.data_ptr<float>(); }
float* floats_(const Tensor& x) { return x.data_ptr<float>(); }
uint16_t* halves(const Tensor& x) { return reinterpret_cast<uint16_t*>(x.data_ptr<at::BFloat16>()); }

// Entries (row, feature, value), by row: a batch's active features, and for jumprelu those near their threshold.
struct Code {
  std::vector<int64_t> begin;  // [n + 1]
  std::vector<int32_t> feature;
  std::vector<float> value;  // y = pre-activation
  int64_t rows() const { return int64_t(begin.size()) - 1; }
  size_t size() const { return value.size(); }
};

// The same entries by feature: `entry` points into the code.
struct ByFeature {
  std::vector<int64_t> begin;  // [m + 1]
  std::vector<int32_t> row, entry;
};

ByFeature by_feature(const Code& code, int64_t m) {
  ByFeature t;
  t.begin.assign(size_t(m) + 1, 0);
  for (const int32_t f : code.feature) ++t.begin[size_t(f) + 1];
  std::partial_sum(t.begin.begin(), t.begin.end(), t.begin.begin());
  t.row.resize(code.size());
  t.entry.resize(code.size());
  std::vector<int64_t> next(t.begin.begin(), t.begin.end() - 1);
  for (int64_t i = 0; i < code.rows(); ++i)
    for (int64_t e = code.begin[size_t(i)]; e < code.begin[size_t(i) + 1]; ++e) {
      const auto to = size_t(next[size_t(code.feature[size_t(e)])]++);
      t.row[to] = int32_t(i);
      t.entry[to] = int32_t(e);
    }
  return t;
}

// What finds the entries of one row; it returns how many.
using RowEntries = std::function<int64_t(int64_t row, float* scratch, int32_t* feature, float* value)>;

Code code_of(int64_t n, int64_t m, const RowEntries& entries) {
  constexpr int64_t stretch = 32;  // rows that a thread takes at once
  const int64_t stretches = (n + stretch - 1) / stretch;
  struct Part {
    std::vector<int32_t> feature;
    std::vector<float> value;
  };
  std::vector<Part> parts(static_cast<size_t>(stretches));
  std::vector<int64_t> counts(size_t(n) + 1, 0);
  at::parallel_for(0, stretches, 1, [&](int64_t first, int64_t last) {
    std::vector<float> scratch(size_t(2 * m + 64)), value(size_t(m) + 1);
    std::vector<int32_t> feature(size_t(m) + 1);
    for (int64_t s = first; s < last; ++s)
      for (int64_t i = s * stretch; i < std::min(n, (s + 1) * stretch); ++i) {
        const int64_t count = entries(i, scratch.data(), feature.data(), value.data());
        Part& part = parts[size_t(s)];
        part.feature.insert(part.feature.end(), feature.begin(), feature.begin() + count);
        part.value.insert(part.value.end(), value.begin(), value.begin() + count);
        counts[size_t(i) + 1] = count;
      }
  });
  Code code;
  std::partial_sum(counts.begin(), counts.end(), counts.begin());
  code.begin = std::move(counts);
  for (const Part& part : parts) {
    code.feature.insert(code.feature.end(), part.feature.begin(), part.feature.end());
    code.value.insert(code.value.end(), part.value.begin(), part.value.end());
  }
  return code;
}

// Only the `most` largest of all entries, whichever rows they are in; returns the least that is kept.
float keep_largest(Code& code, size_t most) {
  if (code.size() <= most) return code.size() ? *std::min_element(code.value.begin(), code.value.end()) : 0;
  std::vector<float> values = code.value;
  std::nth_element(values.begin(), values.begin() + long(most) - 1, values.end(), std::greater<float>());
  const float least = values[most - 1];
  auto equal = int64_t(most);
  for (const float v : code.value) equal -= v > least;
  size_t to = 0, e = 0;
  for (size_t i = 0; i + 1 < code.begin.size(); ++i) {
    const auto end = size_t(code.begin[i + 1]);
    code.begin[i] = int64_t(to);
    for (; e < end; ++e) {
      if (code.value[e] < least || (code.value[e] == least && equal-- <= 0)) continue;
      code.feature[to] = code.feature[e];
      code.value[to++] = code.value[e];
    }
  }
  code.begin.back() = int64_t(to);
  code.feature.resize(to);
  code.value.resize(to);
  return least;
}

double normal_quantile(double p) {
  return std::sqrt(2.0) * at::erfinv(at::tensor(2 * p - 1, at::kDouble)).item<double>();
}

Tensor random_directions(int64_t m, int64_t d, uint64_t seed) {
  Tensor rows = at::empty({m, d}, at::kFloat);
  for (int64_t j = 0; j < m; ++j) {
    Rng rng(seed, uint64_t(j));
    float* row = floats_(rows) + j * d;
    for (int64_t i = 0; i < d; ++i) row[i] = float(rng.normal());
    nn::to_unit(row, d);
  }
  return rows;
}

}  // namespace

struct SaeTrainer::Impl {
  SaeTraining o;
  int64_t d, m, total, done = 0;
  double scale = 1, running_threshold = 0, first_theta = 0.001;
  Tensor centre;                             // [d]
  Tensor enc, dec, b_enc, b_dec, log_theta;  // [m, d], [m, d], [m], [d], [m]; enc by rows
  Tensor enc_m, enc_v, dec_m, dec_v;         // Adam's moments
  Tensor be_m, be_v, bd_m, bd_v, th_m, th_v;
  Tensor shadow;  // [m, d] bf16 of enc; undefined in f32 arithmetic
  Tensor quiet;   // [m] rows since a feature fired
  std::vector<int64_t> dead;

  bool top() const { return o.kind == SaeKind::topk || o.kind == SaeKind::batchtopk; }
  bool jump() const { return o.kind == SaeKind::jumprelu; }

  // One batch while it is worked on.
  struct Batch {
    Tensor x;    // [n, d] centred and scaled
    Tensor pre;  // [n, m] without bias, bf16 or f32
    Code code;
    std::vector<float> z;      // [entries] y where active, else 0
    std::vector<float> gz;     // [entries] dL/dy
    Tensor error;              // [n, d] x^ - x
    std::vector<float> slope;  // [entries] error . decoder row
    double square = 0, active = 0;
  };

  Impl(const SaeTraining& options, const Tensor& sample) : o(options), d(sample.size(1)), m(options.features) {
    if (m < 1 || o.batch < 1 || o.tokens < o.batch)
      fail_usage("sae", "{} features, {} tokens and batches of {} cannot be trained; give at least one of each", m,
                 o.tokens, o.batch);
    if (o.kind != SaeKind::relu && (o.k < 1 || o.k > m))
      fail_usage("sae", "k is {}, but there are {} features; give 1 to {}", o.k, m, m);
    total = (o.tokens + o.batch - 1) / o.batch;
    centre = sample.mean(0);
    scale = 1 / std::sqrt(std::max(1e-30, (sample - centre).square().sum(1).mean().item<double>()));
    dec = random_directions(m, d, o.seed);
    // Half of m random features are active at first where nothing cuts them off; together they then give about x.
    enc = dec * (o.kind == SaeKind::relu ? std::min(1.0, 2 * double(d) / double(m)) : 1.0);
    // Pre-activations of random directions are about normal with 1 / sqrt(d): k of m lie above at first. From a tiny
    // threshold, its logarithm would take more steps than short runs have.
    if (jump()) first_theta = std::max(0.001, normal_quantile(1 - double(o.k) / double(m)) / std::sqrt(double(d)));
    b_enc = at::zeros({m});
    b_dec = at::zeros({d});
    log_theta = at::full({m}, std::log(first_theta));
    for (Tensor* t : {&enc_m, &enc_v, &dec_m, &dec_v}) *t = at::zeros({m, d});
    for (Tensor* t : {&be_m, &be_v, &th_m, &th_v, &quiet}) *t = at::zeros({m});
    for (Tensor* t : {&bd_m, &bd_v}) *t = at::zeros({d});
    if (o.compute == nn::Compute::fast && nn::multiplies_bf16()) shadow = enc.to(at::kBFloat16);
  }

  // Shares of the run.
  double learning_rate() const {
    const double at = double(done) / double(total),
                 rise = o.warmup > 0 ? double(done + 1) / double(total) / o.warmup : 1;
    return o.lr * std::min({1.0, rise, o.decay > 0 ? (1 - at) / o.decay : 1.0});
  }
  double sparsity() const {
    return o.sparsity_warmup > 0 ? o.sparsity * std::min(1.0, double(done) / double(total) / o.sparsity_warmup)
                                 : o.sparsity;
  }
  nn::AdamStep adam() const {
    nn::AdamStep s;
    s.epsilon = adam_epsilon;
    const double t = double(done + 1);
    s.rate = float(learning_rate() / (1 - std::pow(double(s.beta1), t)));
    s.second = float(1 / (1 - std::pow(double(s.beta2), t)));
    return s;
  }

  // The entries of a batch: which features are active on each row.
  Code entries(const Tensor& pre, const Tensor& threshold) const {
    const bool half = pre.scalar_type() == at::kBFloat16;
    const float *bias = floats(b_enc), *bound = threshold.defined() ? floats(threshold) : nullptr;
    return code_of(pre.size(0), m, [&, half, bias, bound](int64_t i, float* scratch, int32_t* feature, float* value) {
      const auto one = [&](const auto* row) {
        return bound ? nn::entries_above(row, bias, bound, m, feature, value)
                     : nn::largest_entries(row, bias, m, o.k, scratch, feature, value);
      };
      return half ? one(halves(pre) + i * m) : one(floats(pre) + i * m);
    });
  }

  // The n k largest positive pre-activations of the batch. The bound of the last batch, lowered until enough pass,
  // spares a look at all.
  Code batch_entries(const Tensor& pre, float& least) const {
    const auto most = size_t(pre.size(0) * o.k);
    Code code;
    for (double bound = 0.7 * running_threshold;; bound = bound > 1e-6 ? bound / 2 : 0) {
      code = entries(pre, at::full({m}, bound));
      if (code.size() >= most || bound == 0) break;
    }
    least = keep_largest(code, most);
    return code;
  }

  void encode(Batch& b) {
    if (shadow.defined())
      b.pre = at::linear(b.x.to(at::kBFloat16), shadow).contiguous();
    else
      b.pre = at::linear(b.x, enc);
    float least = 0;
    switch (o.kind) {
      case SaeKind::relu:
        b.code = entries(b.pre, at::zeros({m}));
        break;
      case SaeKind::topk:
        b.code = entries(b.pre, {});
        break;
      case SaeKind::batchtopk:
        b.code = batch_entries(b.pre, least);
        running_threshold += std::max(threshold_rate, 10 / double(done + 10)) * (double(least) - running_threshold);
        break;
      case SaeKind::jumprelu:
        b.code = entries(b.pre, log_theta.exp() - o.bandwidth / 2);
        break;
    }
    b.z = b.code.value;
    if (jump()) {
      const Tensor theta = log_theta.exp();
      for (size_t e = 0; e < b.z.size(); ++e)
        if (!(b.z[e] > floats(theta)[b.code.feature[e]]) || b.z[e] <= 0) b.z[e] = 0;
    }
  }

  // x^ - x and what each entry's decoder row makes of it, row by row while the rows are in cache.
  void reconstruct(Batch& b) const {
    const int64_t n = b.x.size(0);
    b.error = at::empty({n, d}, at::kFloat);
    b.slope.resize(b.code.size());
    std::vector<double> square(static_cast<size_t>(n));
    at::parallel_for(0, n, 16, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        float* row = floats_(b.error) + i * d;
        const float* x = floats(b.x) + i * d;
        const int64_t begin = b.code.begin[size_t(i)], count = b.code.begin[size_t(i) + 1] - begin;
        for (int64_t c = 0; c < d; ++c) row[c] = floats(b_dec)[c] - x[c];
        nn::add_rows(row, floats(dec), b.code.feature.data() + begin, b.z.data() + begin, count, d);
        nn::row_products(b.slope.data() + begin, floats(dec), b.code.feature.data() + begin, count, row, d);
        double sum = 0;
        for (int64_t c = 0; c < d; ++c) sum += double(row[c]) * double(row[c]);
        square[size_t(i)] = sum;
      }
    });
    for (const double s : square) b.square += s;
    for (const float z : b.z) b.active += z > 0;
  }

  // dL/dy of each entry, and dL/dlog theta [m].
  Tensor entry_gradients(Batch& b) const {
    const double n = double(b.x.size(0));
    b.gz.resize(b.code.size());
    const float to_error = float(2 / n), penalty = o.kind == SaeKind::relu ? float(sparsity() / n) : 0;
    for (size_t e = 0; e < b.gz.size(); ++e) b.gz[e] = b.z[e] > 0 ? to_error * b.slope[e] + penalty : 0;
    if (!jump()) return {};
    const Tensor theta = log_theta.exp();
    Tensor gradient = at::zeros({m});
    // d L_s / d L0 of one row, L_s = lambda (L0 / k - 1)^2 with L0 the batch's mean.
    const double by_l0 = 2 * sparsity() * (b.active / n / double(o.k) - 1) / double(o.k) / n;
    for (size_t e = 0; e < b.gz.size(); ++e) {
      const int32_t j = b.code.feature[e];
      const double t = floats(theta)[j];
      if (std::abs(b.code.value[e] - t) >= o.bandwidth / 2) continue;  // rectangle kernel
      // dz/dtheta = -theta / eps, dH/dtheta = -1 / eps; d theta / d log theta = theta
      floats_(gradient)[j] -= float((double(to_error) * b.slope[e] * t + by_l0) / o.bandwidth * t);
    }
    return gradient;
  }

  // AuxK: gradients of the dead features' rows, from their largest pre-activations.
  struct Aux {
    Tensor enc, dec, bias;  // [dead, d], [dead, d], [dead]
  };
  Aux auxiliary(const Batch& b) const {
    const Tensor which = at::tensor(dead);
    const Tensor y = b.pre.index_select(1, which).to(at::kFloat) + b_enc.index_select(0, which);  // [n, D]
    Tensor z = at::relu(y);
    const int64_t most = std::max<int64_t>(1, d / 2);
    if (int64_t(dead.size()) > most) {
      const Tensor least = std::get<0>(y.topk(most, -1)).narrow(1, most - 1, 1);
      z = at::where(y >= least, z, at::zeros({}, z.options()));
    }
    const Tensor rows = dec.index_select(0, which);
    const Tensor difference = at::mm(z, rows) + b.error;                    // e^ - e, e = x - x^ held fixed
    const Tensor g = difference * (2 * o.aux / std::max(1e-30, b.square));  // of |e - e^|^2 / |e|^2
    const Tensor gz = at::mm(g, rows.t()) * (z > 0);
    return {at::mm(gz.t(), b.x), at::mm(z.t(), g), gz.sum(0)};
  }

  void update(const Batch& b, const Tensor& theta_gradient) {
    const nn::AdamStep step = adam();
    const float to_error = 2 / float(b.x.size(0));
    const ByFeature t = by_feature(b.code, m);
    Aux aux;
    std::vector<int64_t> aux_row;
    if (top() && !dead.empty() && o.aux > 0) {
      aux = auxiliary(b);
      aux_row.assign(size_t(m), -1);
      for (size_t i = 0; i < dead.size(); ++i) aux_row[size_t(dead[i])] = int64_t(i);
    }
    at::parallel_for(0, m, 32, [&](int64_t first, int64_t last) {
      std::vector<float> gd(static_cast<size_t>(d)), ge(static_cast<size_t>(d)), values, slopes;
      for (int64_t j = first; j < last; ++j) {
        const int64_t extra = aux_row.empty() ? -1 : aux_row[size_t(j)];
        update_feature(b, t, j, extra, aux, step, to_error, gd, ge, values, slopes);
      }
    });
    Tensor bias = b.error.sum(0) * double(to_error);
    nn::adam_row(floats_(b_dec), floats_(bd_m), floats_(bd_v), floats(bias), d, step);
    if (jump()) nn::adam_row(floats_(log_theta), floats_(th_m), floats_(th_v), floats(theta_gradient), m, step);
  }

  void update_feature(const Batch& b, const ByFeature& t, int64_t j, int64_t extra, const Aux& aux,
                      const nn::AdamStep& step, float to_error, std::vector<float>& gd, std::vector<float>& ge,
                      std::vector<float>& values, std::vector<float>& slopes) {
    const int64_t begin = t.begin[size_t(j)], count = t.begin[size_t(j) + 1] - begin;
    values.resize(size_t(count));
    slopes.resize(size_t(count));
    float bias = 0, fired = 0;
    for (int64_t e = 0; e < count; ++e) {
      const auto entry = size_t(t.entry[size_t(begin + e)]);
      values[size_t(e)] = to_error * b.z[entry];
      slopes[size_t(e)] = b.gz[entry];
      bias += b.gz[entry];
      fired += b.z[entry] > 0;
    }
    std::fill(gd.begin(), gd.end(), 0.0f);
    std::fill(ge.begin(), ge.end(), 0.0f);
    nn::add_rows(gd.data(), floats(b.error), t.row.data() + begin, values.data(), count, d);
    nn::add_rows(ge.data(), floats(b.x), t.row.data() + begin, slopes.data(), count, d);
    if (extra >= 0) {
      for (int64_t i = 0; i < d; ++i) {
        gd[size_t(i)] += floats(aux.dec)[extra * d + i];
        ge[size_t(i)] += floats(aux.enc)[extra * d + i];
      }
      bias += floats(aux.bias)[extra];
    }
    float* row = floats_(dec) + j * d;
    nn::remove_parallel(gd.data(), row, d);
    nn::adam_row(row, floats_(dec_m) + j * d, floats_(dec_v) + j * d, gd.data(), d, step);
    nn::to_unit(row, d);
    nn::adam_row(floats_(enc) + j * d, floats_(enc_m) + j * d, floats_(enc_v) + j * d, ge.data(), d, step);
    nn::adam_row(floats_(b_enc) + j, floats_(be_m) + j, floats_(be_v) + j, &bias, 1, step);
    if (shadow.defined()) nn::round_row(halves(shadow) + j * d, floats(enc) + j * d, d);
    float& quiet_rows = floats_(quiet)[j];
    quiet_rows = fired > 0 ? 0 : quiet_rows + float(b.x.size(0));
  }

  // Dead features begin again at inputs drawn by their squared loss (Bricken et al. 2023): the decoder row is the
  // input's direction, the encoder a fifth of the mean length of living ones.
  void resample(const Batch& b) {
    const Tensor loss = b.error.square().sum(1).square();
    std::vector<double> upto(size_t(loss.size(0)));
    double sum = 0, length = 0;
    for (size_t i = 0; i < upto.size(); ++i) upto[i] = sum += double(floats(loss)[i]);
    const Tensor lengths = enc.norm(2, 1);
    for (int64_t j = 0; j < m; ++j) length += floats(quiet)[j] == 0 ? double(floats(lengths)[j]) : 0;
    const double living = std::max(1.0, double((quiet == 0).sum().item<int64_t>()));
    Rng rng(o.seed, uint64_t(done) | uint64_t{1} << 41);
    for (const int64_t j : dead) {
      const double at = rng.uniform() * sum;
      const int64_t i =
          std::min<int64_t>(std::lower_bound(upto.begin(), upto.end(), at) - upto.begin(), loss.size(0) - 1);
      dec[j].copy_(b.x[i] - b_dec);
      nn::to_unit(floats_(dec) + j * d, d);
      enc[j].copy_(dec[j] * ((jump() ? 1 : 0.2) * length / living));  // a threshold must be reached
      for (const Tensor& t : {enc_m, enc_v, dec_m, dec_v, be_m, be_v, th_m, th_v, b_enc, quiet}) t[j].zero_();
      floats_(log_theta)[j] = float(std::log(first_theta));
      if (shadow.defined()) nn::round_row(halves(shadow) + j * d, floats(enc) + j * d, d);
    }
  }
  bool resamples_now() const {
    const int64_t every = std::max<int64_t>(1, total / 10);
    return !top() && done > 0 && done % every == 0 && done <= total * 6 / 10;
  }

  SaeStep step(const Tensor& rows) {
    const at::NoGradGuard no_gradients;
    Batch b;
    b.x = ((rows.to(at::kFloat) - centre) * scale).contiguous();
    encode(b);
    reconstruct(b);
    const Tensor theta_gradient = entry_gradients(b);
    update(b, theta_gradient);
    ++done;
    dead.clear();
    for (int64_t j = 0; j < m; ++j)
      if (floats(quiet)[j] >= float(o.dead_after)) dead.push_back(j);
    const SaeStep result{b.square / std::max(1e-30, b.x.square().sum().item<double>()), b.active / double(b.x.size(0)),
                         int64_t(dead.size())};
    if (resamples_now()) resample(b);
    return result;
  }

  // The centre and scale move into the biases and the threshold: z of the result is z / scale of the training.
  Sae result() const {
    Sae sae;
    sae.kind = o.kind;
    sae.k = o.kind == SaeKind::relu ? 0 : o.k;
    sae.norm_scale = scale;
    sae.w_enc = enc.t().contiguous();
    sae.w_dec = dec.clone();
    sae.b_enc = b_enc / scale - at::mv(enc, centre);
    sae.b_dec = b_dec / scale + centre;
    if (jump()) sae.threshold = log_theta.exp() / scale;
    if (o.kind == SaeKind::batchtopk) sae.threshold = at::full({m}, running_threshold / scale);
    return sae;
  }
};

SaeTrainer::SaeTrainer(const SaeTraining& options, const Tensor& sample)
    : impl_(std::make_unique<Impl>(options, sample.to(at::kFloat))) {}
SaeTrainer::~SaeTrainer() = default;
SaeStep SaeTrainer::step(const Tensor& x) { return impl_->step(x); }
int64_t SaeTrainer::steps() const { return impl_->done; }
Sae SaeTrainer::result() const { return impl_->result(); }

std::map<std::string, Tensor> SaeTrainer::state() const {
  const Impl& i = *impl_;
  return {{"enc", i.enc},
          {"dec", i.dec},
          {"b_enc", i.b_enc},
          {"b_dec", i.b_dec},
          {"log_theta", i.log_theta},
          {"enc_m", i.enc_m},
          {"enc_v", i.enc_v},
          {"dec_m", i.dec_m},
          {"dec_v", i.dec_v},
          {"be_m", i.be_m},
          {"be_v", i.be_v},
          {"bd_m", i.bd_m},
          {"bd_v", i.bd_v},
          {"th_m", i.th_m},
          {"th_v", i.th_v},
          {"quiet", i.quiet},
          {"centre", i.centre},
          {"scalars", at::tensor({i.scale, i.running_threshold, double(i.done)}, at::kDouble)}};
}

void SaeTrainer::restore(const std::map<std::string, Tensor>& state) {
  Impl& i = *impl_;
  for (const auto& [name, tensor] : this->state()) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor.sizes() ||
        found->second.scalar_type() != tensor.scalar_type())
      fail("sae", "the checkpoint has no '{}' of this run's shape; remove it to begin again", name);
    if (name != "scalars") tensor.copy_(found->second);
  }
  const double* scalars = state.at("scalars").data_ptr<double>();
  i.scale = scalars[0];
  i.running_threshold = scalars[1];
  i.done = int64_t(scalars[2]);
  if (i.shadow.defined()) i.shadow = i.enc.to(at::kBFloat16);
  i.dead.clear();
  for (int64_t j = 0; j < i.m; ++j)
    if (floats(i.quiet)[j] >= float(i.o.dead_after)) i.dead.push_back(j);
}

Json to_json(const SaeTraining& o) {
  return {{"kind", kind_name(o.kind)},
          {"features", o.features},
          {"k", o.k},
          {"sparsity", o.sparsity},
          {"tokens", o.tokens},
          {"batch", o.batch},
          {"lr", o.lr},
          {"warmup", o.warmup},
          {"decay", o.decay},
          {"sparsity_warmup", o.sparsity_warmup},
          {"dead_after", o.dead_after},
          {"aux", o.aux},
          {"bandwidth", o.bandwidth},
          {"seed", o.seed},
          {"compute", nn::compute_name(o.compute)}};
}

Sae train_sae(ActivationStream& stream, const SaeTraining& options, const Progress& progress,
              const fs::path& checkpoint, int64_t checkpoint_every) {
  const at::NoGradGuard no_gradients;
  const auto begin = stream.position();
  SaeTrainer trainer(options, stream.next(std::min<int64_t>(options.tokens, 1 << 14)));
  stream.seek(begin);
  const fs::path file = checkpoint.empty() ? fs::path() : checkpoint / "checkpoint.safetensors";
  if (!file.empty()) read_checkpoint(file, trainer, stream, options);
  const int64_t steps = (options.tokens + options.batch - 1) / options.batch;
  while (trainer.steps() < steps) {
    const SaeStep step = trainer.step(stream.next(options.batch));
    if (progress)
      progress("train", size_t(trainer.steps()), size_t(steps),
               fmt::format("unexplained {:.3f}, L0 {:.1f}, dead {}", step.unexplained, step.l0, step.dead));
    if (!file.empty() && (trainer.steps() % checkpoint_every == 0 || trainer.steps() == steps))
      write_checkpoint(file, trainer, stream, options);
  }
  Sae sae = trainer.result();
  sae.point = stream.options().point;
  return sae;
}

}  // namespace ken::readout
