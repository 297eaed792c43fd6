// A benchmark's run: items in blocks, a row an item, the means over the rows.
#include "ken/study/eval.h"

#include <chrono>
#include <cmath>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/stats/stats.h"
#include "ken/study/rows.h"

namespace ken::study {
namespace {

using tasks::Item;

constexpr size_t eval_block = 128, usual_shots = 5;
constexpr const char* target_delimiter = " ";
constexpr const char* fewshot_delimiter = "\n\n";

std::string hash(const std::string& text) { return sha256(std::as_bytes(std::span(text))); }

class EvalRun {
 public:
  EvalRun(const model::Model& model, const tasks::TaskEntry& task, const Json& params, const fs::path& file,
          const EvalOptions& options)
      : model_(model),
        task_(task),
        options_(options),
        style_(style_of(model, task, options)),
        params_(resolve_params(task.card, params)),
        file_(file),
        file_sha256_(sha256_file(file)),
        items_(task.read({file, params_, words_of(style_)})) {
    if (items_.items.empty()) fail("eval", "{} holds no items; {} reads {}", file.string(), task.card.id, task.file);
    open_ = items_.items[0].options.empty();
    if (!open_ && !options.controls.empty())
      fail_usage("eval", "{} compares given options, and a control acts on what is generated; leave --control out",
                 task.card.id);
    metrics_ = task.metrics.empty() ? tasks::standard_metrics(open_) : task.metrics;
    choose();
    for (const Item& item : items_.items) check(item);
  }

  EvalResult run() {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    fs::create_directories(options_.out);
    std::vector<size_t> sizes;
    for (size_t i = 0; i < items_.items.size(); i += eval_block)
      sizes.push_back(std::min(eval_block, items_.items.size() - i));
    const std::string& id = task_.card.id;
    RowFile file(options_.out / ("samples_" + id + ".jsonl"), header(), sizes,
                 options_.out / ("settings_" + id + ".json"));
    EvalResult result{.resumed = file.rows().size()};
    for (size_t b = file.finished_blocks(); b < sizes.size(); ++b) {
      const size_t first = b * eval_block, end = first + sizes[b];
      file.append(open_ ? generate_block(first, end) : choose_block(first, end));
      if (options_.progress) options_.progress(id, end, items_.items.size(), "");
    }
    result.items = file.rows().size();
    result.results = results(file.rows());
    write_text(options_.out / "results.json", dumped(result.results, 2) + "\n");
    const Json times{{"seconds", std::chrono::duration<double>(Clock::now() - begin).count()},
                     {"items", result.items},
                     {"resumed", result.resumed},
                     {"threads", at::get_num_threads()}};
    write_text(options_.out / "run.json", times.dump(1) + "\n");
    return result;
  }

 private:
  // A benchmark with prompts of its own is put as it is published, unless a chat is asked for.
  static data::PromptStyle style_of(const model::Model& model, const tasks::TaskEntry& task,
                                    const EvalOptions& options) {
    data::PromptChoice choice = options.prompt;
    if (choice.prompt == "few-shot" || (choice.prompt == "auto" && !task.styled && choice.chat_template.empty()))
      choice.prompt = "plain";
    return data::choose_style(model.metadata, model.tokenizer, choice, nullptr);
  }

  // What an item says; the chat around it is written here, with the worked examples as turns.
  static data::PromptStyle words_of(data::PromptStyle style) {
    style.chat = nullptr;
    return style;
  }

  size_t shots() const {
    if (options_.fewshot) return *options_.fewshot;
    const bool base =
        options_.prompt.prompt == "few-shot" || (options_.prompt.prompt == "auto" && task_.styled && open_ &&
                                                 !style_.chat && !data::has_prompt_style(model_.metadata));
    return base ? std::min(usual_shots, items_.items.size() - 1) : 0;
  }

  // Which items are worked examples, and which are scored.
  void choose() {
    auto& items = items_.items;
    original_ = items.size();
    if (options_.seed) Rng(*options_.seed).shuffle(items);
    style_.shots = shots();
    if (style_.shots >= items.size())
      fail_usage("eval", "{} holds {} items; with {} worked examples none is left to ask", file_.string(), items.size(),
                 style_.shots);
    begin_ = items_.description;
    if (style_.chat && !style_.system.empty()) turns_.push_back({"system", style_.system});
    for (size_t i = 0; i < style_.shots; ++i) {
      const Item& item = items[i];
      const std::string& answer = open_ ? item.answers[0] : item.options[item.gold.at(0)];
      turns_.push_back({"user", items_.description + item.prompt});
      turns_.push_back({"assistant", answer});
      begin_ += item.prompt + delimiter(item) + answer + fewshot_delimiter;
    }
    items.erase(items.begin(), items.begin() + long(style_.shots));
    if (options_.limit > 0 && items.size() > options_.limit) items.resize(options_.limit);
  }

  // The whole prompt around what an item says.
  std::string prompt_of(const std::string& words) const {
    if (!style_.chat) return begin_ + words;
    std::vector<data::Message> messages = turns_;
    messages.push_back({"user", items_.description + words});
    return style_.chat->render(messages);
  }

  // The same for people and hashes, without the guards of a chat.
  std::string shown(const std::string& words) const {
    return style_.chat ? text::ChatTokens::shown(prompt_of(words)) : prompt_of(words);
  }

  // The blank between prompt and option; a prompt that ends in one has it already, and an answer in a chat needs none.
  std::string delimiter(const Item& item) const {
    if (style_.chat) return "";
    return !item.prompt.empty() && std::isspace(static_cast<unsigned char>(item.prompt.back())) ? "" : target_delimiter;
  }

  evidence::OptionItem asked(const Item& item) const {
    evidence::OptionItem result{prompt_of(item.prompt), {}, style_.tokens()};
    for (const auto& option : item.options) result.options.push_back(delimiter(item) + option);
    return result;
  }

  // Before anything runs: a text that does not fit ends the job at once, not after hours.
  void check(const Item& item) const {
    if (!open_) {
      evidence::option_tokens(model_, asked(item), item.where);
      return;
    }
    const std::string prompt = prompt_of(item.prompt);
    const int64_t tokens =
        prompt.empty() ? 0 : int64_t(generate::prompt_ids(model_, prompt, style_.tokens().get()).size());
    if (tokens == 0) fail(item.where, "the prompt is empty");
    if (tokens + items_.max_tokens > model_.config.context)
      fail(item.where, "the prompt has {} tokens and the answer up to {}, but the model's context holds {}; shorten it",
           tokens, items_.max_tokens, model_.config.context);
  }

  Json controls() const {
    Json list = Json::array();
    for (const auto& spec : options_.controls) list.push_back({{"id", spec.entry->card.id}, {"params", spec.params}});
    return list;
  }

  Json seed() const { return options_.seed ? Json(*options_.seed) : Json(nullptr); }

  // All that the rows depend on.
  Json header() const {
    return {{"schema", "ken.eval/1"},   {"task", task_.card.id},       {"params", params_},
            {"model", model_.sha256()}, {"file_sha256", file_sha256_}, {"compute", nn::compute_name(options_.compute)},
            {"seed", seed()},           {"limit", options_.limit},     {"fewshot", style_.shots},
            {"controls", controls()},   {"prompt", prompt_json()}};
  }

  Json prompt_json() const {
    const bool published = !task_.styled && !style_.chat;
    return {{"form", style_.form()},
            {"label", published ? "asked in the benchmark's own words" : style_.label()},
            {"system", style_.chat ? style_.system : ""}};
  }

  Json row(size_t index, const std::string& target) const {
    const Item& item = items_.items[index];
    Json names = Json::array();
    for (const auto& metric : metrics_) names.push_back(metric.name);
    return {{"doc_id", index},
            {"id", item.id},
            {"doc", item.doc},
            {"target", target},
            {"filter", "none"},
            {"metrics", names},
            {"doc_hash", hash(dumped(item.doc, 2))},
            {"prompt_hash", hash(shown(item.prompt))},
            {"target_hash", hash(target)},
            {"seed", seed()},
            {"compute", nn::compute_name(options_.compute)}};
  }

  std::vector<Json> choose_block(size_t begin, size_t end) {
    std::vector<evidence::OptionItem> asked_items;
    for (size_t i = begin; i < end; ++i) asked_items.push_back(asked(items_.items[i]));
    const auto scores = evidence::score_options(model_, asked_items, options_.compute);
    std::vector<Json> rows;
    for (size_t i = begin; i < end; ++i) {
      const Item& item = items_.items[i];
      Json r = row(i, item.gold.size() == 1 ? std::to_string(item.gold[0]) : Json(item.gold).dump());
      Json responses = Json::array(), arguments = Json::object();
      for (size_t o = 0; o < item.options.size(); ++o) {
        const auto& score = scores[i - begin][o];
        // Texts, because the harness writes them so.
        responses.push_back({fmt::format("{}", score.logprob), score.greedy ? "True" : "False"});
        arguments[fmt::format("gen_args_{}", o)] = {{"arg_0", shown(item.prompt)},
                                                    {"arg_1", asked_items[i - begin].options[o]}};
      }
      add_responses(r, responses, arguments);
      r.update((task_.score ? task_.score : tasks::score_choice)(item, scores[i - begin]));
      rows.push_back(std::move(r));
    }
    return rows;
  }

  std::vector<Json> generate_block(size_t begin, size_t end) {
    std::vector<generate::Request> requests;
    for (size_t i = begin; i < end; ++i) {
      const Item& item = items_.items[i];
      generate::Request request = evidence::request_of(
          style_, {prompt_of(item.prompt), item.without_context.empty() ? "" : prompt_of(item.without_context)});
      request.stop = items_.stop;
      request.max_tokens = items_.max_tokens;
      request.controls = options_.controls;
      request.key = i;
      requests.push_back(std::move(request));
    }
    generate::GenerateOptions generation;
    generation.compute = options_.compute;
    const auto answers = generate::generate(model_, requests, generation);
    std::vector<Json> rows;
    for (size_t i = begin; i < end; ++i) {
      const Item& item = items_.items[i];
      const auto& answer = answers[i - begin][0];
      Json r = row(i, item.answers.size() == 1 ? item.answers[0] : dumped(item.answers));
      add_responses(r, {answer.text},
                    {{"gen_args_0", {{"arg_0", shown(item.prompt)}, {"arg_1", generation_arguments()}}}});
      r["logprob"] = answer.logprob();
      r.update(tasks::score_answer(item, answer.text));
      rows.push_back(std::move(r));
    }
    return rows;
  }

  static void add_responses(Json& row, const Json& responses, Json arguments) {
    Json each = Json::array();
    for (const Json& response : responses) each.push_back(Json::array({response}));  // a list per repeat, of one
    row["resps"] = std::move(each);
    row["filtered_resps"] = responses;
    row["arguments"] = std::move(arguments);
  }

  Json generation_arguments() const {
    return {{"until", items_.stop}, {"max_gen_toks", items_.max_tokens}, {"do_sample", false}};
  }

  // {"acc,none": mean, "acc_stderr,none": standard error}: sample deviation over the root of n, as in the harness.
  Json means(const std::vector<Json>& rows) const {
    Json result{{"alias", task_.card.id}};
    for (const auto& metric : metrics_) {
      std::vector<double> values;
      for (const Json& r : rows) values.push_back(r.at(metric.name).get<double>());
      result[metric.name + ",none"] = stats::mean_of(values);
      const double error = stats::sd_of(values) / std::sqrt(double(values.size()));
      result[metric.name + "_stderr,none"] = values.size() > 1 ? Json(error) : Json("N/A");
    }
    return result;
  }

  Json task_config() const {
    Json list = Json::array();
    for (const auto& metric : metrics_)
      list.push_back({{"metric", metric.name},
                      {"aggregation", "mean"},
                      {"higher_is_better", metric.higher_is_better},
                      {"meaning", metric.meaning}});
    Json metadata{{"version", 1.0}, {"params", params_}, {"paper", task_.card.paper}, {"file_sha256", file_sha256_}};
    Json config{{"task", task_.card.id},
                {"dataset_path", file_.string()},
                {"output_type", open_ ? "generate_until" : "multiple_choice"},
                {"description", items_.description},
                {"target_delimiter", target_delimiter},
                {"fewshot_delimiter", fewshot_delimiter},
                {"num_fewshot", style_.shots},
                {"metric_list", list},
                {"repeats", 1},
                {"metadata", metadata}};
    if (open_) config["generation_kwargs"] = generation_arguments();
    return config;
  }

  Json model_config() const {
    return {{"model", "ken"},
            {"model_args", "compute=" + nn::compute_name(options_.compute)},
            {"model_num_parameters", model_.parameters()},
            {"model_sha", model_.sha256()},
            {"controls", controls()},
            {"prompt", prompt_json()},
            {"limit", options_.limit > 0 ? Json(options_.limit) : Json(nullptr)},
            {"bootstrap_iters", nullptr},  // standard errors are computed, not resampled
            {"gen_kwargs", nullptr},
            {"random_seed", seed()}};
  }

  Json results(const std::vector<Json>& rows) const {
    const std::string& id = task_.card.id;
    Json better = Json::object();
    for (const auto& metric : metrics_) better[metric.name] = metric.higher_is_better;
    std::string plain = model_.config.name;
    for (char& c : plain)
      if (std::string_view("\"<>:/\\|?*[]").find(c) != std::string_view::npos) c = '_';
    return {{"results", {{id, means(rows)}}},
            {"group_subtasks", {{id, Json::array()}}},
            {"configs", {{id, task_config()}}},
            {"versions", {{id, 1.0}}},
            {"n-shot", {{id, style_.shots}}},
            {"higher_is_better", {{id, better}}},
            {"n-samples", {{id, {{"original", original_}, {"effective", rows.size()}}}}},
            {"config", model_config()},
            {"max_length", model_.config.context},
            {"model_source", "ken"},
            {"model_name", model_.config.name},
            {"model_name_sanitized", plain},
            {"ken_version", KEN_VERSION}};
  }

  const model::Model& model_;
  const tasks::TaskEntry& task_;
  const EvalOptions& options_;
  data::PromptStyle style_;
  Json params_;
  fs::path file_;
  std::string file_sha256_;
  tasks::Items items_;
  std::vector<tasks::Metric> metrics_;
  std::string begin_;                 // description and worked examples
  std::vector<data::Message> turns_;  // the worked examples of a chat
  size_t original_ = 0;
  bool open_ = false;
};

}  // namespace

EvalResult evaluate(const model::Model& model, const tasks::TaskEntry& task, const Json& params, const fs::path& file,
                    const EvalOptions& options) {
  return EvalRun(model, task, params, file, options).run();
}

}  // namespace ken::study
