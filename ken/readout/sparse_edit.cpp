#include "ken/readout/sparse_edit.h"

#include <algorithm>
#include <sstream>

#include "ken/base/error.h"
#include "ken/readout/shift.h"
#include "ken/stats/mutual_information.h"

namespace ken::readout {
namespace {

// A reader's decoder is never asked for, but its shape is.
Tensor no_decoder(const Tensor& w_enc) { return at::zeros({1, 1}).expand({w_enc.size(1), w_enc.size(0)}); }

}  // namespace

Tensor SparseEdit::change(const Tensor& h, int towards, double scale) const {
  const Tensor z = reader.encode(h).index_select(1, selected.to(h.device()));  // [n, s]
  const Tensor wanted = scale * clip[size_t(towards)].to(h.device()),
               other = scale * clip[size_t(1 - towards)].to(h.device());
  return at::mm(at::relu(wanted - z) - at::minimum(z, other), rows.to(h.device()));
}

Lever lever_of(const SparseEdits& edits, const std::string& method) {
  Lever lever{.method = method};
  Json layers = Json::array();
  for (size_t i = 0; i < edits.layers.size(); ++i) {
    const SparseEdit& e = edits.layers[i];
    layers.push_back({{"point", e.point}, {"kind", kind_name(e.reader.kind)}, {"k", e.reader.k}});
    const auto put = [&](const char* name, const Tensor& t) {
      if (t.defined()) lever.tensors[fmt::format("{}.{}", i, name)] = t;
    };
    put("w_enc", e.reader.w_enc), put("b_enc", e.reader.b_enc), put("threshold", e.reader.threshold);
    put("selected", e.selected.to(at::kFloat)), put("rows", e.rows);
    put("clip_0", e.clip[0]), put("clip_1", e.clip[1]);
  }
  lever.about = {{"edits", layers}, {"strength_0", edits.strength[0]}, {"strength_1", edits.strength[1]}};
  return lever;
}

SparseEdits sparse_edits(const Lever& lever) {
  SparseEdits edits{{}, {lever.number("strength_0"), lever.number("strength_1")}};
  const Json list = lever.about.value("edits", Json());
  if (!list.is_array() || list.empty()) fail("lever", "{}: 'edits' lists no layer; fit it again", lever.file);
  for (size_t i = 0; i < list.size(); ++i) {
    const auto tensor = [&](const char* name, const std::vector<int64_t>& shape) {
      return lever.at(fmt::format("{}.{}", i, name), shape);
    };
    const Lever one{.about = list[i].is_object() ? list[i] : Json::object(), .file = lever.file};
    SparseEdit& e = edits.layers.emplace_back();
    e.point = one.text("point");
    e.reader.w_enc = tensor("w_enc", {-1, -1}), e.reader.w_dec = no_decoder(e.reader.w_enc);
    const int64_t m = e.reader.w_enc.size(1);
    e.reader.b_enc = tensor("b_enc", {m});
    e.reader.kind = sae_kind(one.text("kind")), e.reader.k = one.integer("k", 0, 1 << 30);
    if (lever.tensors.contains(fmt::format("{}.threshold", i))) e.reader.threshold = tensor("threshold", {m});
    e.selected = tensor("selected", {-1}).to(at::kLong);
    const int64_t s = e.selected.numel();
    if (s > 0 && (e.selected.min().item<int64_t>() < 0 || e.selected.max().item<int64_t>() >= m))
      fail("lever", "{}: '{}.selected' names latents beyond the {} of the encoder", lever.file, i, m);
    e.rows = tensor("rows", {s, e.reader.w_enc.size(0)});
    e.clip = {tensor("clip_0", {s}), tensor("clip_1", {s})};
  }
  return edits;
}

SparseEdits random_sparse_edits(const std::string& point, int64_t d, uint64_t seed) {
  constexpr int64_t latents = 16;
  Tensor rows = at::empty({latents, d}, at::kFloat);
  for (int64_t i = 0; i < latents; ++i) {
    const Tensor row = random_direction(d, seed + uint64_t(i)).to(at::kFloat);
    rows[i].copy_(row / row.norm());
  }
  SparseEdit e{.point = point, .selected = at::arange(latents), .rows = rows};
  e.reader.w_enc = rows.t().contiguous(), e.reader.b_enc = at::zeros({latents}), e.reader.w_dec = rows;
  const Tensor first = (at::arange(latents) < latents / 2).to(at::kFloat);
  e.clip = {first, 1 - first};
  return {{e}};
}

Ranking rank_latents(const Sae& sae, const Tensor& states, const std::vector<int>& classes, const Tensor& weights,
                     int neighbours, uint64_t seed) {
  const Tensor z = sae.encode(states), of_one = at::tensor(at::ArrayRef<int>(classes)) == 1;  // [n, m], [n]
  Ranking r{sae, {}, std::vector<double>(size_t(sae.features())), {}};
  for (int c = 0; c < 2; ++c) {
    const Tensor own = weights.to(at::kFloat) * (c == 1 ? of_one : ~of_one);
    r.means[size_t(c)] = at::mv(z.t(), own / own.sum());
  }
  const Tensor fires = (z > 0).any(0), columns = z.t().to(at::kDouble).contiguous();
  for (int64_t j = 0; j < sae.features(); ++j) {
    if (!fires[j].item<bool>()) continue;
    const std::span<const double> values(columns[j].data_ptr<double>(), size_t(z.size(0)));
    r.told[size_t(j)] = stats::mutual_information(values, classes, neighbours, seed + uint64_t(j));
    r.order.push_back(j);
  }
  std::stable_sort(r.order.begin(), r.order.end(),
                   [&](int64_t a, int64_t b) { return r.told[size_t(a)] > r.told[size_t(b)]; });
  return r;
}

SparseEdit select_latents(const Ranking& r, double rho) {
  double total = 0, sum = 0;
  for (const double told : r.told) total += told;
  size_t count = 0;
  while (count < r.order.size() && sum <= rho * total) sum += r.told[size_t(r.order[count++])];
  std::vector<int64_t> chosen;
  for (const int64_t j : r.order)
    if (chosen.size() < count && r.means[0][j].item<float>() != r.means[1][j].item<float>()) chosen.push_back(j);
  const Tensor index = at::tensor(at::ArrayRef<int64_t>(chosen), at::kLong);
  const Tensor zero = r.means[0].index_select(0, index), one = r.means[1].index_select(0, index), of_one = one > zero;
  SparseEdit e{.point = r.sae.point, .reader = r.sae, .selected = index, .rows = r.sae.w_dec.index_select(0, index)};
  e.clip = {at::where(of_one, at::zeros_like(zero), zero), at::where(of_one, one, at::zeros_like(one))};
  if (r.sae.kind != SaeKind::topk) {  // a latent then needs no other one to be read
    e.reader.w_enc = r.sae.w_enc.index_select(1, index).contiguous();
    e.reader.b_enc = r.sae.b_enc.index_select(0, index);
    if (r.sae.threshold.defined()) e.reader.threshold = r.sae.threshold.index_select(0, index);
    e.selected = at::arange(int64_t(chosen.size()));
  }
  e.reader.w_dec = no_decoder(e.reader.w_enc), e.reader.b_dec = Tensor();
  return e;
}

std::vector<Sae> dictionaries(const AnalysisInput& input, const std::string& folders, const SaeTraining& training) {
  std::vector<Sae> saes;
  std::istringstream list(folders);
  for (std::string folder; std::getline(list, folder, '+');) {
    saes.push_back(load_sae(folder));
    if (saes.back().point.empty()) fail_usage("sae", "{} does not say which point it reads", folder);
  }
  if (!saes.empty()) return saes;
  const int64_t layers = input.model.config.n_layers, first = std::max<int64_t>(0, layers / 2 - 2);
  for (int64_t l = first; l < std::min(layers, first + 4); ++l) {
    const StreamOptions options{.point = model::point_name(model::Point::resid_post, l), .seed = input.seed};
    ActivationStream stream(input.model, input.some_texts(), options);
    saes.push_back(train_sae(stream, training, input.progress));
    saes.back().point = options.point;
  }
  return saes;
}

}  // namespace ken::readout
