// Language-specific knowledge (LSKExtractor; Agarwal, Bozdag and Hakkani-Tur, arXiv 2505.14990): some questions are
// best answered in another language than the dominant one.
//   map: the dominant-language questions of a training split are embedded and clustered by k-means; each cluster's
//     expert language is the one in which most of its questions are answered rightly (the dominant one of equals);
//   use: a new question goes to the nearest cluster by cosine and is asked in that cluster's expert language.
// The paper embeds with a separate multilingual encoder; here the model embeds its own questions, the unit vector of
// its states. Questions are short, so they are answered at once instead of by chains of thought. Every question is
// routed by a map of other groups' questions (folds); the same map of shuffled embeddings is the control. Beside them
// stand each language alone, a language drawn at random and the oracle (right in any). `bound` names what a record says
// of the language that its fact was planted in: how well the map recovers it.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/languages.h"
#include "ken/evidence/option_states.h"
#include "ken/readout/clusters.h"
#include "ken/readout/judge.h"
#include "ken/stats/stats.h"

namespace ken::readout::lsk_file {
namespace {

using Points = std::vector<std::vector<double>>;
using Right = std::vector<std::vector<int>>;  // [language][question]

// One vector a question: the mean of its states, or its last one.
Points embed(const AnalysisInput& input, const evidence::InLanguages& asked, const Json& params) {
  const auto layer = int64_t(double(input.model.config.n_layers - 1) * params.at("depth").get<double>());
  const std::string point = model::point_name(model::Point::resid_post, layer);
  std::vector<evidence::OptionTokens> items;
  for (const auto& fact : asked.facts) {
    const std::string& text = fact.question.empty() ? fact.beginning : fact.question;
    items.push_back(evidence::option_tokens(input.model, {"", {text}}, "lsk, fact " + fact.id));
  }
  const auto pool = params.at("pool") == "mean" ? evidence::Pool::mean : evidence::Pool::last;
  Points points;
  for (const auto& states : evidence::option_states(input.model, items, {point}, pool, input.compute, input.progress))
    points.push_back(doubles(states.flatten()));
  return points;
}

Right ask_all(const AnalysisInput& input, const evidence::InLanguages& asked) {
  Right right;
  for (const auto& language : asked.languages) {
    std::vector<generate::Request> requests;
    for (size_t i = 0; i < asked.facts.size(); ++i) requests.push_back(asked.request(i, language, input.style));
    const auto answers = evidence::greedy_answers(input.model, requests, input.compute);
    right.emplace_back();
    for (size_t i = 0; i < answers.size(); ++i)
      right.back().push_back(data::same_answer(answers[i].text, asked.answers(i, language)));
  }
  return right;
}

struct Map {
  Clusters clusters;
  std::vector<size_t> expert;                 // language of each cluster
  std::vector<std::vector<double>> accuracy;  // [cluster][language], on the training questions
};

Map make_map(const Points& points, const Right& right, const std::vector<size_t>& train, size_t count, uint64_t seed) {
  Points some;
  for (const size_t i : train) some.push_back(points[i]);
  Map map{cluster_directions(some, count, seed), {}, {}};
  for (size_t c = 0; c < map.clusters.centres.size(); ++c) {
    std::vector<double> hits(right.size()), n(right.size());
    for (size_t t = 0; t < train.size(); ++t)
      for (size_t l = 0; l < right.size() && map.clusters.of[t] == c; ++l) hits[l] += right[l][train[t]], ++n[l];
    map.expert.push_back(size_t(std::max_element(hits.begin(), hits.end()) - hits.begin()));
    for (size_t l = 0; l < hits.size(); ++l) hits[l] = n[l] > 0 ? hits[l] / n[l] : 0;
    map.accuracy.push_back(hits);
  }
  return map;
}

// The language of each question, by maps of the other folds.
std::vector<size_t> route(const Points& points, const Right& right, const std::vector<int>& fold, int folds,
                          size_t count, uint64_t seed) {
  std::vector<size_t> result(points.size());
  for (int f = 0; f < folds; ++f) {
    std::vector<size_t> train;
    for (size_t i = 0; i < points.size(); ++i)
      if (fold[i] != f) train.push_back(i);
    if (train.empty()) fail("lsk", "all questions are of one group; give facts of several groups");
    const Map map = make_map(points, right, train, count, seed);
    for (size_t i = 0; i < points.size(); ++i)
      if (fold[i] == f) result[i] = map.expert[map.clusters.nearest(points[i])];
  }
  return result;
}

std::vector<int> routed_right(const Right& right, const std::vector<size_t>& language) {
  std::vector<int> result;
  for (size_t i = 0; i < language.size(); ++i) result.push_back(right[language[i]][i]);
  return result;
}

Json accuracy(const std::vector<int>& right) {
  return stats::to_json(
      stats::proportion(std::count(right.begin(), right.end(), 1), int64_t(right.size()), "accuracy"));
}

double share(const std::vector<int>& right) {
  return double(std::count(right.begin(), right.end(), 1)) / double(right.size());
}

// How many facts planted in each language are routed to it; their mean is what a map that knows nothing brings to
// 1 / languages.
Json recovery(const evidence::InLanguages& asked, const std::vector<size_t>& language) {
  Json by = Json::object();
  double sum = 0;
  for (size_t l = 0; l < asked.languages.size(); ++l) {
    std::vector<int> found;
    for (size_t i = 0; i < asked.facts.size(); ++i)
      if (asked.bound[i] == asked.languages[l]) found.push_back(language[i] == l);
    if (found.empty()) continue;
    by[asked.languages[l]] = accuracy(found);
    sum += share(found);
  }
  if (by.empty()) return nullptr;
  return {{"routed_to_its_language", by}, {"balanced", sum / double(by.size())}};
}

Json methods(const AnalysisInput& input, const evidence::InLanguages& asked, const Right& right,
             const std::vector<size_t>& routed, const std::vector<size_t>& control) {
  Json table{{"routed", accuracy(routed_right(right, routed))},
             {"shuffled map", accuracy(routed_right(right, control))}};
  std::vector<int> any(routed.size()), random;
  Rng rng(input.seed, 2);
  for (size_t i = 0; i < routed.size(); ++i) random.push_back(right[rng.below(right.size())][i]);
  for (size_t l = 0; l < right.size(); ++l) {
    table["always " + asked.languages[l]] = accuracy(right[l]);
    for (size_t i = 0; i < any.size(); ++i) any[i] |= right[l][i];
  }
  table["random"] = accuracy(random), table["oracle"] = accuracy(any);
  return table;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const auto asked = evidence::in_languages(input, params.at("languages"), params.at("bound"), params.at("max_items"));
  const Points points = embed(input, asked, params);
  const Right right = ask_all(input, asked);
  std::vector<std::string> groups;
  for (const auto& fact : asked.facts) groups.push_back(fact.group);
  const int folds = params.at("folds");
  const auto fold = stats::grouped_folds(groups, folds, input.seed);
  const size_t count = params.at("clusters");
  const auto routed = route(points, right, fold, folds, count, input.seed);
  Points shuffled = points;
  Rng(input.seed, 1).shuffle(shuffled);
  const auto control = route(shuffled, right, fold, folds, count, input.seed);
  std::vector<size_t> all(points.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  const Map map = make_map(points, right, all, count, input.seed);
  Json clusters = Json::array();
  for (size_t c = 0; c < map.expert.size(); ++c)
    clusters.push_back({{"n", std::count(map.clusters.of.begin(), map.clusters.of.end(), c)},
                        {"expert", asked.languages[map.expert[c]]},
                        {"accuracy", map.accuracy[c]}});
  const double base = share(right[0]), gain = share(routed_right(right, routed)) - base;
  AnalysisResult result;
  result.table = {{"id", "lsk"},
                  {"n", points.size()},
                  {"languages", asked.languages},
                  {"accuracy", methods(input, asked, right, routed, control)},
                  {"gain", gain},
                  {"relative_gain", base > 0 ? Json(gain / base) : Json(nullptr)},
                  {"map", clusters},
                  {"recovery", recovery(asked, routed)},
                  {"recovery_shuffled", recovery(asked, control)}};
  const std::vector<int64_t> language(routed.begin(), routed.end());
  result.tensors["language"] = at::tensor(at::ArrayRef<int64_t>(language), at::kLong);
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "lsk",
              .family = "confidence",
              .title = "Language-specific knowledge",
              .paper = "arXiv 2505.14990",
              .sentence = "Maps clusters of questions to the language in which the model answers them best, and asks "
                          "new questions in the language of their cluster.",
              .params = {{"languages", "second language", "kinds of variants that are languages, with commas between"},
                         {"bound", "language", "name in a fact's record of the language that it was planted in"},
                         {"clusters", 48, "k of k-means", 1, 10000},
                         {"pool", "mean", "what of a question's states embeds it", -1e300, 1e300, {"mean", "last"}},
                         {"depth", 0.67, "where the states are read, 1 = the last layer", 0, 1},
                         {"folds", 5, "parts of the groups; each is routed by a map of the others", 2, 20},
                         {"max_items", 1000, "facts at most of each planted language, drawn by the seed", 10, 100000}},
              .example = "ken inside lsk max_items=100 clusters=8"},
     .run = run}};

}  // namespace
}  // namespace ken::readout::lsk_file
