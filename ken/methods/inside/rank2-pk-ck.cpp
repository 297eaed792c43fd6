// The plane of memory and context (arXiv 2511.01706): two orthonormal directions of one layer's last state, learned by
// interchange. On the run that is told neither source, coordinate 1 taken from the run told to use memory (PK) must
// give memory's answer, and coordinate 2 from the run told to use the passage (CK) must give the passage's. Read on
// groups that no direction was fitted on; the layer is chosen on a third part. Baseline: one direction exchanged
// between the two instructed runs (arXiv 2411.07404), whose coordinate can say memory or context but not both.
#include <algorithm>
#include <map>

#include "ken/evidence/source_axes.h"
#include "ken/readout/collect.h"
#include "ken/readout/separation.h"

namespace ken::readout::rank2_pk_ck_file {
namespace {

using evidence::Instructed;
using evidence::Mode;
using evidence::Part;
using Study = evidence::SourceAxes;

constexpr int pk = 0, ck = 1;

double number_at(const Tensor& t, int64_t i, int64_t j) { return t[i][j].item<double>(); }
std::string class_of(const Study& s, size_t i, bool by_kind) {
  return by_kind ? s.items[i].item.kind : evidence::name_of(s.items[i].interaction);
}

// Test items by their interaction or by the kind that their record states; classes with too few items are left out.
std::pair<Classes, std::vector<size_t>> classes_of(const Study& s, bool by_kind, const std::string& judge) {
  constexpr size_t least = 15;
  std::map<std::string, std::vector<size_t>> found;
  for (const size_t i : s.of(Part::test))
    if (judge.empty() || s.items[i].item.extra.value(judge, false)) found[class_of(s, i, by_kind)].push_back(i);
  Classes classes;
  std::vector<size_t> items;
  for (const auto& [name, members] : found) {
    if (members.size() < least) continue;
    for (const size_t i : members) {
      items.push_back(i);
      classes.of.push_back(int(classes.names.size()));
      classes.groups.push_back(s.group(i));
    }
    classes.names.push_back(name);
  }
  return {classes, items};
}

// Whether the plane's coordinates tell the classes apart, the one axis', and those of a plane drawn at random.
Json reading_table(const Study& s, bool by_kind, const std::string& judge, const Subspace& plane,
                   const Subspace& axis) {
  const auto [classes, items] = classes_of(s, by_kind, judge);
  Json counts = Json::object(), each = Json::object();
  for (const int of : classes.of) counts[classes.names[size_t(of)]] = counts.value(classes.names[size_t(of)], 0) + 1;
  if (classes.names.size() < 2) return {{"classes", counts}};
  const Subspace chance = random_subspace(plane.basis.size(0), 2, plane.layer, s.input.seed);
  const auto coordinates = [&, chosen = &items](const Subspace& u) {
    return u.coordinates(s.states(u.layer, Mode::both, *chosen));
  };
  const Separation found =
      separate({coordinates(plane), coordinates(axis), coordinates(chance)}, classes, s.input.seed);
  for (size_t c = 0; c < classes.names.size(); ++c)
    each[classes.names[c]] = {{"plane", found.one_against_rest[0][c]}, {"axis", found.one_against_rest[1][c]}};
  return {{"classes", counts},
          {"plane", stats::to_json(found.macro[0])},
          {"axis", stats::to_json(found.macro[1])},
          {"random_plane", stats::to_json(found.macro[2])},
          {"plane_minus_axis", stats::to_json(found.above[1])},
          {"plane_minus_random", stats::to_json(found.above[2])},
          {"one_against_rest", each}};
}

// The memory share of each token's state. As published the absolute coordinates are compared, plain or with the
// undirected runs' mean taken away; both forget on which side of nothing a coordinate lies. `anchored` is measured from
// where the other instruction's runs lie on the axis (no part of this source) to where its own lie (all of it).
struct Shares {
  std::vector<double> plain, centred, anchored, one_axis;  // the last: 1 where the one axis says memory
};

double share_of(double p, double k) { return p + k > 0 ? p / (p + k) : 0.5; }

std::vector<Shares> shares_of(const Study& s, const std::vector<size_t>& which, const Subspace& plane,
                              const Subspace& axis) {
  std::vector<std::vector<int32_t>> prompts, answers;
  for (const size_t i : which) {
    const auto& run = s.items[i].run(Mode::both);
    prompts.push_back(run.tokens);
    answers.push_back({run.answer.tokens.begin(), run.answer.tokens.begin() + run.answer.answer_tokens});
  }
  const auto at_layer = [&](int64_t layer) {
    return answer_states(s.input.model, prompts, answers, model::point_name(model::Point::resid_post, layer),
                         s.input.compute);
  };
  const auto states = at_layer(plane.layer), other = axis.layer == plane.layer ? states : at_layer(axis.layer);
  const Tensor means = plane.coordinates(s.instructed_means(plane.layer));  // [{PK, CK}, {pk, ck}]
  const auto part = [&](double c, int own) {
    const double none = number_at(means, 1 - own, own);
    return std::max(0.0, (c - none) / (number_at(means, own, own) - none));
  };
  std::vector<Shares> result(which.size());
  for (size_t n = 0; n < which.size(); ++n) {
    const Tensor plain = plane.coordinates(states[n]), centred = plane.coordinates(states[n] - plane.centre),
                 one = axis.coordinates(other[n] - axis.centre);
    for (int64_t t = 0; t < plain.size(0); ++t) {
      const double p = number_at(plain, t, pk), k = number_at(plain, t, ck);
      result[n].plain.push_back(share_of(std::abs(p), std::abs(k)));
      result[n].centred.push_back(share_of(std::abs(number_at(centred, t, pk)), std::abs(number_at(centred, t, ck))));
      result[n].anchored.push_back(share_of(part(p, pk), part(k, ck)));
      result[n].one_axis.push_back(number_at(one, t, 0) > 0);
    }
  }
  return result;
}

// Means over the items of some class, of the means over an answer's tokens.
Json mean_shares(const Study& s, const std::vector<Shares>& shares, const std::vector<size_t>& chosen) {
  const auto number = [&](std::vector<double> Shares::*what, const char* metric) {
    std::vector<double> values;
    for (const size_t n : chosen) values.push_back(stats::mean_of(shares[n].*what));
    return stats::to_json(stats::mean(values, s.input.seed, metric));
  };
  return {{"plain", number(&Shares::plain, "memory_share")},
          {"centred", number(&Shares::centred, "memory_share_centred")},
          {"anchored", number(&Shares::anchored, "memory_share_anchored")},
          {"one_axis", number(&Shares::one_axis, "memory_side")}};
}

// Centred window of nine positions over the answers, as published.
Json by_position(const std::vector<Shares>& shares) {
  constexpr size_t half_window = 4, most_positions = 256;
  std::vector<double> sum, count;
  for (const Shares& share : shares)
    for (size_t t = 0; t < std::min(share.anchored.size(), most_positions); ++t) {
      if (t >= sum.size()) sum.push_back(0), count.push_back(0);
      sum[t] += share.anchored[t], count[t] += 1;
    }
  Json result = Json::array();
  for (size_t t = 0; t < sum.size(); ++t) {
    double total = 0, n = 0;
    for (size_t w = t - std::min(t, half_window); w <= std::min(sum.size() - 1, t + half_window); ++w)
      total += sum[w], n += count[w];
    result.push_back(total / n);
  }
  return result;
}

// Answers that the passage does not give against those that it does: is their memory share larger?
Json groundedness(const Study& s, const std::vector<size_t>& which, const std::vector<Shares>& shares, bool conflicts) {
  std::vector<size_t> grounded, ungrounded;
  std::map<std::string, std::vector<double>> scores;
  std::vector<int> labels;
  std::vector<std::string> groups;
  for (size_t n = 0; n < which.size(); ++n) {
    const Instructed& item = s.items[which[n]];
    const std::string& answer = item.run(Mode::both).answer.text;
    if (answer.empty() || (conflicts && item.interaction != evidence::Interaction::conflicting)) continue;
    const bool held =
        data::contains_answer(item.item.context, {answer}) || data::same_answer(answer, item.item.context_answers);
    (held ? grounded : ungrounded).push_back(n);
    scores["auroc_plain"].push_back(stats::mean_of(shares[n].plain));
    scores["auroc_centred"].push_back(stats::mean_of(shares[n].centred));
    scores["auroc_anchored"].push_back(stats::mean_of(shares[n].anchored));
    labels.push_back(!held);
    groups.push_back(s.group(which[n]));
  }
  if (grounded.empty() || ungrounded.empty()) return {{"items", labels.size()}};
  Json result{{"grounded", mean_shares(s, shares, grounded)}, {"ungrounded", mean_shares(s, shares, ungrounded)}};
  for (const auto& [name, values] : scores)
    result[name] = stats::to_json(stats::bootstrap(values, labels, groups, stats::auroc, s.input.seed, "auroc"));
  return result;
}

Json shares_table(const Study& s, const std::vector<size_t>& test, const std::vector<Shares>& shares, bool by_kind) {
  std::map<std::string, std::vector<size_t>> of;
  for (size_t n = 0; n < test.size(); ++n) of[class_of(s, test[n], by_kind)].push_back(n);
  Json result = Json::object();
  for (const auto& [name, chosen] : of) result[name] = mean_shares(s, shares, chosen);
  return result;
}

Json counts_table(const Study& s) {
  Json result = Json::object();
  for (size_t i = 0; i < s.items.size(); ++i) {
    Json& count = result[class_of(s, i, true)][class_of(s, i, false)];
    count = count.is_null() ? 1 : count.get<int>() + 1;
  }
  return result;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Study s(
      input, {params.at("memory_instruction"), params.at("context_instruction"), params.at("both_instruction")},
      {params.at("depth"), params.at("confidence"), params.at("epochs"), params.at("batch"), params.at("rate")},
      params.at("max_items").get<size_t>());
  auto two = s.fit(2), one = s.fit(1);
  Subspace &plane = two.subspace, &axis = one.subspace;
  const Json exchanged{
      {"plane", s.interchange(plane)},
      {"axis", s.interchange(axis)},
      {"random_plane", s.interchange(random_subspace(input.model.config.d_model, 2, plane.layer, input.seed))}};
  const Json axes = s.name_axes(plane);
  s.turn_axis(axis);
  const auto test = s.of(Part::test);
  const auto shares = shares_of(s, test, plane, axis);
  const Json table{
      {"items", counts_table(s)},
      {"layer", plane.layer},
      {"axis_layer", axis.layer},
      {"layers", input.model.config.n_layers},
      {"fits", {{"plane", two.tried}, {"axis", one.tried}}},
      {"axes", axes},
      {"interchange", exchanged},
      {"reading",
       {{"interaction", reading_table(s, false, params.at("judge"), plane, axis)},
        {"kind", reading_table(s, true, params.at("judge"), plane, axis)}}},
      {"memory_share",
       {{"interaction", shares_table(s, test, shares, false)}, {"kind", shares_table(s, test, shares, true)}}},
      {"memory_share_by_token", by_position(shares)},
      {"grounded",
       {{"all", groundedness(s, test, shares, false)}, {"conflicting", groundedness(s, test, shares, true)}}}};
  return {table,
          {{"basis", plane.basis},
           {"centre", plane.centre},
           {"axis", axis.basis},
           {"coordinates", plane.coordinates(s.states(plane.layer, Mode::both, test))}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "rank2-pk-ck",
              .family = "inside",
              .title = "Rank-2 memory/context subspace",
              .paper = "arXiv 2511.01706",
              .sentence = "Learns a direction of memory and one of the passage by exchanging coordinates between "
                          "instructed runs, and reads how much of each is in every token of an answer.",
              .params = {{"depth", 0.0, "the layer as a share of the depth; 0: the best of four, not judged on it", 0,
                          1},
                         {"epochs", 4, "passes over the pairs", 1, 1000},
                         {"batch", 32, "exchanges a step", 1, 4096},
                         {"rate", 0.02, "of Adam on the directions, falling to 0", 1e-6, 1},
                         {"confidence", 0.5, "least probability of the first token of both instructed answers", 0, 1},
                         {"judge", "", "read classes of items only whose record holds this name as true"},
                         {"memory_instruction", "", "text that asks for memory; empty: those of the facts' cases"},
                         {"context_instruction", "", "text that asks for the passage; empty: likewise"},
                         {"both_instruction", "", "text that asks for neither"},
                         {"max_items", 1200, "passages at most, each read under three instructions", 40, 100000}},
              .example = "ken inside rank2-pk-ck",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::rank2_pk_ck_file
