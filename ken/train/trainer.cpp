// One step: forward, backward, sum over ranks, clip, update, a line in the log. Nothing that a clock shows enters the
// log.
#include "ken/train/trainer.h"

#include <chrono>

#include "ken/base/error.h"
#include "ken/io/records.h"
#include "ken/train/checkpoint.h"

namespace ken::train {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t lines_a_flush = 32;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

class Trainer {
 public:
  Trainer(model::Model& model, const std::vector<Parameter>& parameters, const Objective& objective,
          std::shared_ptr<const SampleSource> source, const TrainOptions& options, Group& group,
          const Progress& progress)
      : policy_{model, options.compute, options.kept_blocks},
        parameters_(parameters),
        objective_(objective),
        source_(std::move(source)),
        options_(options),
        group_(group),
        progress_(progress),
        optimizer_(make_optimizer(options.optimizer, parameters)) {}

  TrainResult run() {
    begin_ = Clock::now();
    start();
    first_ = at_.steps;
    first_tokens_ = at_.tokens;
    StepStream stream(source_, pack_options(), at_.position);
    total_ = stream.total();
    while (options_.max_steps == 0 || at_.steps < options_.max_steps) {
      std::optional<Step> step = stream.next();
      if (!step) break;
      take(*step);
      if (options_.checkpoint_every > 0 && at_.steps % options_.checkpoint_every == 0) checkpoint();
    }
    if (saved_ != at_.steps) checkpoint();
    return finish();
  }

 private:
  fs::path path(const char* name) const { return options_.out / name; }
  bool writes() const { return !options_.out.empty() && group_.rank() == 0; }

  PackOptions pack_options() const {
    const model::Config& c = policy_.model.config;
    return {options_.batch_tokens, c.vocab,         c.context,        group_.rank(),
            group_.size(),         options_.epochs, options_.shuffle, options_.seed};
  }

  // What a checkpoint must agree with to be continued.
  Json identity() const {
    Json shapes = Json::object();
    for (const Parameter& p : parameters_) shapes[p.name] = p.value.sizes().vec();
    return {{"objective", objective_.name()}, {"options", to_json(options_)}, {"data", source_->identity()},
            {"samples", source_->size()},     {"ranks", group_.size()},       {"parameters", shapes}};
  }

  void start() {
    if (options_.out.empty()) return;
    fs::create_directories(options_.out);
    if (fs::exists(path("checkpoint.safetensors")))
      at_ = load_checkpoint(path("checkpoint.safetensors"), identity(), parameters_, *optimizer_);
    saved_ = at_.steps > 0 ? at_.steps : -1;
    Tensor steps = at::full({1}, at_.steps, at::kLong);
    group_.sum(steps);  // also keeps rank 0 from writing before everyone has read
    if (steps.item<int64_t>() != at_.steps * group_.size()) {
      fail("train", "rank {} finds step {} in {}, other ranks another; the output folder must be shared", group_.rank(),
           at_.steps, options_.out.string());
    }
    if (writes()) cut_log();
  }

  void cut_log() {
    const bool exists = fs::exists(path("log.jsonl"));
    const int64_t size = exists ? int64_t(fs::file_size(path("log.jsonl"))) : 0;
    if (size < at_.log_bytes)
      fail("train", "{} holds {} bytes, its checkpoint counts {}; remove the folder to start anew",
           path("log.jsonl").string(), size, at_.log_bytes);
    if (exists) fs::resize_file(path("log.jsonl"), uintmax_t(at_.log_bytes));
  }

  void take(Step& step) {
    const std::map<std::string, double> metrics = differentiate(step.batch);
    at_.steps += 1, at_.position = step.position, at_.tokens += step.tokens, at_.documents += step.documents;
    const double norm = gradient_norm(parameters_);
    for (const auto& [name, value] : metrics)
      if (name == "loss" && !std::isfinite(value))
        fail("train", "the loss became {} at step {}; lower the learning rate", value, at_.steps);
    if (!std::isfinite(norm))
      fail("train", "the gradient's norm became {} at step {}; lower the learning rate", norm, at_.steps);
    const double factor = options_.schedule.factor(share_done());
    optimizer_->step(factor, options_.clip > 0 && norm > options_.clip ? options_.clip / norm : 1.0);
    for (const Parameter& p : parameters_) p.value.mutable_grad().reset();
    last_ = metrics;
    note(norm, factor);
  }

  double share_done() const {
    const double by_data = double(at_.position) / double(total_);
    return options_.max_steps > 0 ? std::max(by_data, double(at_.steps) / double(options_.max_steps)) : by_data;
  }

  // Gradients of the step's mean into the parameters; the metrics' means.
  std::map<std::string, double> differentiate(const TrainBatch& batch) {
    const auto names = objective_.metrics();
    Tensor total = at::full({1}, batch.tokens() > 0 ? objective_.weight(batch) : 0.0, at::kDouble);
    group_.sum(total);
    if (!(total.item<double>() > 0))
      fail("train", "no token of step {} counts in the loss; check the samples' weights", at_.steps + 1);
    Tensor sums = at::zeros({int64_t(names.size()), 2}, at::kDouble);
    if (batch.tokens() > 0) {
      at::AutoGradMode with_gradients(true);
      const Loss loss = objective_.loss(policy_, batch, total.item<double>());
      loss.value.backward();
      for (size_t i = 0; i < loss.metrics.size() && i < names.size(); ++i) {
        sums.data_ptr<double>()[2 * i] = loss.metrics[i].sum;
        sums.data_ptr<double>()[2 * i + 1] = loss.metrics[i].weight;
      }
    }
    if (group_.size() > 1) sum_gradients();
    group_.sum(sums);
    std::map<std::string, double> result;
    for (size_t i = 0; i < names.size(); ++i) {
      const double weight = sums.data_ptr<double>()[2 * i + 1];
      if (weight > 0) result[names[i]] = sums.data_ptr<double>()[2 * i] / weight;
    }
    return result;
  }

  void sum_gradients() {
    std::vector<Tensor> gradients;
    for (const Parameter& p : parameters_) {
      if (!p.value.grad().defined()) p.value.mutable_grad() = at::zeros_like(p.value.detach());
      gradients.push_back(p.value.grad());
    }
    sum_all(group_, gradients);
  }

  void note(double norm, double factor) {
    const auto loss = last_.find("loss");
    if (progress_) {
      const double rate = double(at_.tokens - first_tokens_) / std::max(1e-9, seconds_since(begin_));
      const bool counted = options_.max_steps > 0;
      progress_("train", size_t(counted ? at_.steps : at_.position), size_t(counted ? options_.max_steps : total_),
                fmt::format("loss {:.3f}, {:.0f} tokens/s", loss == last_.end() ? 0.0 : loss->second, rate));
    }
    if (!writes()) return;
    Json line{{"step", at_.steps}, {"tokens", at_.tokens}};
    for (const auto& name : objective_.metrics())
      if (last_.count(name)) line[name] = last_.at(name);
    line["grad_norm"] = norm;
    line["lr"] = factor * resolved(options_.optimizer).lr;
    pending_ += io::jsonl_line(line);
    if (++lines_ >= lines_a_flush) flush();
  }

  void flush() {
    if (!pending_.empty()) append_text(path("log.jsonl"), pending_);
    at_.log_bytes += int64_t(pending_.size());
    pending_.clear();
    lines_ = 0;
  }

  void checkpoint() {
    saved_ = at_.steps;
    if (!writes()) return;
    flush();
    save_checkpoint(path("checkpoint.safetensors"), identity(), at_, parameters_, *optimizer_);
  }

  TrainResult finish() {
    group_.barrier();
    const double seconds = seconds_since(begin_);
    if (writes()) {
      const int64_t tokens = at_.tokens - first_tokens_;
      const Json run{{"seconds", seconds},
                     {"first_step", first_},
                     {"steps", at_.steps},
                     {"tokens", tokens},
                     {"tokens_per_second", double(tokens) / std::max(1e-9, seconds)},
                     {"threads", at::get_num_threads()},
                     {"ranks", group_.size()}};
      write_text(path("run.json"), run.dump(2) + "\n");
    }
    return {at_.steps, at_.tokens, at_.documents, first_, seconds, last_};
  }

  Policy policy_;
  const std::vector<Parameter>& parameters_;
  const Objective& objective_;
  std::shared_ptr<const SampleSource> source_;
  const TrainOptions& options_;
  Group& group_;
  const Progress& progress_;
  std::unique_ptr<Optimizer> optimizer_;
  Progressed at_;
  int64_t saved_ = -1, first_ = 0, first_tokens_ = 0, total_ = 1;
  std::map<std::string, double> last_;
  std::string pending_;
  size_t lines_ = 0;
  Clock::time_point begin_;
};

}  // namespace

void check(const TrainOptions& o) {
  const auto positive = [](int64_t value, int64_t low, int64_t high, const char* name) {
    if (value < low || value > high) fail_usage("train", "{} is {}; it must lie in {}..{}", name, value, low, high);
  };
  positive(o.batch_tokens, 1, int64_t{1} << 28, "the batch's token count");
  positive(o.epochs, 1, int64_t{1} << 30, "the number of epochs");
  positive(o.max_steps, 0, int64_t{1} << 40, "the number of steps");
  positive(o.checkpoint_every, 0, int64_t{1} << 40, "the number of steps between checkpoints");
  positive(o.threads, 0, 4096, "the number of threads");
  if (!(o.clip >= 0)) fail_usage("train", "the gradient clip is {}; give a norm, or 0 for none", o.clip);
  check(o.schedule);
  resolved(o.optimizer);
}

Json to_json(const TrainOptions& o) {
  const OptimizerOptions p = resolved(o.optimizer);
  return {{"batch_tokens", o.batch_tokens},
          {"optimizer",
           {{"kind", p.kind},
            {"lr", p.lr},
            {"table_lr", p.table_lr},
            {"momentum", p.momentum},
            {"beta1", p.beta1},
            {"beta2", p.beta2},
            {"epsilon", p.epsilon},
            {"newton_schulz", p.newton_schulz},
            {"weight_decay", p.weight_decay}}},
          {"schedule", {{"kind", o.schedule.kind}, {"warmup", o.schedule.warmup}, {"final", o.schedule.final}}},
          {"clip", o.clip},
          {"epochs", o.epochs},
          {"shuffle", o.shuffle},
          {"max_steps", o.max_steps},
          {"seed", o.seed},
          {"compute", nn::compute_name(o.compute)}};
}

TrainResult train(model::Model& model, const std::vector<Parameter>& parameters, const Objective& objective,
                  std::shared_ptr<const SampleSource> source, const TrainOptions& options, Group& group,
                  const Progress& progress) {
  check(options);
  if (parameters.empty()) fail("train", "nothing to train: no parameters were given");
  if (options.threads > 0) at::set_num_threads(options.threads);
  return Trainer(model, parameters, objective, std::move(source), options, group, progress).run();
}

}  // namespace ken::train
