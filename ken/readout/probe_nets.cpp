// Nets trained by Adam (Kingma and Ba, arXiv 1412.6980), P of them side by side with batched products; the gradient
// is written out, as it is a few lines and a tape over so small products costs more than they do.
#include <algorithm>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/readout/index.h"
#include "ken/readout/probe_kinds.h"
#include "ken/readout/scaler.h"

namespace ken::readout {
namespace {

using NetRows = std::vector<int64_t>;

constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
constexpr int64_t judged_at_once = 1024;

Tensor uniform(at::IntArrayRef shape, double bound, Rng& rng) {
  const Tensor result = at::empty(shape, at::kFloat);
  float* values = result.data_ptr<float>();
  for (int64_t i = 0; i < result.numel(); ++i) values[i] = float((2 * rng.uniform() - 1) * bound);
  return result;
}

// Weights [P, in, out] and biases [P, 1, out] of all layers, the last one of width 1.
struct Net {
  std::vector<Tensor> parts;  // weight, bias, weight, bias, ...
  size_t layers() const { return parts.size() / 2; }

  // The customary start of a linear layer: uniform in +-1 / sqrt(in), the same for every problem.
  static Net start(int64_t problems, int64_t d, const std::vector<int64_t>& hidden, Rng& rng) {
    std::vector<int64_t> widths = {d};
    widths.insert(widths.end(), hidden.begin(), hidden.end());
    widths.push_back(1);
    Net net;
    for (size_t l = 0; l + 1 < widths.size(); ++l) {
      const double bound = 1 / std::sqrt(double(widths[l]));
      for (const int64_t rows : {widths[l], int64_t{1}})
        net.parts.push_back(uniform({1, rows, widths[l + 1]}, bound, rng).repeat({problems, 1, 1}));
    }
    return net;
  }
  Net clone() const {
    Net copy;
    for (const Tensor& part : parts) copy.parts.push_back(part.clone());
    return copy;
  }
  // Takes the problems with `better` [P] from another net.
  void take(const Net& other, const Tensor& better) {
    const Tensor which = better.view({-1, 1, 1});
    for (size_t i = 0; i < parts.size(); ++i) parts[i] = at::where(which, other.parts[i], parts[i]);
  }

  // x [P, B, d] -> log-odds [P, B]; `inputs` receives what each layer reads.
  Tensor forward(const Tensor& x, std::vector<Tensor>* inputs = nullptr) const {
    Tensor h = x;
    for (size_t l = 0; l < layers(); ++l) {
      if (inputs) inputs->push_back(h);
      h = at::baddbmm(parts[2 * l + 1], h, parts[2 * l]);
      if (l + 1 < layers()) h = h.relu_();
    }
    return h.squeeze(2);
  }
  // Gradients of the mean loss over the batch, in the order of `parts`.
  std::vector<Tensor> backward(const std::vector<Tensor>& inputs, const Tensor& error) const {
    std::vector<Tensor> gradients(parts.size());
    Tensor dz = error.unsqueeze(2);  // [P, B, out]
    for (size_t l = layers(); l-- > 0;) {
      gradients[2 * l] = at::bmm(inputs[l].transpose(1, 2), dz);
      gradients[2 * l + 1] = dz.sum(1, true);
      if (l > 0) dz = at::bmm(dz, parts[2 * l].transpose(1, 2)) * (inputs[l] > 0);
    }
    return gradients;
  }
};

class NetAdam {
 public:
  explicit NetAdam(const Net& net) {
    for (const Tensor& part : net.parts)
      first_.push_back(at::zeros_like(part)), second_.push_back(at::zeros_like(part));
  }
  void step(Net& net, std::vector<Tensor> gradients, double rate, const NetOptions& options) {
    ++steps_;
    const double correct1 = 1 - std::pow(beta1, steps_), correct2 = 1 - std::pow(beta2, steps_);
    for (size_t i = 0; i < gradients.size(); ++i) {
      Tensor& g = gradients[i];
      if (options.weight_decay > 0) g.add_(net.parts[i], options.weight_decay);
      if (options.l1 > 0) g.add_(net.parts[i].sign(), options.l1);
      first_[i].mul_(beta1).add_(g, 1 - beta1);
      second_[i].mul_(beta2).addcmul_(g, g, 1 - beta2);
      net.parts[i].addcdiv_(first_[i], (second_[i] / correct2).sqrt_().add_(epsilon), -rate / correct1);
    }
  }

 private:
  std::vector<Tensor> first_, second_;
  double steps_ = 0;
};

// `rows` with those of smaller cells repeated until each cell has as many as the largest.
NetRows oversampled(const NetRows& rows, const std::vector<std::string>& cells) {
  if (cells.empty()) return rows;
  std::map<std::string, NetRows> of_cell;
  for (const int64_t row : rows) of_cell[cells[size_t(row)]].push_back(row);
  size_t most = 0;
  for (const auto& [cell, members] : of_cell) most = std::max(most, members.size());
  NetRows result;
  for (const auto& [cell, members] : of_cell)
    for (size_t i = 0; i < most; ++i) result.push_back(members[i % members.size()]);
  return result;
}

Scaler no_scaler(const Tensor& x) {
  const Tensor mean = at::zeros({x.size(0), 1, x.size(2)}, x.options());
  return {mean, at::ones_like(mean)};
}

class Trainer {
 public:
  Trainer(const Tensor& x, const Tensor& y, const NetItems& items, const NetOptions& options)
      : x_(x), y_(y), items_(items), options_(options) {}

  struct Trained {
    Net net;
    Scaler scaler;
  };
  // On these items; some of their groups are set aside where training ends early.
  Trained train(const NetRows& rows, uint64_t stream) const {
    const auto [learn, validate] = split(rows, stream);
    const Tensor raw = x_.index_select(1, index_of(learn));
    Trained result{{}, options_.standardise ? fit_scaler(raw) : no_scaler(raw)};
    Rng rng(options_.seed, stream);
    Net net = Net::start(x_.size(0), x_.size(2), options_.hidden, rng);
    NetAdam adam(net);
    result.net = net.clone();
    const Tensor features = result.scaler(raw), labels = y_.index_select(0, index_of(learn));
    const Tensor aside = validate.empty() ? Tensor() : result.scaler(x_.index_select(1, index_of(validate)));
    Tensor least = at::full({x_.size(0)}, INFINITY, at::kFloat), waited = at::zeros({x_.size(0)}, at::kLong);
    double rate = options_.learning_rate;
    for (int64_t epoch = 0; epoch < options_.epochs; ++epoch, rate *= options_.decay) {
      run_epoch(net, adam, features, labels, rate, rng);
      if (validate.empty()) continue;
      const Tensor loss = loss_of(net, aside, y_.index_select(0, index_of(validate)));
      // A problem that has waited too long is done: what it does later must not count.
      const Tensor better = (loss < least) & (waited < options_.patience);
      result.net.take(net, better);
      least = at::where(better, loss, least);
      waited = at::where(better, at::zeros_like(waited), waited + 1);
      if ((waited >= options_.patience).all().item<bool>()) break;
    }
    if (validate.empty()) result.net = std::move(net);
    return result;
  }

 private:
  std::pair<NetRows, NetRows> split(const NetRows& rows, uint64_t stream) const {
    NetRows learn, validate;
    if (options_.patience > 0) {
      const int parts = std::max(2, int(std::lround(1 / options_.validation)));
      const auto part = stats::grouped_folds(items_.groups, parts, options_.seed + 7919 * (stream + 1));
      for (const int64_t row : rows) (part[size_t(row)] == 0 ? validate : learn).push_back(row);
    } else {
      learn = rows;
    }
    if (learn.empty() || (options_.patience > 0 && validate.empty()))
      fail("probe", "{} items to train on and {} to validate; give items of more groups", learn.size(),
           validate.size());
    return {oversampled(learn, items_.cells), oversampled(validate, items_.cells)};
  }
  void run_epoch(Net& net, NetAdam& adam, const Tensor& features, const Tensor& labels, double rate, Rng& rng) const {
    NetRows order(size_t(features.size(1)), 0);
    for (size_t i = 0; i < order.size(); ++i) order[i] = int64_t(i);
    rng.shuffle(order);
    for (size_t begin = 0; begin < order.size(); begin += size_t(options_.batch)) {
      const size_t end = std::min(order.size(), begin + size_t(options_.batch));
      const Tensor batch = index_of(NetRows(order.begin() + long(begin), order.begin() + long(end)));
      Tensor x = features.index_select(1, batch);
      if (options_.dropout > 0) x = x * kept(x, rng);
      std::vector<Tensor> inputs;
      const Tensor margins = net.forward(x, &inputs), y = labels.index_select(0, batch);
      adam.step(net, net.backward(inputs, (at::sigmoid(margins) - y) / double(end - begin)), rate, options_);
    }
  }
  // The same entries for every problem: [1, B, d].
  Tensor kept(const Tensor& x, Rng& rng) const {
    const Tensor mask = at::empty({1, x.size(1), x.size(2)}, at::kFloat);
    float* values = mask.data_ptr<float>();
    const auto bound = uint32_t(options_.dropout * 4294967295.0);
    const float scale = float(1 / (1 - options_.dropout));
    for (int64_t i = 0; i < mask.numel(); ++i) values[i] = rng.next() < bound ? 0 : scale;
    return mask;
  }
  static Tensor loss_of(const Net& net, const Tensor& x, const Tensor& y) {
    Tensor sum = at::zeros({x.size(0)}, at::kFloat);
    for (int64_t begin = 0; begin < x.size(1); begin += judged_at_once) {
      const int64_t n = std::min(judged_at_once, x.size(1) - begin);
      const Tensor margins = net.forward(x.narrow(1, begin, n));
      sum += (at::softplus(margins) - y.narrow(0, begin, n) * margins).sum(1);
    }
    return sum / double(x.size(1));
  }

  const Tensor &x_, &y_;
  const NetItems& items_;
  const NetOptions& options_;
};

// A trained net as a probe that reads raw features: the scaler becomes part of the first layer.
Probe probe_of(const Trainer::Trained& trained, int64_t problem) {
  Probe probe;
  probe.kind = "net";
  const size_t layers = trained.net.layers();
  for (size_t l = 0; l < layers; ++l) {
    Tensor weight = trained.net.parts[2 * l][problem], bias = trained.net.parts[2 * l + 1][problem][0];
    if (l == 0) {
      weight = weight * trained.scaler.scale[problem][0].unsqueeze(1);
      bias = bias - at::mv(weight.t(), trained.scaler.mean[problem][0]);
    }
    if (l + 1 < layers) {
      probe.hidden.push_back({weight.t().contiguous(), bias.clone()});
    } else {
      probe.weight = weight.select(1, 0).contiguous();
      probe.bias = bias.item<double>();
    }
  }
  return probe;
}

void check_net_items(const Tensor& x, const NetItems& items, const NetOptions& options) {
  const size_t n = items.labels.size();
  if (x.dim() != 3 || x.size(1) != int64_t(n) || items.groups.size() != n)
    fail("probe", "{} labels and {} groups for features of {} dimensions; x must be [problems, items, d]", n,
         items.groups.size(), x.dim());
  for (const size_t given : {items.cells.size(), items.trains.size(), items.fold.size()})
    if (given != 0 && given != n) fail("probe", "{} cells, marks or folds for {} items", given, n);
  const bool rates = options.learning_rate > 0 && options.dropout >= 0 && options.dropout < 1;
  if (options.batch < 1 || options.epochs < 1 || !rates || options.folds == 1)
    fail_usage("probe", "batch {}, {} epochs, learning rate {}, dropout {}, {} folds; see the net's options",
               options.batch, options.epochs, options.learning_rate, options.dropout, options.folds);
  if (std::set<int>(items.labels.begin(), items.labels.end()) != std::set<int>{0, 1})
    fail("probe", "all {} items are of one class; a probe needs both", n);
  if (!at::isfinite(x).all().item<bool>()) fail("probe", "a feature is not finite; check the model's weights");
}

}  // namespace

Fit fit_nets(const Tensor& x, const NetItems& items, const NetOptions& options) {
  const at::NoGradGuard no_gradients;
  check_net_items(x, items, options);
  const Tensor wide = x.to(at::kCPU, at::kFloat),
               y = at::tensor(at::ArrayRef<int>(items.labels), at::kInt).to(at::kFloat);
  const Trainer trainer(wide, y, items, options);
  const auto may_train = [&](size_t i) { return items.trains.empty() || items.trains[i]; };
  Fit fit{at::zeros({x.size(0), x.size(1)}, at::kFloat), {}, {}};
  const auto fold =
      items.fold.empty() ? stats::grouped_folds(items.groups, std::max(1, options.folds), options.seed) : items.fold;
  for (int k = 0; k < options.folds; ++k) {
    NetRows train, test;
    for (size_t i = 0; i < fold.size(); ++i) {
      if (fold[i] == k) test.push_back(int64_t(i));
      if (fold[i] != k && may_train(i)) train.push_back(int64_t(i));
    }
    if (test.empty()) continue;
    const auto trained = trainer.train(train, uint64_t(k) + 1);
    const Tensor outside = index_of(test);
    fit.scores.index_copy_(1, outside, trained.net.forward(trained.scaler(wide.index_select(1, outside))));
  }
  NetRows all;
  for (size_t i = 0; i < fold.size(); ++i)
    if (may_train(i)) all.push_back(int64_t(i));
  const auto whole = trainer.train(all, 0);
  for (int64_t p = 0; p < x.size(0); ++p) fit.probes.push_back(probe_of(whole, p));
  return fit;
}

}  // namespace ken::readout
