// Everything is read once; fits, exchanges and means share the states.
#include "ken/evidence/source_axes.h"

#include <algorithm>
#include <set>

#include "ken/base/error.h"
#include "ken/stats/stats.h"

namespace ken::evidence {
namespace {

using readout::AnalysisInput;
using readout::Subspace;
using readout::SubspaceFit;
using readout::SubspaceOptions;
using readout::Swap;

constexpr int pk = 0, ck = 1, axis_folds = 5;

size_t prompt_index(size_t item, Mode mode) { return 3 * item + size_t(mode); }
double number_at(const Tensor& t, int64_t i, int64_t j) { return t[i][j].item<double>(); }

std::vector<int64_t> layers_to_try(const model::Config& config, double depth) {
  const std::vector<double> depths =
      depth > 0 ? std::vector<double>{depth} : std::vector<double>{0.375, 0.5, 0.625, 0.75};
  std::set<int64_t> layers;
  for (const double d : depths)
    layers.insert(std::clamp<int64_t>(int64_t(std::lround(d * double(config.n_layers))) - 1, 0, config.n_layers - 1));
  return {layers.begin(), layers.end()};
}

}  // namespace

SourceAxes::SourceAxes(const AnalysisInput& given, const Instructions& instructions, const SourceFitOptions& options,
                       size_t max_items)
    : input(given),
      items(instructed_cases(given, instructions, max_items)),
      options_(options),
      layers_(layers_to_try(given.model.config, options.depth)) {
  std::vector<std::string> groups;
  for (size_t i = 0; i < items.size(); ++i) groups.push_back(group(i));
  for (const int fold : stats::grouped_folds(groups, axis_folds, input.seed))
    parts_.push_back(fold < 2 ? Part::test : fold == 2 ? Part::validation : Part::train);
  std::vector<std::vector<int32_t>> prompts;
  for (const auto& item : items)
    for (const auto& run : item.runs) prompts.push_back(run.tokens);
  std::vector<Swap> all;
  for (const Part part : {Part::test, Part::validation, Part::train})
    for (const bool two : {true, false})
      for (const Swap& swap : swaps(part, two, false)) all.push_back(swap);
  for (const Part part : {Part::test, Part::train})
    if (swaps(part, false, true).size() < 40)
      fail("instructions",
           "only {} of {} items are answered surely and differently under the two instructions; give more passages "
           "that contradict what the model knows, or a lower confidence",
           swaps(part, false, true).size() / 2, items.size());
  data_ = std::make_unique<readout::Interchanges>(input.model, prompts, all, layers_, input.compute, input.progress);
}

// Exchanges of one part: on the undirected run (two axes), or between the instructed runs (one axis).
std::vector<Swap> SourceAxes::swaps(Part part, bool two_axes, bool unequal_only) const {
  std::vector<Swap> result;
  for (size_t i = 0; i < items.size(); ++i) {
    const auto &memory = items[i].run(Mode::memory), &context = items[i].run(Mode::context);
    if (parts_[i] != part || std::min(memory.sure(), context.sure()) < options_.confidence) continue;
    if (memory.first() < 0 || context.first() < 0) continue;
    if ((unequal_only || !two_axes) && memory.first() == context.first()) continue;
    const size_t p = prompt_index(i, Mode::memory), c = prompt_index(i, Mode::context),
                 both = prompt_index(i, Mode::both);
    result.push_back({two_axes ? both : c, p, pk, memory.first()});
    result.push_back({two_axes ? both : p, c, two_axes ? ck : 0, context.first()});
  }
  return result;
}

Tensor SourceAxes::states(int64_t layer, Mode mode, const std::vector<size_t>& which) const {
  std::vector<int64_t> rows;
  for (const size_t i : which) rows.push_back(int64_t(prompt_index(i, mode)));
  return data_->states(layer).index_select(0, at::tensor(at::ArrayRef<int64_t>(rows), at::kLong));
}

std::vector<size_t> SourceAxes::of(Part part) const {
  std::vector<size_t> result;
  for (size_t i = 0; i < items.size(); ++i)
    if (parts_[i] == part) result.push_back(i);
  return result;
}

std::string SourceAxes::group(size_t i) const {
  return items[i].item.group.empty() ? items[i].item.question : items[i].item.group;
}

Tensor SourceAxes::instructed_means(int64_t layer) const {
  const auto train = of(Part::train);
  return at::stack({states(layer, Mode::memory, train).mean(0), states(layer, Mode::context, train).mean(0)});
}

SourceFit SourceAxes::fit(int64_t rank) const {
  SourceFit result;
  double least = INFINITY;
  const bool two = rank == 2;
  for (const int64_t layer : layers_) {
    SubspaceOptions options{layer, rank, options_.epochs, options_.batch, options_.rate, input.seed};
    const SubspaceFit fit = readout::fit_subspace(*data_, swaps(Part::train, two, false), options, input.progress);
    const double loss = readout::swap_loss(*data_, fit.subspace, swaps(Part::validation, two, true));
    result.tried.push_back({{"layer", layer}, {"train_loss", fit.losses.back()}, {"validation_loss", loss}});
    if (loss < least || !result.subspace.basis.defined()) least = loss, result.subspace = fit.subspace;
  }
  return result;
}

Json SourceAxes::name_axes(Subspace& u) const {
  const auto train = of(Part::train);
  u.centre = states(u.layer, Mode::both, train).mean(0);
  const Tensor means = instructed_means(u.layer);
  const Tensor plain = u.coordinates(means), centred = u.coordinates(means - u.centre);
  const auto peak = [](const Tensor& c, int64_t mean) {
    return std::abs(number_at(c, mean, 0)) >= std::abs(number_at(c, mean, 1)) ? 0 : 1;
  };
  const auto tells = [&](const Tensor& c) { return peak(c, pk) != peak(c, ck); };
  const bool swap = tells(plain) && peak(plain, pk) == 1;
  if (swap) u.basis = u.basis.flip(1);
  const Tensor turned = u.coordinates(means - u.centre);
  u.basis =
      u.basis * at::tensor({number_at(turned, pk, 0) < 0 ? -1.0f : 1.0f, number_at(turned, ck, 1) < 0 ? -1.0f : 1.0f});
  u.axes = {"memory", "context"};
  const Tensor named = u.coordinates(means), named_centred = u.coordinates(means - u.centre);
  const auto rows = [&](const Tensor& c) {
    return Json{{"memory_mean", {number_at(c, pk, 0), number_at(c, pk, 1)}},
                {"context_mean", {number_at(c, ck, 0), number_at(c, ck, 1)}}};
  };
  return {{"means_tell", tells(plain)},
          {"centred_means_tell", tells(centred)},
          {"as_fitted", !swap},
          {"plain", rows(named)},
          {"centred", rows(named_centred)}};
}

Json SourceAxes::interchange(const Subspace& u) const {
  const auto test = swaps(Part::test, u.basis.size(1) == 2, true);
  const auto answers = readout::answers_after(*data_, u, test);
  Json result = Json::object();
  for (const int source : {pk, ck}) {
    int64_t taken = 0, kept = 0, n = 0;
    for (size_t i = size_t(source); i < test.size(); i += 2, ++n) {
      taken += answers[i] == test[i].answer;
      kept += answers[i] == test[source == pk ? i + 1 : i - 1].answer;
    }
    result[source == pk ? "memory" : "context"] = {
        {"source_answer", stats::to_json(stats::proportion(taken, n, "source_answer_rate"))},
        {"target_answer", stats::to_json(stats::proportion(kept, n, "target_answer_rate"))}};
  }
  return result;
}

void SourceAxes::turn_axis(Subspace& u) const {
  const auto train = of(Part::train);
  u.centre = states(u.layer, Mode::both, train).mean(0);
  const Tensor means = u.coordinates(instructed_means(u.layer));
  if (number_at(means, pk, 0) < number_at(means, ck, 0)) u.basis = -u.basis;
  u.axes = {"memory against context"};
}

}  // namespace ken::evidence
