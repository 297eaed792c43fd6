// How well a sparse autoencoder stands for the activations it reads: reconstruction, sparsity, and the loss of the
// model when the reconstruction takes their place. Then where single features fire.
#include <algorithm>
#include <cmath>

#include "ken/base/error.h"
#include "ken/model/partial.h"
#include "ken/readout/passes.h"
#include "ken/readout/sae.h"

namespace ken::readout {
namespace {

constexpr int64_t chunk_numbers = 1 << 24;  // of a chunk's features or logits

using TokenRows = std::vector<std::vector<int32_t>>;

// The texts as token rows in passes, as far as `most` rows of activations reach; what `fn` is given is one pass.
void each_pass(const model::Model& model, const data::Texts& texts, int64_t most, int64_t length, int64_t tokens_a_pass,
               const std::function<void(const TokenRows&, int64_t done)>& fn) {
  TokenRows pass;
  int64_t tokens = 0, done = 0;
  const auto flush = [&] {
    if (!pass.empty()) fn(pass, done);
    pass.clear();
    tokens = 0;
  };
  for (int64_t t = 0; t < texts.count && done < most; ++t)
    for (auto& row : token_rows(model, texts.at(t), length)) {
      if (done >= most) break;
      if (tokens > 0 && tokens + int64_t(row.size()) > tokens_a_pass) flush();
      tokens += int64_t(row.size());
      done += int64_t(row.size());
      pass.push_back(std::move(row));
    }
  flush();
}

// Which rows of a pass are not BOS.
Tensor wanted_rows(const TokenRows& rows, bool bos) {
  std::vector<int64_t> wanted;
  int64_t at = 0;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i, ++at)
      if (i > 0 || !bos) wanted.push_back(at);
  return at::tensor(wanted, at::kLong);
}

// Sums over rows from which the evaluation's numbers follow.
struct Sums {
  double rows = 0, square = 0, error = 0, cosine = 0, active = 0;
  int64_t most = 0;
  Tensor total, fired;  // [d] and [m] f64

  void add(const Sae& sae, const Tensor& x) {
    const Tensor z = sae.encode(x), y = sae.decode(z), active = z.gt(0).sum(1);
    rows += double(x.size(0));
    square += x.square().sum(at::kDouble).item<double>();
    error += (x - y).square().sum(at::kDouble).item<double>();
    cosine += at::cosine_similarity(x, y, 1).sum(at::kDouble).item<double>();
    this->active += active.sum().item<double>();
    most = std::max(most, active.max().item<int64_t>());
    const Tensor sum = x.sum(0, false, at::kDouble), fires = z.gt(0).sum(0).to(at::kDouble);
    total = total.defined() ? total + sum : sum;
    fired = fired.defined() ? fired + fires : fires;
  }
};

void add_in_chunks(const Sae& sae, const Tensor& x, const std::function<void(const Tensor&, int64_t first)>& fn) {
  const int64_t chunk = std::max<int64_t>(1, chunk_numbers / sae.features());
  for (int64_t at = 0; at < x.size(0); at += chunk) fn(x.narrow(0, at, std::min(chunk, x.size(0) - at)), at);
}

// What takes a row's place.
enum class Splice { none, reconstruction, mean, zero };

struct Losses {
  const model::Model& model;
  const Sae& sae;
  Tensor mean;  // [d]
  nn::Compute compute;
  bool bos;

  std::optional<Tensor> spliced(const Tensor& x, const model::Site& site, Splice how) const {
    Tensor y;
    if (how == Splice::reconstruction)
      y = sae.decode(sae.encode(x));
    else
      y = how == Splice::mean ? mean.to(x.scalar_type()).expand_as(x).clone() : at::zeros_like(x);
    y = y.to(x.scalar_type());
    if (bos && !site.positions.empty() && site.positions[0] == 0) y[0].copy_(x[0]);
    return y;
  }

  // Sum of nats over the tokens that follow another.
  double sum(const TokenRows& rows, Splice how, double& tokens) const {
    std::vector<model::Row> batch;
    for (const auto& row : rows) batch.push_back({row});
    model::TapPlan plan;
    if (how != Splice::none)
      plan = model::TapPlan(
          model.config,
          {{sae.point, [this, how](const Tensor& x, const model::Site& site) { return spliced(x, site, how); }}});
    const Tensor logits = model::forward(model, model::pack(batch, model.config.vocab),
                                         {.compute = compute,
                                          .taps = how == Splice::none ? nullptr : &plan,
                                          .logits = model::ForwardOptions::Logits::all})
                              .logits;
    std::vector<int64_t> from, target;
    int64_t at = 0;
    for (const auto& row : rows) {
      for (size_t i = 0; i + 1 < row.size(); ++i) from.push_back(at + int64_t(i)), target.push_back(row[i + 1]);
      at += int64_t(row.size());
    }
    tokens = double(from.size());
    const Tensor logprobs = at::log_softmax(logits.index_select(0, at::tensor(from, at::kLong)), -1);
    return -logprobs.gather(1, at::tensor(target, at::kLong).unsqueeze(1)).sum(at::kDouble).item<double>();
  }
};

void add_losses(const Losses& losses, const data::Texts& texts, const SaeEvaluationOptions& options,
                SaeEvaluation& result, const Progress& progress) {
  double tokens = 0, sums[4] = {};
  const int64_t a_pass = std::clamp<int64_t>(chunk_numbers / losses.model.config.vocab, 64, max_pass_tokens);
  each_pass(losses.model, texts, options.ce_rows, options.length, a_pass, [&](const TokenRows& rows, int64_t done) {
    double counted = 0;
    for (const Splice how : {Splice::none, Splice::reconstruction, Splice::mean, Splice::zero})
      sums[int(how)] += losses.sum(rows, how, counted);
    tokens += counted;
    if (progress) progress("losses with splices", size_t(done), size_t(options.ce_rows), "");
  });
  if (tokens == 0) fail("sae", "the texts of {} hold no token that follows another", texts.name);
  result.ce = sums[0] / tokens;
  result.ce_spliced = sums[1] / tokens;
  result.ce_mean = sums[2] / tokens;
  result.ce_zero = sums[3] / tokens;
}

}  // namespace

SaeEvaluation evaluate(const model::Model& model, const Sae& sae, const data::Texts& texts,
                       const SaeEvaluationOptions& options, const Progress& progress) {
  const at::NoGradGuard no_gradients;
  PointReader reader(model, sae.point, options.compute);
  Sums sums;
  each_pass(model, texts, options.rows, options.length, max_pass_tokens, [&](const TokenRows& rows, int64_t done) {
    const Tensor x = reader.read(rows).index_select(0, wanted_rows(rows, reader.bos()));
    add_in_chunks(sae, x, [&](const Tensor& part, int64_t) { sums.add(sae, part); });
    if (progress) progress("reconstruction", size_t(done), size_t(options.rows), "");
  });
  if (sums.rows == 0) fail("sae", "the texts of {} hold no token", texts.name);
  SaeEvaluation result;
  result.rows = int64_t(sums.rows);
  result.l0 = sums.active / sums.rows;
  result.l0_max = double(sums.most);
  const Tensor mean = sums.total / sums.rows;
  const double variance = sums.square - sums.rows * mean.square().sum().item<double>();
  result.explained_variance = 1 - sums.error / variance;
  result.cosine = sums.cosine / sums.rows;
  const Tensor density = sums.fired / sums.rows;
  result.dead = density.eq(0).to(at::kDouble).mean().item<double>();
  result.dense = density.gt(0.1).to(at::kDouble).mean().item<double>();
  result.density = density.to(at::kFloat);
  if (options.ce_rows > 0)
    add_losses({model, sae, mean.to(at::kFloat), options.compute, reader.bos()}, texts, options, result, progress);
  return result;
}

Json to_json(const SaeEvaluation& e) {
  Json json{{"rows", e.rows},     {"l0", e.l0},     {"l0_max", e.l0_max}, {"explained_variance", e.explained_variance},
            {"cosine", e.cosine}, {"dead", e.dead}, {"dense", e.dense}};
  if (e.ce > 0)
    json.update({{"ce", e.ce},
                 {"ce_spliced", e.ce_spliced},
                 {"ce_mean", e.ce_mean},
                 {"ce_zero", e.ce_zero},
                 {"ce_recovered_mean", e.recovered_mean()},
                 {"ce_recovered_zero", e.recovered_zero()}});
  return json;
}

namespace {

struct Hit {
  float value;
  int64_t row;  // of `kept`
  int64_t token;
};

// What is kept of one feature while the texts go by.
struct Watch {
  std::vector<Hit> best;
  std::map<int32_t, int64_t> tokens;
  int64_t fired = 0;
  double sum = 0;

  void add(float value, int64_t row, int64_t token, int32_t id, size_t most) {
    ++fired, ++tokens[id];
    sum += double(value);
    if (best.size() == most && !(value > best.back().value)) return;
    const auto place =
        std::upper_bound(best.begin(), best.end(), value, [](float v, const Hit& hit) { return v > hit.value; });
    best.insert(place, {value, row, token});
    if (best.size() > most) best.pop_back();
  }
};

FeatureUse described_use(const Watch& watch, int64_t feature, double rows, const TokenRows& kept,
                         const text::Tokenizer& tokenizer) {
  FeatureUse use{feature, double(watch.fired) / rows, watch.fired ? watch.sum / double(watch.fired) : 0, {}, {}, {}};
  for (const Hit& hit : watch.best) {
    const auto& row = kept[size_t(hit.row)];
    const auto at = row.begin() + hit.token;
    const auto text = [&](auto begin, auto end) { return tokenizer.decode(std::vector<int32_t>(begin, end)); };
    const auto from = at - std::min<int64_t>(hit.token, 12), to = at + 1 + std::min<int64_t>(row.end() - at - 1, 6);
    use.examples.push_back({double(hit.value), text(from, at), text(at, at + 1), text(at + 1, to)});
  }
  std::vector<std::pair<int64_t, int32_t>> order;
  for (const auto& [id, count] : watch.tokens) order.emplace_back(-count, id);
  std::sort(order.begin(), order.end());
  if (order.size() > 8) order.resize(8);
  for (const auto& [count, id] : order)
    use.tokens.emplace_back(tokenizer.decode(std::vector<int32_t>{id}), double(-count) / double(watch.fired));
  return use;
}

void add_promoted(const model::Model& model, const Sae& sae, std::vector<FeatureUse>& uses) {
  for (auto& use : uses) {
    const Tensor logits = model::read_out(model, sae.w_dec.narrow(0, use.feature, 1), nn::Compute::f32)[0];
    const auto [values, ids] = logits.topk(std::min<int64_t>(8, logits.size(0)));
    for (int64_t i = 0; i < ids.size(0); ++i)
      use.promoted.emplace_back(model.tokenizer->decode(std::vector<int32_t>{int32_t(ids[i].item<int64_t>())}),
                                values[i].item<double>());
  }
}

}  // namespace

std::vector<FeatureUse> feature_uses(const model::Model& model, const Sae& sae, const data::Texts& texts,
                                     const std::vector<int64_t>& features, int64_t examples,
                                     const SaeEvaluationOptions& options, const Progress& progress) {
  const at::NoGradGuard no_gradients;
  for (const int64_t f : features)
    if (f < 0 || f >= sae.features()) fail_usage("sae", "there is no feature {}; give 0 to {}", f, sae.features() - 1);
  PointReader reader(model, sae.point, options.compute);
  std::vector<Watch> watches(features.size());
  TokenRows kept;  // the token rows, to which hits point
  double count = 0;
  const Tensor chosen = at::tensor(features, at::kLong);
  each_pass(model, texts, options.rows, options.length, max_pass_tokens, [&](const TokenRows& rows, int64_t done) {
    std::vector<std::pair<int64_t, int64_t>> place;  // of each row of activations: token row and token
    for (const auto& row : rows) {
      for (size_t i = reader.bos(); i < row.size(); ++i) place.emplace_back(int64_t(kept.size()), int64_t(i));
      kept.push_back(row);
    }
    const Tensor x = reader.read(rows).index_select(0, wanted_rows(rows, reader.bos()));
    count += double(x.size(0));
    add_in_chunks(sae, x, [&](const Tensor& part, int64_t first) {
      const Tensor z = sae.encode(part).index_select(1, chosen).contiguous();  // [n, features]
      const float* values = z.data_ptr<float>();
      for (int64_t i = 0; i < z.size(0); ++i)
        for (size_t f = 0; f < watches.size(); ++f)
          if (const float value = values[i * z.size(1) + int64_t(f)]; value > 0) {
            const auto [row, token] = place[size_t(first + i)];
            watches[f].add(value, row, token, kept[size_t(row)][size_t(token)], size_t(examples));
          }
    });
    if (progress) progress("features", size_t(done), size_t(options.rows), "");
  });
  std::vector<FeatureUse> uses;
  for (size_t f = 0; f < features.size(); ++f)
    uses.push_back(described_use(watches[f], features[f], std::max(1.0, count), kept, *model.tokenizer));
  add_promoted(model, sae, uses);
  return uses;
}

}  // namespace ken::readout
