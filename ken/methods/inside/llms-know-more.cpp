// LLMs know more than they show (Orgad et al., arXiv 2410.02707): whether an answer is right is read best at the tokens
// of the exact answer within it. (1) Probes at every layer and at six positions around the exact answer; (2) a matrix
// of probes trained on the facts of one relation and judged on another's; (3) types of questions by R resampled
// answers, read from the greedy answer's state; (4) among the R answers the one that the probe likes best.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/evidence/sampled.h"
#include "ken/readout/collect.h"
#include "ken/readout/judge.h"
#include "ken/readout/probe_kinds.h"

namespace ken::readout::llms_know_more_file {
namespace {

using evidence::LongAnswer;
using evidence::OpenAnswers;
using evidence::OpenFact;

const std::vector<std::string> place_names = {"question end", "before exact", "first exact",
                                              "last exact",   "after exact",  "last token"};
constexpr size_t first_exact = 2, last_exact = 3;  // of these
constexpr size_t least_of_set = 25;                // items of each class that a relation needs in the matrix

// The answer with its six positions; one that it lacks is its last token.
Item item_of(const AnalysisInput& input, const OpenFact& asked, const LongAnswer& answer) {
  Item item{asked.request.prompt.text, {}, input.style.tokens()};
  item.continuation = answer.tokens;
  const int64_t last = int64_t(answer.tokens.size()) - 1;
  const int64_t index[] = {-1, answer.span.first - 1, answer.span.first, answer.span.last, answer.span.last + 1, last};
  for (size_t p = 0; p < place_names.size(); ++p) {
    item.places.push_back({place_names[p], ""});
    item.places.back().index = std::min(index[p], last);
  }
  return item;
}

FitOptions options_of(const AnalysisInput& input, const Json& params) {
  return {{0.001, 0.01, 0.1, 1}, params.at("folds"), input.seed};
}

bool enough(const std::vector<int>& labels) {
  const auto ones = size_t(std::count(labels.begin(), labels.end(), 1));
  return std::min(ones, labels.size() - ones) >= least_of_set;
}

std::vector<double> exact_logprobs(const LongAnswer& answer) {
  const auto begin = answer.logprobs.begin();
  return {begin + answer.span.first, begin + answer.span.last + 1};
}

// Mean and least log p of the exact answer's tokens and of all: what the logits alone tell.
Json baselines(const AnalysisInput& input, const OpenAnswers& all) {
  std::map<std::string, std::vector<double>> scores;
  for (const auto& answer : all.answers) {
    const auto exact = exact_logprobs(answer);
    scores["mean log p, exact"].push_back(stats::mean_of(exact));
    scores["min log p, exact"].push_back(*std::min_element(exact.begin(), exact.end()));
    scores["mean log p, all"].push_back(stats::mean_of(answer.logprobs));
    scores["min log p, all"].push_back(*std::min_element(answer.logprobs.begin(), answer.logprobs.end()));
  }
  Json result;
  for (const auto& [name, s] : scores) result[name] = stats::to_json(auroc_of(s, all.labels, all.groups, input.seed));
  return result;
}

// The heat map, and for each position its figure with every fold's layer chosen on the others.
struct Heat {
  Fit fit;  // problem = layer * places + place
  Json table;
  int64_t layer = 0;  // where the last exact token is read best
};

Heat heat_map(const AnalysisInput& input, const OpenAnswers& all, const Tensor& values, const FitOptions& options) {
  const auto fold = stats::grouped_folds(all.groups, options.folds, options.seed);
  const size_t layers = size_t(values.size(1)), places = size_t(values.size(2));
  Heat heat{fit_logistic(values.permute({1, 2, 0, 3}).flatten(0, 1), all.labels, all.groups, options), {}, 0};
  const auto column = [&](const std::vector<size_t>& of) {
    std::vector<std::vector<double>> scores;
    for (size_t l = 0; l < layers; ++l)
      for (const size_t place : of) scores.push_back(doubles(heat.fit.scores[int64_t(l * places + place)]));
    return scores;
  };
  for (size_t l = 0; l < layers; ++l) {
    Json row = Json::array();
    for (size_t p = 0; p < places; ++p)
      row.push_back(stats::auroc(doubles(heat.fit.scores[int64_t(l * places + p)]), all.labels));
    heat.table["auroc"].push_back(row);
    if (row[last_exact].get<double>() > heat.table["auroc"][size_t(heat.layer)][last_exact].get<double>())
      heat.layer = int64_t(l);
  }
  const auto put = [&](const std::string& name, const std::vector<size_t>& of) {
    heat.table["best"][name] = stats::to_json(auroc_of(chosen_on_other_folds(column(of), all.labels, fold), all.labels,
                                                       all.groups, input.seed, "auroc_chosen_on_other_folds"));
  };
  for (size_t p = 0; p < places; ++p) put(place_names[p], {p});
  put("exact answer", {first_exact, last_exact});
  return heat;
}

// Probes trained on the facts of one relation and judged on those of another, groups never on both sides.
Json matrix(const OpenAnswers& all, const Tensor& x, const FitOptions& options) {
  std::map<std::string, std::array<size_t, 2>> counts;
  for (size_t i = 0; i < all.labels.size(); ++i) ++counts[all.asked[i].fact->relation][size_t(all.labels[i])];
  std::vector<std::string> names;
  for (const auto& [name, n] : counts)
    if (std::min(n[0], n[1]) >= least_of_set) names.push_back(name);
  if (names.size() < 2) return nullptr;
  std::vector<int> set;
  std::vector<double> baseline;
  for (size_t i = 0; i < all.labels.size(); ++i) {
    const auto at = std::find(names.begin(), names.end(), all.asked[i].fact->relation);
    set.push_back(at == names.end() ? -1 : int(at - names.begin()));
    baseline.push_back(stats::mean_of(exact_logprobs(all.answers[i])));
  }
  return cross_matrix(cross_scores(x, all.labels, all.groups, set, int(names.size()), options), all.labels, set, names,
                      baseline);
}

// The same between the two forms of asking.
Json across_forms(const AnalysisInput& input, const OpenAnswers& all, const Tensor& x, const std::string& point,
                  bool as_statement, const FitOptions& options) {
  const auto other = evidence::ask_open(input, as_statement, all.labels.size(), input.style.max_tokens);
  if (!enough(other.labels)) return nullptr;
  std::vector<Item> items;
  std::vector<int> labels = all.labels, set(labels.size(), 0);
  std::vector<std::string> groups = all.groups;
  std::vector<double> baseline;
  for (const auto& answer : all.answers) baseline.push_back(stats::mean_of(exact_logprobs(answer)));
  for (size_t i = 0; i < other.answers.size(); ++i) {
    items.push_back(evidence::at_last_exact(input, other.asked[i], other.answers[i]));
    labels.push_back(other.labels[i]), groups.push_back(other.groups[i]), set.push_back(1);
    baseline.push_back(stats::mean_of(exact_logprobs(other.answers[i])));
  }
  const Tensor states = collect(input.model, items, {point}, input.compute).values.flatten(0, 2);
  const std::vector<std::string> names = {as_statement ? "question" : "statement",
                                          as_statement ? "statement" : "question"};
  return cross_matrix(cross_scores(at::cat({x, states}), labels, groups, set, 2, options), labels, set, names,
                      baseline);
}

// The questions of each type, the AUROC of a one-against-rest probe at the greedy answer, and the choices there.
Json by_type(const AnalysisInput& input, const OpenAnswers& all, const evidence::Sampled& sampled, const Tensor& greedy,
             const FitOptions& options) {
  std::map<std::string, std::vector<size_t>> of_type;
  std::vector<size_t> everything, sometimes;
  size_t erring = 0, covered = 0;
  for (size_t i = 0; i < sampled.counts.size(); ++i) {
    const auto types = evidence::error_types(sampled.counts[i]);
    for (const auto& type : types) of_type[type].push_back(i);
    everything.push_back(i);
    const bool errs = sampled.counts[i].right < sampled.counts[i].samples;
    erring += errs, covered += errs && !types.empty();
    const bool wrong = std::find(types.begin(), types.end(), evidence::error_type_names[1]) != types.end();
    if (wrong && sampled.counts[i].right > 0) sometimes.push_back(i);
  }
  Json table{{"covered_of_erring", erring ? Json(double(covered) / double(erring)) : Json(nullptr)},
             {"all", evidence::choices(sampled, all.labels, everything)},
             {"consistently incorrect, sometimes right", evidence::choices(sampled, all.labels, sometimes)}};
  for (const auto& [type, questions] : of_type) {
    table["types"][type] = evidence::choices(sampled, all.labels, questions);
    std::vector<int> labels(all.labels.size(), 0);
    for (const size_t i : questions) labels[i] = 1;
    if (std::min(questions.size(), labels.size() - questions.size()) < least_of_set) continue;
    const Fit fit = fit_logistic(greedy.unsqueeze(0), labels, all.groups, options);
    table["types"][type]["auroc"] = stats::to_json(auroc_of(doubles(fit.scores[0]), labels, all.groups, input.seed));
  }
  return table;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const bool as_statement = params.at("form") == "statement";
  const OpenAnswers all = evidence::ask_open(input, as_statement, params.at("max_items"), params.at("max_tokens"));
  if (!enough(all.labels))
    fail("llms-know-more", "of {} answers ({} more hold none) too few are right or wrong; {} of each are needed",
         all.labels.size(), all.invalid, least_of_set);
  const FitOptions options = options_of(input, params);
  std::vector<Item> items;
  for (size_t i = 0; i < all.answers.size(); ++i) items.push_back(item_of(input, all.asked[i], all.answers[i]));
  const States states =
      collect(input.model, items, {"blocks.*." + params.at("point").get<std::string>()}, input.compute, input.progress);
  const Heat heat = heat_map(input, all, states.values, options);
  const Tensor greedy = states.values.select(1, heat.layer).select(1, int64_t(last_exact)).contiguous();
  // One strength from here on: choosing it anew for each small set costs more than it finds.
  const size_t problem = size_t(heat.layer) * place_names.size() + last_exact;
  FitOptions fixed = options;
  fixed.strengths = {heat.fit.strength[problem]};
  const std::string& point = states.points[size_t(heat.layer)];
  auto sampled = evidence::sample_answers(input, all.asked, {params.at("samples"), params.at("temperature")});
  evidence::score_samples(input, all.asked, greedy, all.labels, point, params.at("train") == "samples", fixed, sampled);
  AnalysisResult result{{{"id", "llms-know-more"},
                         {"n", all.labels.size()},
                         {"invalid", all.invalid},
                         {"positions", place_names},
                         {"layer", heat.layer + 1},
                         {"heat_map", heat.table},
                         {"baselines", baselines(input, all)},
                         {"relations", matrix(all, greedy, fixed)},
                         {"forms", across_forms(input, all, greedy, point, !as_statement, fixed)},
                         {"resampling", by_type(input, all, sampled, greedy, fixed)}},
                        {{"labels", at::tensor(at::ArrayRef<int>(all.labels), at::kInt)}},
                        {heat.fit.probes[problem]}};
  Probe& probe = result.probes.front();
  probe.name = "correct at the last exact token", probe.place = place_names[last_exact], probe.target = "correct";
  probe.point = point, probe.model_sha256 = input.model.sha256();
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "llms-know-more",
              .family = "inside",
              .title = "LLMs know more than they show",
              .paper = "arXiv 2410.02707",
              .sentence = "Reads at the exact answer's tokens whether it is right, types questions by resampling, and "
                          "picks among sampled answers by the probe.",
              .params = {{"form",
                          "question",
                          "how a fact is asked: its question, or its own statement up to the answer",
                          -1e300,
                          1e300,
                          {"question", "statement"}},
                         {"point",
                          "mlp.hook_out",
                          "which activation of each block is read",
                          -1e300,
                          1e300,
                          {"mlp.hook_out", "mlp.hook_post", "attn.hook_out", "hook_resid_post"}},
                         {"max_tokens", 100, "longest greedy answer", 1, 4096},
                         {"samples", 30, "R, resampled answers of a question", 6, 1000},
                         {"temperature", 1.0, "of the resampling", 0.01, 10},
                         {"train",
                          "greedy",
                          "what the probe that picks was fitted on: greedy answers, or sampled ones of the same "
                          "training questions as well",
                          -1e300,
                          1e300,
                          {"greedy", "samples"}},
                         {"folds", 5, "parts of the groups; each is judged by probes fitted on the others", 3, 20},
                         {"max_items", 1000, "facts at most, drawn by the seed", 60, 100000}},
              .example = "ken inside llms-know-more max_items=300",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::llms_know_more_file
