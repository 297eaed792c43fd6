// Confidence across languages (MlingConf, Xue et al., arXiv 2402.13606): the same facts are asked in several languages,
// and of each language three confidences are held against the answers:
//   probability: the geometric mean of the answer's token probabilities, which no language's token counts bias;
//   P(True): the model's verdict on its answer, graded in the dominant language (the fact's statement with the answer
//     in it) or natively (question and answer as they were asked);
//   verbalised: in two steps, the number that it states after its answer (0.5 where it states none).
// Facts are language-agnostic, or bound to one language by their record; bound facts are asked in all languages, which
// shows whether asking in their own one (native-tone prompting) gives better accuracy and confidence.
// Metrics: accuracy, AUROC, ECE over ten bins weighted by their items, and "macro ECE", the unweighted mean over bins
// that the authors' code takes. The dominant language is that of the facts' own questions; others are variants.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/evidence.h"
#include "ken/evidence/languages.h"
#include "ken/readout/judge.h"
#include "ken/stats/stats.h"

namespace ken::readout::mlingconf_file {
namespace {

constexpr int bins = 10;

struct Answered {
  std::vector<int> right;
  std::map<std::string, std::vector<double>> confidence;  // by method
};

Answered answers(const AnalysisInput& input, const evidence::InLanguages& asked, const std::string& language,
                 const Json& params) {
  std::vector<evidence::Question> questions;
  for (size_t i = 0; i < asked.facts.size(); ++i) {
    data::Fact fact = asked.facts[i];
    if (params.at("grading") == "native" && language != evidence::dominant_language) {
      fact.question = asked.variant(i, language).question, fact.statement.clear();
    }
    questions.push_back({asked.request(i, language, input.style), input.style, fact});
  }
  std::vector<evidence::EstimatorSpec> estimators{evidence::estimator_from("perplexity"),
                                                  evidence::estimator_from("p-true")};
  if (params.at("verbalised").get<bool>()) estimators.push_back(evidence::estimator_from("verbalised"));
  const auto found = evidence::gather(input.model, questions, estimators, {input.compute, input.seed, 0});
  Answered result;
  for (size_t i = 0; i < found.size(); ++i) {
    result.right.push_back(data::same_answer(found[i].greedy.text, asked.answers(i, language)));
    result.confidence["probability"].push_back(1 / estimators[0].score(found[i]));
    result.confidence["P(True)"].push_back(estimators[1].score(found[i]));
    if (estimators.size() > 2) result.confidence["verbalised"].push_back(estimators[2].score(found[i]));
  }
  return result;
}

double macro_ece(std::span<const double> confidence, std::span<const int> right) {
  const auto found = stats::reliability(confidence, right, bins);
  double sum = 0;
  for (const auto& bin : found) sum += std::abs(bin.confidence - bin.accuracy);
  return found.empty() ? NAN : sum / double(found.size());
}

// The metrics of one task in one language.
Json cell(const AnalysisInput& input, const Answered& answered, const std::vector<size_t>& items,
          const std::vector<std::string>& groups) {
  const auto right = pick(answered.right, items);
  const auto of = pick(groups, items);
  Json methods = Json::object();
  for (const auto& [name, all] : answered.confidence) {
    const auto confidence = pick(all, items);
    const auto ten_bins = [](std::span<const double> c, std::span<const int> r) { return stats::ece(c, r, bins); };
    methods[name] = {{"auroc", stats::to_json(auroc_of(confidence, right, of, input.seed))},
                     {"ece", stats::to_json(stats::bootstrap(confidence, right, of, ten_bins, input.seed, "ece"))},
                     {"macro_ece", macro_ece(confidence, right)},
                     {"mean", stats::mean_of(confidence)}};
  }
  const auto hits = std::count(right.begin(), right.end(), 1);
  return {{"n", items.size()},
          {"accuracy", stats::to_json(stats::proportion(hits, int64_t(items.size()), "accuracy"))},
          {"methods", methods}};
}

// Whether languages that answer better are also surer rightly; it takes three languages.
Json ranking(const Json& languages, const std::string& method) {
  std::vector<double> accuracy, auroc;
  for (const auto& [name, found] : languages.items()) {
    const Json& area = found.at("methods").at(method).at("auroc").at("value");
    if (area.is_null()) continue;
    accuracy.push_back(found.at("accuracy").at("value")), auroc.push_back(area);
  }
  if (accuracy.size() < 3) return nullptr;
  const double rho = stats::spearman(accuracy, auroc);
  return std::isnan(rho) ? Json(nullptr) : Json(rho);
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const auto asked = evidence::in_languages(input, params.at("languages"), params.at("bound"), params.at("max_items"));
  std::map<std::string, std::vector<size_t>> tasks;
  std::vector<std::string> groups;
  for (size_t i = 0; i < asked.facts.size(); ++i) {
    tasks[asked.bound[i].empty() ? "language-agnostic" : asked.bound[i]].push_back(i);
    groups.push_back(asked.facts[i].group);
  }
  AnalysisResult result;
  Json by = Json::object(), ranks = Json::object();
  for (const auto& language : asked.languages) {
    const Answered found = answers(input, asked, language, params);
    for (const auto& [task, items] : tasks) by[task][language] = cell(input, found, items, groups);
    result.tensors["right, " + language] = at::tensor(at::ArrayRef<int>(found.right), at::kInt);
    for (const auto& [name, confidence] : found.confidence)
      result.tensors[name + ", " + language] = at::tensor(at::ArrayRef<double>(confidence), at::kDouble);
  }
  for (const auto& [task, languages] : by.items())
    for (const auto& [method, unused] : languages.begin()->at("methods").items())
      ranks[task][method] = ranking(languages, method);
  result.table = {{"id", "mlingconf"},
                  {"n", asked.facts.size()},
                  {"languages", asked.languages},
                  {"tasks", by},
                  {"accuracy_with_auroc", ranks}};
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "mlingconf",
              .family = "confidence",
              .title = "MlingConf",
              .paper = "arXiv 2402.13606",
              .sentence = "Compares confidences between the languages in which the same facts are asked, and shows "
                          "whether facts bound to a language are better asked in it.",
              .params = {{"languages", "second language", "kinds of variants that are languages, with commas between"},
                         {"bound", "language",
                          "name in a fact's record of the language that it is bound to: one of these or \"dominant\""},
                         {"grading", "dominant", "the language of P(True)", -1e300, 1e300, {"dominant", "native"}},
                         {"verbalised", true, "ask for a number as well"},
                         {"max_items", 600, "facts at most of each task, drawn by the seed", 10, 100000}},
              .example = "ken inside mlingconf max_items=100"},
     .run = run}};

}  // namespace
}  // namespace ken::readout::mlingconf_file
