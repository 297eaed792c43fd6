// The stages of a study. Each is a list of items known before anything runs; a block of items is asked in a few mixed
// batches and written whole.
#include "ken/study/study.h"

#include <chrono>
#include <set>

#include "ken/base/error.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/evidence.h"
#include "ken/evidence/options.h"
#include "ken/readout/analysis.h"
#include "ken/stats/logistic.h"
#include "ken/study/levers.h"
#include "ken/study/rows.h"
#include "ken/study/sections.h"

namespace ken::study {
namespace {

constexpr size_t block_size = 256;
constexpr size_t most_lever_conflicts = 200;
constexpr int most_probed = 1000;  // more items move the map little and take seconds

struct Block {
  std::string stage;
  size_t begin, end;
  std::function<std::vector<Json>(size_t begin, size_t end)> run;
};

class Study {
 public:
  Study(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
        const StudyOptions& options)
      : model_(model), facts_(facts), style_(style), options_(options) {
    for (const auto& fact : facts.facts)
      for (const auto& answer : fact.answers) types_[fact.relation].insert(data::normalize_answer(answer));
    plan();
  }

  StudyResult run() {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    fs::create_directories(options_.out);
    std::vector<size_t> sizes;
    for (const auto& block : blocks_) sizes.push_back(block.end - block.begin);
    RowFile file(options_.out / "rows.jsonl", header(), sizes);
    StudyResult result;
    result.resumed = file.rows().size();
    for (const Json& row : file.rows()) remember(row);
    size_t done = result.resumed;
    Json seconds = Json::object();
    for (size_t b = file.finished_blocks(); b < blocks_.size(); ++b) {
      const auto started = Clock::now();
      std::vector<Json> rows = blocks_[b].run(blocks_[b].begin, blocks_[b].end);
      file.append(rows);
      for (size_t i = file.rows().size() - rows.size(); i < file.rows().size(); ++i) remember(file.rows()[i]);
      done += rows.size();
      seconds[blocks_[b].stage] =
          seconds.value(blocks_[b].stage, 0.0) + std::chrono::duration<double>(Clock::now() - started).count();
      if (options_.progress) options_.progress("study", done, items_, blocks_[b].stage);
    }
    result.questions = file.rows().size();
    result.rows = file.rows();
    result.study = summarize(model_, facts_, style_, file.rows(), options_);
    write_text(options_.out / "study.json", result.study.dump(1) + "\n");
    write_text(options_.out / "report.html", report_html(result.study));
    const Json times{{"seconds", std::chrono::duration<double>(Clock::now() - begin).count()},
                     {"stages", seconds},
                     {"rows", result.questions},
                     {"resumed", result.resumed},
                     {"threads", at::get_num_threads()},
                     {"compute", nn::compute_name(options_.compute)}};
    write_text(options_.out / "run.json", times.dump(1) + "\n");
    return result;
  }

 private:
  void add_stage(const std::string& stage, size_t items, size_t size,
                 std::function<std::vector<Json>(size_t, size_t)> run) {
    for (size_t begin = 0; begin < items; begin += size)
      blocks_.push_back({stage, begin, std::min(items, begin + size), run});
    items_ += items;
  }

  void plan() {
    choose_variants();
    add_stage("recall", facts_.facts.size(), block_size, [this](size_t b, size_t e) { return recall(b, e); });
    add_stage("context", facts_.contexts.size(), block_size, [this](size_t b, size_t e) { return context(b, e); });
    add_stage("variant", variants_.size(), block_size, [this](size_t b, size_t e) { return variant(b, e); });
    add_stage("claim", facts_.claims.size(), block_size, [this](size_t b, size_t e) { return claim(b, e); });
    if (!facts_.contexts.empty()) lever_items_ = lever_items(facts_, style_, options_.seed, most_lever_conflicts);
    for (const auto& lever : lever_items_.contexts.empty() ? std::vector<StudyLever>{} : options_.levers)
      for (auto& setting : lever_settings(lever))
        add_stage("lever", lever_items_.size(), lever_items_.size(), [this, setting](size_t, size_t) {
          return lever_rows(lever_input_, lever_items_, setting, answers_);
        });
    add_stage("probe", 2, 1, [this](size_t b, size_t) { return probe(b == 0 ? "correct" : "conflict"); });
  }

  // Of each kind of variant at most this many facts, evenly spread.
  void choose_variants() {
    constexpr size_t most = 600;
    std::map<std::string, std::vector<std::pair<size_t, size_t>>> kinds;
    for (size_t i = 0; i < facts_.facts.size(); ++i)
      for (size_t v = 0; v < facts_.facts[i].variants.size(); ++v)
        kinds[facts_.facts[i].variants[v].kind].emplace_back(i, v);
    for (const auto& [kind, all] : kinds) {
      const size_t count = std::min(most, all.size());
      for (size_t n = 0; n < count; ++n) variants_.push_back(all[n * all.size() / count]);
    }
  }

  Json header() const {
    std::string all;
    for (const auto& fact : facts_.facts) all += dumped(data::to_json(fact));
    for (const auto& item : facts_.contexts) all += dumped(data::to_json(item));
    for (const auto& item : facts_.claims) all += dumped(data::to_json(item));
    // What an example prompt reads like stands for the whole style: its words, its examples, its template.
    const std::string prompt = evidence::closed_book(facts_.facts[0], style_).prompt.text;
    return {{"stage", "header"},
            {"schema", "ken.rows/1"},
            {"model", model_.sha256()},
            {"facts", sha256(std::as_bytes(std::span(all)))},
            {"seed", options_.seed},
            {"compute", nn::compute_name(options_.compute)},
            {"samples", options_.samples},
            {"levers", levers()},
            {"prompt", style_.form()},
            {"prompt_sha256", sha256(std::as_bytes(std::span(prompt)))},
            {"calibration", options_.calibration ? options_.calibration->estimator.definition() : ""},
            {"abstain_under", options_.abstain_under}};
  }

  Json levers() const {
    Json list = Json::array();
    for (const auto& lever : options_.levers)
      list.push_back({lever.control, lever.params, lever.parameter, lever.values});
    return list;
  }

  Json row(const char* stage, const std::string& id, const char* metric) const {
    return {{"stage", stage},
            {"id", id},
            {"metric", metric},
            {"seed", options_.seed},
            {"compute", nn::compute_name(options_.compute)}};
  }

  std::vector<Json> recall(size_t begin, size_t end) {
    const std::vector<evidence::EstimatorSpec> estimators = estimators_of_study();
    std::vector<evidence::EstimatorSpec> wanted = estimators;
    if (options_.calibration) wanted.push_back(options_.calibration->estimator);
    std::vector<evidence::Question> questions;
    for (size_t i = begin; i < end; ++i)
      questions.push_back({evidence::closed_book(facts_.facts[i], style_), style_, facts_.facts[i]});
    const auto all = evidence::gather(model_, questions, wanted, {options_.compute, options_.seed, begin});
    std::vector<Json> rows;
    for (size_t i = begin; i < end; ++i) {
      const data::Fact& fact = facts_.facts[i];
      const auto& e = all[i - begin];
      const generate::Prompt& prompt = questions[i - begin].request.prompt;
      answered_[prompt.text] = e.greedy;
      Json samples = Json::array();
      int64_t samples_right = 0, samples_equal = 0, sample_tokens = 0;
      for (const auto& sample : e.samples) {
        samples.push_back(sample.text);
        sample_tokens += int64_t(sample.tokens.size());
        samples_right += data::same_answer(sample.text, fact.answers);
        samples_equal += data::same_answer(sample.text, {e.greedy.text});
      }
      Json r = row("recall", fact.id, exact_match);
      r.update({{"relation", fact.relation},
                {"exposure", fact.exposure},
                {"group", fact.group},
                {"question", fact.question},
                {"gold", fact.answers[0]},
                {"answer", e.greedy.text},
                {"right", data::same_answer(e.greedy.text, fact.answers)},
                {"right_type", types_.at(fact.relation).count(data::normalize_answer(e.greedy.text)) > 0},
                {"samples", samples},
                {"samples_right", samples_right},
                {"samples_equal", samples_equal},
                {"prompt_tokens", generate::prompt_ids(model_, prompt.text, prompt.chat.get()).size()},
                {"answer_tokens", e.greedy.tokens.size()},
                {"sample_tokens", sample_tokens}});
      for (const auto& estimator : estimators) r[estimator.entry->card.id] = estimator.score(e);
      if (options_.calibration) r["confidence"] = options_.calibration->confidence(e);
      rows.push_back(std::move(r));
    }
    return rows;
  }

  std::vector<evidence::EstimatorSpec> estimators_of_study() const {
    std::vector<evidence::EstimatorSpec> result;
    for (const StudyScore& score : study_scores())
      result.push_back(evidence::estimator_from(score.sampled ? fmt::format("{}:samples={}", score.id, options_.samples)
                                                              : std::string(score.id)));
    return result;
  }

  std::vector<Json> variant(size_t begin, size_t end) {
    std::vector<generate::Request> requests;
    for (size_t i = begin; i < end; ++i) {
      const data::Fact& fact = facts_.facts[variants_[i].first];
      requests.push_back(evidence::as_variant(fact, fact.variants[variants_[i].second], style_));
    }
    const auto answers = evidence::greedy_answers(model_, requests, options_.compute);
    std::vector<Json> rows;
    for (size_t i = begin; i < end; ++i) {
      const data::Fact& fact = facts_.facts[variants_[i].first];
      const data::Variant& asked = fact.variants[variants_[i].second];
      const auto& answer = answers[i - begin];
      Json r = row("variant", fact.id, exact_match);
      r.update({{"kind", asked.kind},
                {"exposure", fact.exposure},
                {"group", fact.group},
                {"known", known_.count(fact.id) > 0},
                {"question", asked.question},
                {"gold", asked.answers.front()},
                {"answer", answer.text},
                {"right", data::same_answer(answer.text, asked.answers)},
                {"sequence-probability", std::exp(answer.logprob())}});
      rows.push_back(std::move(r));
    }
    return rows;
  }

  std::vector<Json> claim(size_t begin, size_t end) {
    std::vector<evidence::OptionItem> items;
    for (size_t i = begin; i < end; ++i) items.push_back(evidence::verdicts(facts_.claims[i], style_));
    const auto scores = evidence::score_options(model_, items, options_.compute);
    std::vector<Json> rows;
    for (size_t i = begin; i < end; ++i) {
      const data::Claim& item = facts_.claims[i];
      const auto& options = scores[i - begin];
      const bool says_true = options[0].logprob > options[1].logprob;
      const double margin = std::abs(options[0].logprob - options[1].logprob);
      Json r = row("claim", item.id, "the likelier of the two verdicts");
      r.update({{"fact", item.fact},
                {"exposure", item.exposure},
                {"group", item.group},
                {"known", known_.count(item.fact) > 0},
                {"question", item.statement},
                {"truth", item.truth},
                {"gold", item.truth ? "true" : "false"},
                {"answer", says_true ? "true" : "false"},
                {"right", says_true == item.truth},
                {"sequence-probability", stats::sigmoid(margin)},
                {"extra", item.extra}});
      rows.push_back(std::move(r));
    }
    return rows;
  }

  // The model's own closed-book answer counts as its memory; without one, the true answers.
  std::vector<std::string> memory_of(const data::ContextCase& item) const {
    const auto found = answers_.find(item.fact);
    return found == answers_.end() || found->second.empty() ? item.answers : std::vector<std::string>{found->second};
  }

  std::vector<Json> context(size_t begin, size_t end) {
    std::vector<generate::Request> requests;
    for (size_t i = begin; i < end; ++i) requests.push_back(evidence::with_passage(facts_.contexts[i], style_));
    const auto answers = evidence::greedy_answers(model_, requests, options_.compute);
    std::vector<Json> rows;
    for (size_t i = begin; i < end; ++i) {
      const auto& item = facts_.contexts[i];
      const auto& answer = answered_[requests[i - begin].prompt.text] = answers[i - begin];
      Json r = row("context", item.id, "whose answer is given: exact match after SQuAD normalisation");
      r.update({{"fact", item.fact},
                {"kind", item.kind},
                {"intent", item.intent},
                {"exposure", item.exposure},
                {"group", item.group},
                {"known", known_.count(item.fact) > 0},
                {"question", item.question},
                {"context", item.context},
                {"instruction", item.instruction},
                {"gold", item.answers.empty() ? "" : item.answers[0]},
                {"answer", answer.text},
                {"followed", evidence::followed(answer.text, item, memory_of(item))},
                {"right", data::same_answer(answer.text, item.answers)},
                {"sequence-probability", std::exp(answer.logprob())},
                {"extra", item.extra}});
      rows.push_back(std::move(r));
    }
    return rows;
  }

  std::vector<Json> probe(const std::string& target) {
    Json r = row("probe", target, "AUROC of held-out items, folds grouped");
    const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "probe-map");
    try {
      const readout::AnalysisInput input{model_, facts_, style_, options_.seed, options_.compute, {}, {}, &answered_};
      r["table"] = entry.run(input, resolve_params(entry.card, {{"target", target}, {"max_items", most_probed}})).table;
    } catch (const Error& error) {
      r["skipped"] = error.what();  // too few right or wrong answers to tell apart: the report says so
    }
    return {r};
  }

  void remember(const Json& r) {
    if (r.at("stage") != "recall") return;
    answers_[r.at("id").get<std::string>()] = r.at("answer").get<std::string>();
    if (r.at("right").get<bool>()) known_.insert(r.at("id").get<std::string>());
  }

  const model::Model& model_;
  const data::FactSet& facts_;
  const data::PromptStyle& style_;
  const StudyOptions& options_;
  std::map<std::string, std::set<std::string>> types_;  // relation -> every answer of it, normalised
  std::vector<Block> blocks_;
  LeverItems lever_items_;
  LeverInput lever_input_{model_, facts_, style_, options_.seed, options_.compute};
  std::vector<std::pair<size_t, size_t>> variants_;  // fact, variant
  size_t items_ = 0;
  std::map<std::string, std::string> answers_;           // fact -> closed-book answer
  std::map<std::string, generate::Generated> answered_;  // prompt -> greedy answer, of this run
  std::set<std::string> known_;                          // facts answered rightly closed-book
};

}  // namespace

StudyResult run_study(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
                      const StudyOptions& options) {
  if (facts.facts.empty())
    fail("study", "the fact set {} is empty; give at least one question with its answer", facts.name);
  return Study(model, facts, style, options).run();
}

}  // namespace ken::study
