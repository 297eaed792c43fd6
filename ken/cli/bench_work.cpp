#include "ken/cli/bench_work.h"

#include <chrono>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/generate/generate.h"
#include "ken/nn/cpu.h"

namespace ken::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t prompt_of_decode = 128, prompt_of_samples = 256, samples_made = 10, tokens_made = 32;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Bytes are the first tokens of a vocabulary of bytes; elsewhere any ids do.
std::vector<int32_t> random_ids(const model::Model& model, int64_t n, uint64_t stream = 0) {
  Rng rng(0, stream);
  std::vector<int32_t> ids;
  while (int64_t(ids.size()) < n)
    ids.push_back(int32_t(rng.below(uint64_t(std::min<int64_t>(256, model.config.vocab)))));
  return ids;
}

// Letters, of which no tokenizer makes more tokens than there are, but for a token before them.
std::string random_text(int64_t n) {
  Rng rng(0, 1);
  std::string text;
  while (int64_t(text.size()) < n) text += char('a' + rng.below(26));
  return text;
}

}  // namespace

std::string kernel_path(nn::Compute compute) { return fmt::format("{} {}", nn::compute_name(compute), nn::cpu_kind()); }

Bench::Bench(const model::Model& model, const Peaks& peaks, const BenchOptions& options)
    : model_(model), peaks_(peaks), options_(options), weights_(read_weights(model)) {
  const int64_t context = model.config.context;
  if (context < 4 * tokens_made)
    fail("bench", "{} has a context of {} tokens; the measurements take one of {} or more", model.config.name, context,
         4 * tokens_made);
  if (written() >= context)
    fail_usage("bench", "--new-tokens {} leaves no room for a prompt in the context of {}, {} tokens",
               options_.new_tokens, model.config.name, context);
  if (options_.tokens > context)
    fail_usage("bench", "--tokens {} is more than the context of {}, {} tokens", options_.tokens, model.config.name,
               context);
  if (options_.tokens == 0) options_.tokens = std::min<int64_t>(512, context);
  bytes_of_position_ = double(model::make_cache(model, options.compute).position_bytes());
}

using Method = void (Bench::*)(const Emit&);

void Bench::measure(const std::string& work, const Emit& emit) {
  static const std::map<std::string, Method> methods{{"prefill", &Bench::prefill}, {"decode", &Bench::decode},
                                                     {"samples", &Bench::samples}, {"twostream", &Bench::twostream},
                                                     {"capture", &Bench::capture}, {"train", &Bench::train},
                                                     {"lora", &Bench::lora},       {"sampler", &Bench::sampler}};
  (this->*methods.at(work))(emit);
}

std::vector<std::string> Bench::works() {
  return {"prefill", "decode", "samples", "twostream", "capture", "sampler", "train", "lora"};
}

Json Bench::row(const Measured& m) const {
  const auto value = [&](double seconds) { return m.tokens > 0 ? m.tokens / seconds : 1000 * seconds; };
  Json row{{"work", m.work},
           {"shape", model_.config.name},
           {"type", weights_.type},
           {"rows", m.rows},
           {"value", value(m.seconds)},
           {"unit", m.tokens > 0 ? "tokens/s" : "ms"},
           {"floor", value(m.floor)},
           {"ratio", m.floor / m.seconds},
           {"path", kernel_path(options_.compute)},
           {"threads", at::get_num_threads()}};
  row.update(m.more);
  row["peaks"] = {{"bytes_s", peaks_.bytes}, {"bf16_flop_s", peaks_.flops}};
  return row;
}

int64_t Bench::written() const { return options_.new_tokens > 0 ? options_.new_tokens + 1 : tokens_made; }

int64_t Bench::fitting(int64_t prompt, int64_t more) const { return std::min(prompt, model_.config.context - more); }

double Bench::cached_floor(double positions) const {
  return step_floor(weights_, peaks_, positions * bytes_of_position_);
}

double Bench::floor_of_decode(int64_t tokens) const { return double(tokens) * cached_floor(double(tokens + 1) / 2); }

double Bench::prefill_seconds(int64_t tokens, const model::TapPlan* taps) const {
  at::NoGradGuard no_gradients;
  nn::KvCache cache = model::make_cache(model_, options_.compute);
  const model::Batch batch = model::pack({{random_ids(model_, tokens), cache.open()}}, model_.config.vocab, &cache);
  const auto begin = Clock::now();
  model::forward(model_, batch, {.compute = options_.compute, .taps = taps, .cache = &cache});
  return since(begin);
}

double Bench::decode_seconds(int64_t tokens, const model::TapPlan* taps) const {
  at::NoGradGuard no_gradients;
  nn::KvCache cache = model::make_cache(model_, options_.compute);
  const int row = cache.open();
  const auto begin = Clock::now();
  for (const int32_t id : random_ids(model_, tokens)) {
    const model::Batch batch = model::pack({{{id}, row, model::Phase::decode}}, model_.config.vocab, &cache);
    model::forward(model_, batch, {.compute = options_.compute, .taps = taps, .cache = &cache});
  }
  return since(begin);
}

void Bench::prefill(const Emit& emit) {
  const int64_t n = options_.tokens;
  prefill_seconds(n);  // the first reads the weights from the file
  double best = INFINITY;
  for (int i = 0; i < options_.repeat; ++i) best = std::min(best, prefill_seconds(n));
  emit({"prefill", 1, best, floor_of_prefill(n), double(n), {{"tokens", n}}});
}

// Passes of one token a row, all rows behind one prompt; no sampling.
Bench::Step Bench::step_of(int64_t rows) {
  if (const auto known = steps_.find(rows); known != steps_.end()) return known->second;
  at::NoGradGuard no_gradients;
  nn::KvCache cache = model::make_cache(model_, options_.compute);
  const int64_t n = fitting(prompt_of_decode, written());
  const int prompt = cache.open();
  const model::ForwardOptions forward{.compute = options_.compute, .cache = &cache};
  model::forward(model_, model::pack({{random_ids(model_, n), prompt}}, model_.config.vocab, &cache), forward);
  const auto ids = random_ids(model_, rows, 2);
  const auto timed = [&](int64_t passes) {
    std::vector<model::Row> batch;
    for (const int32_t id : ids) batch.push_back({{id}, cache.fork(prompt), model::Phase::decode});
    const auto begin = Clock::now();
    for (int64_t i = 0; i < passes; ++i)
      model::forward(model_, model::pack(batch, model_.config.vocab, &cache), forward);
    const double seconds = since(begin) / double(passes);
    for (const auto& row : batch) cache.close(row.cached);
    return seconds;
  };
  Step step{INFINITY};
  timed(1);
  step.passes = options_.new_tokens;
  if (step.passes == 0) step.passes = std::clamp<int64_t>(int64_t(0.3 / timed(1)), 2, tokens_made - 1);
  for (int i = 0; i < options_.repeat; ++i) step.seconds = std::min(step.seconds, timed(step.passes));
  step.floor = cached_floor(double(n) + double(rows) * double(step.passes + 1) / 2);  // the prompt is read once
  return steps_[rows] = step;
}

void Bench::decode(const Emit& emit) {
  for (const int64_t rows : options_.rows) {
    peaks_.bytes = std::max(peaks_.bytes, read_bandwidth());  // other machines' jobs come and go: the best of the run
    const Step step = step_of(rows);
    const auto prompt = random_ids(model_, fitting(prompt_of_decode, written()));
    Looped looped;
    for (int i = 0; i < options_.repeat; ++i) loop("", prompt, rows, step.passes + 1, looped);
    const double products = 2 * weights_.parameters * double(rows) / peaks_.flops;
    emit({"decode",
          rows,
          step.seconds,
          step.floor,
          double(rows),
          {{"tokens", prompt.size()},
           {"new_tokens", step.passes},
           {"loop_ms", 1000 * (looped.step - step.seconds)},
           {"products_ratio", products / step.seconds}}});
  }
}

// The loop that users get; it asks before each pass whether to go on, which tells when the pass began.
void Bench::loop(const std::string& text, std::vector<int32_t> tokens, int64_t samples, int64_t most,
                 Looped& best) const {
  generate::Request request{.tokens = std::move(tokens),
                            .sampling = {.temperature = 1},
                            .max_tokens = most,
                            .samples = samples,
                            .ignore_eos = true};  // every run does the same work
  if (!text.empty()) {
    request.prompt = {.text = text, .without_context = text.substr(text.size() / 2)};
    request.controls.push_back(generate::control_from("cad:alpha=1"));
  }
  std::vector<Clock::time_point> begins;
  generate::GenerateOptions options{.compute = options_.compute};
  options.interrupted = [&begins] { return begins.push_back(Clock::now()), false; };
  generate::generate(model_, {request}, options);
  best.all = std::min(best.all, since(begins.at(0)));
  if (most > 1) best.step = std::min(best.step, since(begins.at(1)) / double(most - 1));
}

void Bench::samples(const Emit& emit) {
  const auto prompt = random_ids(model_, fitting(prompt_of_samples, tokens_made));
  Looped one, many;
  for (int i = 0; i < options_.repeat; ++i) {
    loop("", prompt, samples_made, tokens_made, many);
    loop("", prompt, 1, tokens_made, one);
  }
  // The prompt's pass gives the first token of each.
  const double positions = double(prompt.size()) + double(samples_made * tokens_made) / 2,
               floor = floor_of_prefill(int64_t(prompt.size())) + double(tokens_made - 1) * cached_floor(positions);
  emit({"samples",
        samples_made,
        many.all,
        floor,
        double(samples_made * tokens_made),
        {{"tokens", prompt.size()}, {"times_one", many.all / one.all}}});
}

void Bench::twostream(const Emit& emit) {
  const std::string text = random_text(fitting(prompt_of_decode, tokens_made + 8));
  const auto whole = model::prompt_ids(model_, text), half = model::prompt_ids(model_, text.substr(text.size() / 2));
  Looped one, two;
  for (int i = 0; i < options_.repeat; ++i) {
    loop(text, {}, 1, tokens_made, two);
    loop("", whole, 1, tokens_made, one);
  }
  emit({"twostream",
        1,
        two.step,
        cached_floor(double(whole.size() + half.size() + tokens_made)),
        0,
        {{"tokens", whole.size()}, {"control", "cad"}, {"times_one", two.step / one.step}}});
}

// Also what a point costs that no tap is on: the same passes with a plan whose only tap is elsewhere, in turn.
void Bench::capture(const Emit& emit) {
  const int64_t n = options_.tokens, steps = std::min<int64_t>(n, tokens_made);
  const auto look = [](const at::Tensor&, const model::Site&) -> std::optional<at::Tensor> { return std::nullopt; };
  const model::TapPlan elsewhere(model_.config, {{"hook_embed", look}});
  double plain = INFINITY, tapped = INFINITY, unused = INFINITY, step = INFINITY, unused_step = INFINITY;
  const auto least = [](double& best, double seconds) { best = std::min(best, seconds); };
  for (int i = 0; i <= options_.repeat; ++i) {
    model::ActivationCache taken;
    const model::TapPlan plan(model_.config, taken.taps({"blocks.*.hook_resid_post"}));
    if (i == 0) prefill_seconds(n, &plan);  // the first reads the weights from the file
    least(plain, prefill_seconds(n)), least(tapped, prefill_seconds(n, &plan));
    least(unused, prefill_seconds(n, &elsewhere));
    least(step, decode_seconds(steps)), least(unused_step, decode_seconds(steps, &elsewhere));
  }
  emit({"capture",
        1,
        tapped,
        floor_of_prefill(n),
        double(n),
        {{"tokens", n},
         {"times_plain", tapped / plain},
         {"times_unused", unused / plain},
         {"times_unused_step", unused_step / step}}});
}

}  // namespace ken::cli
