#include "ken/study/confidence.h"

#include <chrono>

#include "ken/base/error.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/shots.h"
#include "ken/io/records.h"
#include "ken/stats/stats.h"
#include "ken/study/rows.h"
#include "ken/study/sections.h"

namespace ken::study {
namespace {

using Clock = std::chrono::steady_clock;
using evidence::EstimatorSpec;

constexpr size_t items_a_block = 64;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// A question with what its row says of it.
struct AskedFact {
  evidence::Question question;
  std::string id, group, relation;
  int64_t exposure;
};

std::vector<AskedFact> items_of(const data::FactSet& facts, const data::PromptStyle& style, bool passages,
                                uint64_t seed) {
  const data::PromptStyle shown = evidence::with_examples(style, facts, seed);
  std::vector<AskedFact> items;
  if (!passages) {
    for (const auto& fact : facts.facts)
      items.push_back(
          {{evidence::closed_book(fact, style), shown, fact}, fact.id, fact.group, fact.relation, fact.exposure});
    return items;
  }
  std::map<std::string_view, const data::Fact*> by_id;
  for (const auto& fact : facts.facts) by_id[fact.id] = &fact;
  for (const auto& item : facts.contexts) {
    const auto found = by_id.find(item.fact);
    data::Fact fact = found == by_id.end() ? data::Fact{} : *found->second;
    fact.question = item.question, fact.answers = item.answers;
    const std::string group = item.group.empty() ? fact.group : item.group;
    items.push_back({{evidence::with_passage(item, style), shown, fact}, item.id, group, item.kind, item.exposure});
  }
  return items;
}

Json scores_of(const evidence::Evidence& e, const std::vector<EstimatorSpec>& estimators) {
  Json scores = Json::object();
  for (const auto& estimator : estimators) scores[estimator.definition()] = estimator.score(e);
  return scores;
}

class ConfidenceRun {
 public:
  ConfidenceRun(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
                const ConfidenceOptions& options)
      : model_(model), options_(options), items_(items_of(facts, style, options.passages, options.seed)) {
    if (items_.empty()) fail_usage("confidence", "{} holds no {}", facts.name, options.passages ? "passages" : "facts");
    estimators_ = options.estimators.empty() ? all_estimators(options.passages) : options.estimators;
    evidence::Needs needs;
    for (const auto& e : estimators_) needs = needs | e.needs();  // what cannot be shared is refused before it runs
  }

  ConfidenceResult run() {
    const auto begin = Clock::now();
    fs::create_directories(options_.out);
    std::vector<size_t> sizes;
    for (size_t i = 0; i < items_.size(); i += items_a_block)
      sizes.push_back(std::min(items_a_block, items_.size() - i));
    RowFile file(options_.out / "rows.jsonl", header(), sizes);
    ConfidenceResult result{.resumed = file.rows().size()};
    for (size_t b = file.finished_blocks(); b < sizes.size(); ++b) {
      file.append(block(b * items_a_block, b * items_a_block + sizes[b]));
      if (options_.progress) options_.progress("confidence", file.rows().size(), items_.size(), "");
    }
    result.rows = file.rows();
    result.summary = summarize_confidence(result.rows, estimators_, options_.seed);
    write_text(options_.out / "confidence.json", result.summary.dump(1) + "\n");
    result.times = {{"seconds", seconds_since(begin)},
                    {"rows", result.rows.size()},
                    {"resumed", result.resumed},
                    {"threads", at::get_num_threads()},
                    {"compute", nn::compute_name(options_.compute)}};
    if (options_.timed > 0) result.times["ms_a_question"] = prices();
    write_text(options_.out / "run.json", result.times.dump(1) + "\n");
    return result;
  }

 private:
  Json header() const {
    std::string all;
    for (const auto& item : items_) all += item.id + "\n" + item.question.request.prompt.text + "\n";
    Json names = Json::array();
    for (const auto& e : estimators_) names.push_back(e.definition());
    return {{"stage", "header"},
            {"schema", "ken.confidence/1"},
            {"model", model_.sha256()},
            {"prompts", sha256(std::as_bytes(std::span(all)))},
            {"estimators", names},
            {"seed", options_.seed},
            {"compute", nn::compute_name(options_.compute)}};
  }

  std::vector<evidence::Evidence> gather(size_t begin, size_t end, const std::vector<EstimatorSpec>& estimators) const {
    std::vector<evidence::Question> questions;
    for (size_t i = begin; i < end; ++i) questions.push_back(items_[i].question);
    return evidence::gather(model_, questions, estimators, {options_.compute, options_.seed, begin});
  }

  std::vector<Json> block(size_t begin, size_t end) const {
    const auto found = gather(begin, end, estimators_);
    std::vector<Json> rows;
    for (size_t i = begin; i < end; ++i) {
      const AskedFact& item = items_[i];
      const auto& e = found[i - begin];
      rows.push_back({{"stage", "confidence"},
                      {"id", item.id},
                      {"group", item.group},
                      {"relation", item.relation},
                      {"exposure", item.exposure},
                      {"answer", e.greedy.text},
                      {"right", data::same_answer(e.greedy.text, item.question.fact.answers)},
                      {"metric", exact_match},
                      {"seed", options_.seed},
                      {"compute", nn::compute_name(options_.compute)},
                      {"scores", scores_of(e, estimators_)},
                      {"evidence", to_json(e)}});
    }
    return rows;
  }

  // Milliseconds a question of each estimator alone, and of all together.
  Json prices() const {
    const size_t n = std::min(options_.timed, items_.size());
    const auto timed = [&](const std::vector<EstimatorSpec>& estimators) {
      const auto begin = Clock::now();
      for (const auto& e : gather(0, n, estimators)) scores_of(e, estimators);
      return 1e3 * seconds_since(begin) / double(n);
    };
    timed(estimators_);  // what is loaded on first use is no estimator's price
    Json result{{"together", timed(estimators_)}};
    for (const auto& e : estimators_) result["alone"][e.definition()] = timed({e});
    return result;
  }

  const model::Model& model_;
  const ConfidenceOptions& options_;
  std::vector<AskedFact> items_;
  std::vector<EstimatorSpec> estimators_;
};

// Each fold's scores as probabilities that the other folds' isotonic regression gives. Empty where that is impossible.
std::vector<double> cross_fitted(const ScoredRows& s, uint64_t seed) {
  constexpr int folds = 5;
  const auto fold = stats::grouped_folds(s.groups, folds, seed);
  std::vector<double> result(s.surer.size());
  for (int f = 0; f < folds; ++f) {
    std::vector<double> scores;
    std::vector<int> right;
    for (size_t i = 0; i < fold.size(); ++i)
      if (fold[i] != f) scores.push_back(s.surer[i]), right.push_back(s.right[i]);
    const auto hits = std::count(right.begin(), right.end(), 1);
    if (hits == 0 || hits == std::ptrdiff_t(right.size())) return {};
    const auto calibrator = stats::Calibrator::fit("isotonic", scores, right);
    for (size_t i = 0; i < fold.size(); ++i)
      if (fold[i] == f) result[i] = calibrator(s.surer[i]);
  }
  return result;
}

Json calibration_figures(const std::vector<double>& confidence, const std::vector<int>& right) {
  const size_t n = right.size();
  const auto parts = stats::brier_parts(confidence, right);
  return {{"ece", plain(stats::ece(confidence, right), n, "ece_equal_width_15")},
          {"ece_equal_mass", plain(stats::ece_equal_mass(confidence, right), n, "ece_equal_mass_15")},
          {"ece_debiased", plain(stats::ece_debiased(confidence, right), n, "ece_equal_mass_15_debiased")},
          {"largest_gap", plain(stats::largest_gap(confidence, right), n, "mce_equal_width_15")},
          {"brier", plain(stats::brier(confidence, right), n, "brier")},
          {"reliability", plain(parts.reliability, n, "brier_reliability_equal_mass_15")},
          {"resolution", plain(parts.resolution, n, "brier_resolution_equal_mass_15")},
          {"uncertainty", plain(parts.uncertainty, n, "brier_uncertainty")},
          {"nll", plain(stats::nll(confidence, right), n, "nll_clipped_1e-6")}};
}

Json bins_of(const std::vector<double>& confidence, const std::vector<int>& right) {
  Json bins = Json::array();
  for (const auto& bin : stats::reliability(confidence, right))
    bins.push_back({{"low", bin.low},
                    {"high", bin.high},
                    {"confidence", bin.confidence},
                    {"accuracy", bin.accuracy},
                    {"n", bin.n}});
  return bins;
}

}  // namespace

std::vector<EstimatorSpec> all_estimators(bool passages) {
  std::vector<EstimatorSpec> all;
  for (const auto* entry : Registry<evidence::EstimatorEntry>::get().all()) {
    const auto& needs = entry->card.needs;
    if (needs.empty() || (passages && needs == std::vector<std::string>{"context"}))
      all.push_back(evidence::estimator_from(entry->card.id));
  }
  return all;
}

ConfidenceResult run_confidence(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
                                const ConfidenceOptions& options) {
  return ConfidenceRun(model, facts, style, options).run();
}

std::vector<Json> read_confidence_rows(const fs::path& file) {
  std::vector<Json> rows;
  for (auto& record : io::read_records(file)) {
    const std::string stage = record.fields.value("stage", "");
    if (stage == "header" && record.fields.value("schema", "") == "ken.confidence/1") continue;
    if (stage != "confidence" || !record.fields.contains("evidence"))
      fail("confidence", "{}:{} is no saved evidence; ken confidence gather writes rows.jsonl", file.string(),
           record.line);
    rows.push_back(std::move(record.fields));
  }
  if (rows.empty()) fail("confidence", "{} holds no rows", file.string());
  return rows;
}

void score_rows(std::vector<Json>& rows, const std::vector<EstimatorSpec>& estimators) {
  for (Json& row : rows) row["scores"] = scores_of(evidence::evidence_from_json(row.at("evidence")), estimators);
}

ScoredRows scored_rows(const std::vector<Json>& rows, const EstimatorSpec& estimator) {
  ScoredRows s;
  const bool lower = estimator.entry->card.direction.starts_with("lower");
  const std::string name = estimator.definition();
  for (const Json& row : rows) {
    const Json& scores = row.at("scores");
    if (!scores.contains(name)) fail("confidence", "the rows hold no scores of {}", name);
    const double score = scores.at(name).is_number() ? scores.at(name).get<double>() : NAN;
    if (!std::isfinite(score)) fail("confidence", "{} of '{}' is not finite", name, row.at("id").get<std::string>());
    s.surer.push_back(lower ? -score : score);
    s.right.push_back(row.at("right").get<bool>());
    s.groups.push_back(row.at("group").get<std::string>());
    s.exposure.push_back(row.at("exposure").get<int64_t>());
  }
  return s;
}

Json summarize_confidence(const std::vector<Json>& rows, const std::vector<EstimatorSpec>& estimators, uint64_t seed) {
  Json list = Json::array();
  int64_t right = 0;
  for (const Json& row : rows) right += row.at("right").get<bool>();
  for (const auto& estimator : estimators) {
    const Card& card = estimator.entry->card;
    const ScoredRows s = scored_rows(rows, estimator);
    const auto number = [&](auto statistic, const char* metric) {
      return stats::to_json(stats::bootstrap(s.surer, s.right, s.groups, statistic, seed, metric, 200));
    };
    Json one{{"id", card.id},
             {"definition", estimator.definition()},
             {"title", card.title},
             {"direction", card.direction},
             {"auroc", number(stats::auroc, "auroc")},
             {"prr", number(stats::prr, "prr")},
             {"aurc", number(stats::aurc, "aurc")},
             {"calibrated", nullptr}};
    if (const auto confidence = cross_fitted(s, seed); !confidence.empty())
      one["calibrated"] = calibration_figures(confidence, s.right);
    list.push_back(std::move(one));
  }
  return {{"schema", "ken.confidence/1"},
          {"accuracy", stats::to_json(stats::proportion(right, int64_t(rows.size()), "accuracy"))},
          {"calibration", "isotonic, each fifth of the groups by the others"},
          {"estimators", list}};
}

evidence::Calibration calibrate_rows(const std::vector<Json>& rows, const EstimatorSpec& estimator,
                                     const std::string& method, double risk, double delta, uint64_t seed) {
  const ScoredRows s = scored_rows(rows, estimator);
  const auto half = stats::grouped_folds(s.groups, 2, seed);
  std::vector<double> fit, judged;
  std::vector<int> fit_right, right;
  std::vector<int64_t> exposure;
  for (size_t i = 0; i < half.size(); ++i) {
    (half[i] == 0 ? fit : judged).push_back(s.surer[i]);
    (half[i] == 0 ? fit_right : right).push_back(s.right[i]);
    if (half[i] != 0) exposure.push_back(s.exposure[i]);
  }
  auto c = evidence::fit_calibration(estimator, method, fit, fit_right, risk, delta);
  const std::vector<double> confidence = c.calibrator(judged);
  c.about = {{"fitted_on", fit.size()},
             {"judged_on", judged.size()},
             {"split", "by groups"},
             {"seed", seed},
             {"auroc", plain(stats::auroc(confidence, right), right.size(), "auroc")},
             {"calibrated", calibration_figures(confidence, right)},
             {"bins", bins_of(confidence, right)}};
  if (estimator.entry->probability) c.about["raw"] = calibration_figures(judged, right);
  std::vector<double> unseen;
  for (size_t i = 0; i < exposure.size(); ++i)
    if (exposure[i] == 0) unseen.push_back(confidence[i]);
  if (!unseen.empty())
    c.about["mean_confidence_never_seen"] = plain(stats::mean_of(unseen), unseen.size(), "mean_confidence");
  int64_t answered = 0, wrong = 0;
  for (size_t i = 0; i < confidence.size(); ++i)
    if (confidence[i] >= c.promised) ++answered, wrong += right[i] == 0;
  c.about["promise"] = {{"coverage", stats::to_json(stats::proportion(answered, int64_t(right.size()), "coverage"))},
                        {"error", stats::to_json(stats::proportion(wrong, answered, "selective_risk"))}};
  return c;
}

}  // namespace ken::study
