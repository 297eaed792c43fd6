#include "ken/readout/sae.h"

#include <fmt/ranges.h>

#include "ken/base/error.h"

namespace ken::readout {
namespace {

const std::vector<std::string> kinds = {"relu", "topk", "batchtopk", "jumprelu"};  // in the order of SaeKind

}  // namespace

std::vector<std::string> sae_kinds() { return kinds; }
std::string kind_name(SaeKind kind) { return kinds[size_t(kind)]; }
SaeKind sae_kind(const std::string& name) {
  for (size_t i = 0; i < kinds.size(); ++i)
    if (kinds[i] == name) return SaeKind(i);
  fail_usage("sae", "{}", unknown_name("kind", name, kinds));
}

Tensor Sae::encode(const Tensor& x) const {
  if (x.dim() != 2 || x.size(1) != d())
    fail("sae", "it reads rows of {} numbers; it was given {} dimensions, the last of {}", d(), x.dim(),
         x.dim() ? x.size(-1) : 0);
  const Tensor pre = at::addmm(b_enc.to(x.device()), x.to(at::kFloat), w_enc.to(x.device()));  // [n, m]
  if (kind == SaeKind::topk) {
    const auto [values, indices] = pre.topk(std::min(k, features()), -1);
    return at::zeros_like(pre).scatter_(1, indices, at::relu(values));
  }
  const Tensor z = at::relu(pre);
  return threshold.defined() ? at::where(pre > threshold.to(x.device()), z, at::zeros({}, z.options())) : z;
}

Tensor Sae::difference(const Tensor& change) const { return at::mm(change.to(at::kFloat), w_dec.to(change.device())); }
Tensor Sae::decode(const Tensor& z) const { return difference(z) + b_dec.to(z.device()); }

void check(const Sae& sae, std::string_view where) {
  const auto shaped = [&](const Tensor& x, const char* name, std::vector<int64_t> shape) {
    if (!x.defined() || x.sizes() != at::IntArrayRef(shape))
      fail("sae", "{}: {} has the shape [{}], expected [{}]", where, name,
           x.defined() ? fmt::format("{}", fmt::join(x.sizes().vec(), ", ")) : "", fmt::join(shape, ", "));
    if (!x.isfinite().all().item<bool>()) fail("sae", "{}: {} holds numbers that are not finite", where, name);
  };
  if (!sae.w_enc.defined() || sae.w_enc.dim() != 2) fail("sae", "{}: W_enc is no matrix", where);
  const int64_t d = sae.w_enc.size(0), m = sae.w_enc.size(1);
  if (d < 1 || m < 1) fail("sae", "{}: W_enc is empty", where);
  shaped(sae.w_enc, "W_enc", {d, m});
  shaped(sae.w_dec, "W_dec", {m, d});
  shaped(sae.b_enc, "b_enc", {m});
  shaped(sae.b_dec, "b_dec", {d});
  const bool thresholds = sae.kind == SaeKind::jumprelu || sae.kind == SaeKind::batchtopk;
  if (thresholds) shaped(sae.threshold, "threshold", {m});
  if (sae.kind == SaeKind::topk && (sae.k < 1 || sae.k > m))
    fail("sae", "{}: k is {}, expected 1 to the {} features", where, sae.k, m);
}

}  // namespace ken::readout
