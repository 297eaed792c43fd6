#include "ken/model/taps.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/model/batch.h"

namespace ken::model {
namespace {

struct PointName {
  const char* name;
  bool layered;
};

// In the order of Point. TransformerLens's classic names; where those are ambiguous: hook_attn_out is what is added to
// the stream, attn.hook_out the raw module output (they differ only under a post-norm).
constexpr PointName names[] = {{"hook_embed", false},           {"hook_resid_pre", true},
                               {"ln1.hook_normalized", true},   {"attn.hook_q", true},
                               {"attn.hook_k", true},           {"attn.hook_v", true},
                               {"attn.hook_rot_q", true},       {"attn.hook_rot_k", true},
                               {"attn.hook_attn_scores", true}, {"attn.hook_pattern", true},
                               {"attn.hook_z", true},           {"attn.hook_out", true},
                               {"hook_attn_out", true},         {"hook_resid_mid", true},
                               {"ln2.hook_normalized", true},   {"mlp.hook_pre", true},
                               {"mlp.hook_pre_linear", true},   {"mlp.hook_post", true},
                               {"mlp.hook_out", true},          {"hook_mlp_out", true},
                               {"hook_resid_post", true},       {"ln_final.hook_normalized", false}};
static_assert(std::size(names) == size_t(Point::count));

// {point, layer}; layer -1 = all layers.
std::pair<Point, int64_t> resolve(const std::string& name, int64_t layers) {
  std::string rest = name;
  int64_t layer = -1;
  const bool layered = name.rfind("blocks.", 0) == 0;
  if (layered) {
    const size_t dot = name.find('.', 7);
    const std::string index = name.substr(7, dot == std::string::npos ? dot : dot - 7);
    rest = dot == std::string::npos ? "" : name.substr(dot + 1);
    if (index != "*") {
      const bool digits =
          !index.empty() && index.size() < 8 && index.find_first_not_of("0123456789") == std::string::npos;
      layer = digits ? std::stol(index) : layers;
      if (layer >= layers)
        fail_usage("tap", "'{}' names layer '{}'; the model has layers 0 to {}, or * for all", name, index, layers - 1);
    }
  }
  for (size_t i = 0; i < std::size(names); ++i)
    if (names[i].layered == layered && rest == names[i].name) return {Point(i), layer};
  fail_usage("tap", "{}", unknown_name("point", name, point_names()));
}

// A point that the model's passes never reach would read nothing and say nothing.
void refuse_absent(const Config& config, Point point, const std::string& name) {
  const bool inner = point == Point::mlp_pre || point == Point::mlp_linear || point == Point::mlp_post;
  if (config.parallel && point == Point::resid_mid)
    fail_usage("tap",
               "'{}': {} adds both modules to the stream at once, there is no sum between them; tap "
               "hook_resid_pre, hook_attn_out or hook_resid_post instead",
               name, config.arch);
  if (config.n_experts > 0 && inner)
    fail_usage("tap", "'{}': each token of {} goes through experts of its own; tap mlp.hook_out instead", name,
               config.arch);
  if (!config.gated && point == Point::mlp_linear)
    fail_usage("tap", "'{}': the MLP of {} has no gate; tap mlp.hook_pre instead", name, config.arch);
}

}  // namespace

std::vector<std::string> point_names() {
  std::vector<std::string> result;
  for (const auto& point : names) result.push_back((point.layered ? "blocks.*." : "") + std::string(point.name));
  return result;
}

std::string point_name(Point point, int64_t layer) {
  const PointName& p = names[size_t(point)];
  return p.layered ? fmt::format("blocks.{}.{}", layer, p.name) : p.name;
}

TapPlan::TapPlan(const Config& config, std::vector<Tap> taps)
    : taps_(std::move(taps)), layers_(std::max<int64_t>(1, config.n_layers)) {
  table_.resize(size_t(Point::count) * size_t(layers_));
  for (size_t i = 0; i < taps_.size(); ++i) {
    const auto [point, layer] = resolve(taps_[i].point, layers_);
    refuse_absent(config, point, taps_[i].point);
    const bool layered = names[size_t(point)].layered;
    for (int64_t l = 0; l < (layered ? layers_ : 1); ++l)
      if (layer < 0 || l == layer) table_[size_t(point) * size_t(layers_) + size_t(l)].push_back(i);
  }
}

bool TapPlan::uses(Point point, int64_t layer, int sequence) const {
  if (taps_.empty()) return false;
  for (size_t i : at(point, layer)) {
    const auto& chosen = taps_[i].sequences;
    if (chosen.empty() || is_in(sequence, chosen)) return true;
  }
  return false;
}

Tensor TapPlan::apply(Point point, int64_t layer, const Tensor& x, const Batch& batch, int only) const {
  if (!uses(point, layer)) return x;
  const int64_t first = only < 0 ? 0 : only, after = only < 0 ? batch.sequences() : only + 1;
  std::vector<Tensor> parts;
  bool changed = false;
  for (int64_t s = first; s < after; ++s) {
    Tensor rows = only < 0 ? x.narrow(0, batch.begin(s), batch.end(s) - batch.begin(s)) : x;
    const Site site{int(s), batch.positions_of(s), batch.phases[size_t(s)], names[size_t(point)].layered ? layer : -1,
                    point};
    for (size_t i : at(point, layer)) {
      const Tap& tap = taps_[i];
      if (!tap.sequences.empty() && !is_in(int(s), tap.sequences)) continue;
      const std::optional<Tensor> replaced = tap.fn(rows, site);
      if (!replaced) continue;
      if (replaced->sizes() != rows.sizes()) {
        fail("tap", "a replacement at {} has shape {}, not {}", point_name(point, layer),
             fmt::join(replaced->sizes(), "x"), fmt::join(rows.sizes(), "x"));
      }
      rows = replaced->to(rows.scalar_type());
      changed = true;
    }
    parts.push_back(rows);
  }
  if (!changed) return x;
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

std::vector<Tap> ActivationCache::taps(const std::vector<std::string>& points) {
  std::vector<Tap> result;
  for (const auto& point : points) {
    result.push_back({point, [this](const Tensor& x, const Site& site) -> std::optional<Tensor> {
                        values_[point_name(site.point, site.layer)][site.sequence] = x.clone();
                        return std::nullopt;
                      }});
  }
  return result;
}

std::vector<std::string> ActivationCache::names() const {
  std::vector<std::string> result;
  for (const auto& [name, rows] : values_) result.push_back(name);
  return result;
}

const Tensor& ActivationCache::at(const std::string& name, int sequence) const {
  const auto found = values_.find(name);
  if (found == values_.end()) fail_usage("cache", "{}", unknown_name("activation", name, names()));
  const auto row = found->second.find(sequence);
  if (row == found->second.end()) fail_usage("cache", "{} was not taken for sequence {}", name, sequence);
  return row->second;
}

}  // namespace ken::model
