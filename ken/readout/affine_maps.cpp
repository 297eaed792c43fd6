// Where only last rows are mapped, the rows before them never change: their keys and values are computed once, and a
// step runs one row a prompt.
#include "ken/readout/affine_maps.h"

#include <numbers>

#include "ken/base/error.h"
#include "ken/readout/adam.h"
#include "ken/readout/shift.h"

namespace ken::readout {
namespace {

using Prompts = std::vector<std::vector<int32_t>>;

constexpr double least_sd = 1e-4;  // a coordinate that hardly varies is only shifted

Tensor mapped(const Tensor& x, const AffineMap& map, double s, bool last) {
  const int64_t n = x.size(0), first = last ? n - 1 : 0;
  const Tensor z = x.narrow(0, first, n - first);
  const Tensor flat = z.flatten(1).to(at::kFloat);  // [rows, d]
  const Tensor y =
      (flat * (1 + s * (map.slope.to(x.device()) - 1)) + s * map.offset.to(x.device())).to(x.scalar_type());
  return first == 0 ? y.view_as(x) : at::cat({x.narrow(0, 0, first), y.view_as(z)});
}

// Prompts that are read again and again while the maps change.
class Pooled {
 public:
  Pooled(const model::Model& model, const Prompts& prompts, const MapOptions& options)
      : model_(model), options_(options), cache_(model::make_cache(model, options.compute)), prompts_(prompts) {
    if (!options.last) return;
    const at::NoGradGuard no_gradients;
    std::vector<model::Row> rows;
    for (auto& prompt : prompts_) {
      if (prompt.size() < 2) fail("affine maps", "a prompt has {} tokens; 2 are needed", prompt.size());
      sequences_.push_back(cache_.open());
      rows.push_back({{prompt.begin(), prompt.end() - 1}, sequences_.back(), model::Phase::prefill});
      prompt.erase(prompt.begin(), prompt.end() - 1);
    }
    model::forward(model, model::pack(rows, model.config.vocab, &cache_),
                   {.compute = options.compute, .cache = &cache_, .logits = model::ForwardOptions::Logits::none});
  }

  // [N, d] of each point after its map; points beyond the maps are read as they are.
  std::vector<Tensor> read(const std::vector<AffineMap>& maps) {
    std::vector<std::vector<Tensor>> found(options_.points.size(), std::vector<Tensor>(prompts_.size()));
    std::vector<model::Tap> taps;
    for (size_t p = 0; p < options_.points.size(); ++p)
      taps.push_back({options_.points[p], [&, p](const Tensor& x, const model::Site& site) -> std::optional<Tensor> {
                        const Tensor y = p < maps.size() ? mapped(x, maps[p], 1, options_.last) : x;
                        const Tensor rows = y.flatten(1).to(at::kFloat);
                        found[p][size_t(site.sequence)] = options_.last ? rows[rows.size(0) - 1] : rows.mean(0);
                        if (p < maps.size()) return y;
                        return std::nullopt;
                      }});
    const model::TapPlan plan(model_.config, std::move(taps));
    std::vector<model::Row> rows;
    for (size_t i = 0; i < prompts_.size(); ++i)
      rows.push_back({prompts_[i], options_.last ? cache_.fork(sequences_[i]) : -1, model::Phase::prefill});
    model::forward(model_, model::pack(rows, model_.config.vocab, options_.last ? &cache_ : nullptr),
                   {.compute = options_.compute,
                    .taps = &plan,
                    .cache = options_.last ? &cache_ : nullptr,
                    .logits = model::ForwardOptions::Logits::none});
    if (options_.last)
      for (const auto& row : rows) cache_.close(row.cached);
    std::vector<Tensor> result;
    for (const auto& each : found) result.push_back(at::stack(each));
    return result;
  }

 private:
  const model::Model& model_;
  const MapOptions& options_;
  nn::KvCache cache_;
  std::vector<int> sequences_;
  Prompts prompts_;  // what is still to be read of them
};

Tensor sorted(const Tensor& x) { return std::get<0>(x.sort(0)); }

Tensor loss_of(const std::vector<Tensor>& xi, const std::vector<Tensor>& eta) {
  Tensor loss = at::zeros({});
  for (size_t p = 0; p < xi.size(); ++p) loss = loss + (sorted(xi[p]) - eta[p]).square().sum() / xi[p].size(0);
  return loss;
}

AffineMap closed_form(const std::string& point, const Tensor& source, const Tensor& target, MapKind kind) {
  const Tensor mean_s = source.mean(0), mean_t = target.mean(0), x = sorted(source) - mean_s, y = target - mean_t;
  Tensor slope = at::ones_like(mean_s);
  const Tensor varies = x.square().mean(0).sqrt() > least_sd;
  if (kind == MapKind::gaussian) slope = y.square().mean(0).sqrt() / x.square().mean(0).sqrt();
  if (kind == MapKind::linear) slope = (x * y).sum(0) / x.square().sum(0);
  slope = at::where(varies, slope, at::ones_like(slope));
  return {point, slope, mean_t - slope * mean_s};
}

// The proximal step of |u|_1 and sqrt(d) |u|_2, both times `by` and their weights.
Tensor shrunk(const Tensor& u, double by, double l1, double group) {
  const Tensor soft = u.sign() * at::relu(u.abs() - by * l1);
  const double norm = soft.norm().item<double>(), less = by * group * std::sqrt(double(u.numel()));
  return norm > less ? soft * (1 - less / norm) : at::zeros_like(u);
}

std::vector<AffineMap> fit_jointly(Pooled& source, const std::vector<Tensor>& eta, const MapOptions& options,
                                   const Progress& progress) {
  const at::AutoGradMode gradients(true);
  std::vector<AffineMap> maps;
  for (size_t p = 0; p < eta.size(); ++p)
    maps.push_back({options.points[p], at::ones({eta[p].size(1)}), at::zeros({eta[p].size(1)})});
  std::vector<Adam> slopes(maps.size()), offsets(maps.size());
  for (int64_t step = 0; step < options.steps; ++step) {
    for (auto& map : maps) {
      map.slope = map.slope.detach().requires_grad_(true);
      map.offset = map.offset.detach().requires_grad_(true);
    }
    loss_of(source.read(maps), eta).backward();
    const at::NoGradGuard no_gradients;
    const double rate = options.rate * 0.5 * (1 + std::cos(std::numbers::pi * double(step) / double(options.steps)));
    const auto stepped = [&](const Tensor& t, const Tensor& at_rest, Adam& adam) {
      const Tensor u = t.detach() + adam.step(t.grad(), rate) - at_rest;
      return at_rest + (options.gamma > 0 ? shrunk(u, rate * options.gamma, options.l1, options.group) : u);
    };
    for (size_t p = 0; p < maps.size(); ++p) {
      maps[p].slope = stepped(maps[p].slope, at::ones_like(maps[p].slope), slopes[p]);
      maps[p].offset = stepped(maps[p].offset, at::zeros_like(maps[p].offset), offsets[p]);
    }
    if (progress) progress("affine maps", size_t(step + 1), size_t(options.steps), "");
  }
  return maps;
}

}  // namespace

// In the order of MapKind. Cards ask while static objects are made.
std::vector<std::string> map_kinds() { return {"joint", "mean", "gaussian", "linear"}; }
MapKind map_kind(const std::string& name) {
  const auto kinds = map_kinds();
  for (size_t i = 0; i < kinds.size(); ++i)
    if (kinds[i] == name) return MapKind(i);
  fail_usage("affine maps", "{}", unknown_name("kind", name, kinds));
}

model::Tap AffineMaps::tap(size_t map, double strength, bool last_row) const {
  return {maps[map].point, [&m = maps[map], strength, last_row](const Tensor& x, const model::Site&) {
            if (x.flatten(1).size(1) != m.slope.numel())
              fail_usage("affine maps", "{} is {} wide here; the maps were fitted on {}", m.point, x.flatten(1).size(1),
                         m.slope.numel());
            return std::optional(mapped(x, m, strength, last_row));
          }};
}

Lever lever_of(const AffineMaps& maps, const std::string& method) {
  Lever lever{.method = method, .about = {{"last", maps.last}}};
  Json points = Json::array();
  for (size_t p = 0; p < maps.maps.size(); ++p) {
    points.push_back(maps.maps[p].point);
    lever.tensors[fmt::format("{}.slope", p)] = maps.maps[p].slope;
    lever.tensors[fmt::format("{}.offset", p)] = maps.maps[p].offset;
  }
  lever.about["points"] = points;
  return lever;
}

AffineMaps affine_maps(const Lever& lever) {
  AffineMaps result;
  const Json points = lever.about.value("points", Json()), last = lever.about.value("last", Json());
  if (!points.is_array() || points.empty() || !last.is_boolean())
    fail("lever", "{}: its description needs 'points', a list, and 'last', true or false; fit it again", lever.file);
  result.last = last;
  for (size_t p = 0; p < points.size(); ++p) {
    if (!points[p].is_string())
      fail("lever", "{}: 'points' must list names; it holds {}", lever.file, points[p].dump());
    const Tensor slope = lever.at(fmt::format("{}.slope", p), {-1});
    result.maps.push_back({points[p], slope, lever.at(fmt::format("{}.offset", p), {slope.numel()})});
  }
  return result;
}

AffineMaps random_maps(const AffineMaps& like, uint64_t seed) {
  AffineMaps result = like;
  uint64_t stream = 2 * seed * result.maps.size();
  const auto as_long = [&](const Tensor& u) {
    const Tensor noise = random_direction(u.numel(), stream++).to(at::kFloat);
    return noise * (u.norm() / noise.norm());
  };
  for (auto& map : result.maps) map.slope = 1 + as_long(map.slope - 1), map.offset = as_long(map.offset);
  return result;
}

Tensor resampled(const Tensor& sorted, int64_t n) {
  const int64_t m = sorted.size(0);
  if (m == n) return sorted;
  const Tensor at = ((at::arange(n) + 0.5) * (double(m) / double(n)) - 0.5).clamp(0, double(m - 1));
  const Tensor low = at.floor().to(at::kLong), high = (low + 1).clamp_max(m - 1);
  const Tensor part = (at - low).to(at::kFloat).unsqueeze(1);
  return sorted.index_select(0, low) * (1 - part) + sorted.index_select(0, high) * part;
}

MapFit fit_maps(const model::Model& model, const Prompts& source, const Prompts& target, const MapOptions& options,
                const Progress& progress) {
  if (source.size() < 2 || target.size() < 2 || options.points.empty())
    fail("affine maps", "{} source and {} target prompts at {} points: 2, 2 and 1 are needed", source.size(),
         target.size(), options.points.size());
  Pooled from(model, source, options), to(model, target, options);
  MapFit fit;
  std::vector<Tensor> eta;
  const auto distance = [&](const std::vector<AffineMap>& maps) {
    const at::NoGradGuard no_gradients;
    return loss_of(from.read(maps), eta).item<double>();
  };
  {
    const at::NoGradGuard no_gradients;
    for (const Tensor& each : to.read({})) eta.push_back(resampled(sorted(each), int64_t(source.size())));
    fit.before = distance({});
    for (size_t p = 0; options.kind != MapKind::joint && p < options.points.size(); ++p) {
      const Tensor own = from.read(fit.maps.maps)[p];
      fit.maps.maps.push_back(closed_form(options.points[p], own, eta[p], options.kind));
    }
  }
  if (options.kind == MapKind::joint) fit.maps.maps = fit_jointly(from, eta, options, progress);
  fit.maps.last = options.last;
  fit.after = distance(fit.maps.maps);
  return fit;
}

}  // namespace ken::readout
