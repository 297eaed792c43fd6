// Sources, packing and the background thread that keeps two steps ready.
#include "ken/train/data.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/io/records.h"

namespace ken::train {
namespace {

class WorldSource final : public SampleSource {
 public:
  WorldSource(std::shared_ptr<const world::World> world, std::shared_ptr<const text::Tokenizer> tokenizer, float weight)
      : world_(std::move(world)), tokenizer_(std::move(tokenizer)), weight_(weight) {}
  int64_t size() const override { return world_->params().documents; }
  Sample at(int64_t index) const override {
    const world::Document document = world_->document(index);
    return make_sample(*tokenizer_, document.text, document.answers, weight_);
  }
  std::string identity() const override { return world::to_json(world_->params()).dump(); }

 private:
  std::shared_ptr<const world::World> world_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  float weight_;
};

class RecordsSource final : public SampleSource {
 public:
  RecordsSource(const fs::path& path, std::shared_ptr<const text::Tokenizer> tokenizer, float weight)
      : name_(path.string()),
        sha_(sha256_file(path)),
        tokenizer_(std::move(tokenizer)),
        weight_(weight),
        records_(io::read_records(path)) {
    if (records_.empty()) fail("train", "{} holds no record", name_);
    for (const io::Record& r : records_) check(r);
  }
  int64_t size() const override { return int64_t(records_.size()); }
  std::string identity() const override { return sha_; }
  Sample at(int64_t index) const override {
    const Json& fields = records_.at(size_t(index)).fields;
    return fields.contains("tokens") ? from_tokens(fields) : from_text(fields);
  }

 private:
  static bool all_numbers(const Json& list) {
    return list.is_array() && std::all_of(list.begin(), list.end(), [](const Json& x) { return x.is_number(); });
  }
  void check(const io::Record& r) const {
    const Json& f = r.fields;
    if (f.contains("tokens")) {
      const bool ids = f["tokens"].is_array() && std::all_of(f["tokens"].begin(), f["tokens"].end(), [](const Json& x) {
                         return x.is_number_unsigned() && x.get<uint64_t>() < (uint64_t{1} << 31);
                       });
      if (!ids) fail("train", "{}:{}: tokens must be a list of token ids", name_, r.line);
      if (f.contains("weights") && (!all_numbers(f["weights"]) || f["weights"].size() != f["tokens"].size())) {
        fail("train", "{}:{}: weights must be a list of as many numbers as there are tokens", name_, r.line);
      }
      return;
    }
    if (!f.contains("text") || !f["text"].is_string())
      fail("train", "{}:{}: a record needs \"text\" (a string) or \"tokens\" (a list of ids)", name_, r.line);
    if (!tokenizer_) fail("train", "{}:{}: the model holds no tokenizer; give records with \"tokens\"", name_, r.line);
    if (!f.contains("answers")) return;
    const size_t bytes = f["text"].get_ref<const std::string&>().size();
    const auto span = [&](const Json& x) {
      return x.is_array() && x.size() == 2 && x[0].is_number_unsigned() && x[1].is_number_unsigned() &&
             x[0].get<uint64_t>() <= x[1].get<uint64_t>() && x[1].get<uint64_t>() <= bytes;
    };
    if (!f["answers"].is_array() || !std::all_of(f["answers"].begin(), f["answers"].end(), span)) {
      fail("train", "{}:{}: answers must be a list of [begin, end] in bytes of the text", name_, r.line);
    }
  }
  static Sample from_tokens(const Json& f) {
    Sample sample{f["tokens"].get<std::vector<int32_t>>(), {}};
    sample.weights =
        f.contains("weights") ? f["weights"].get<std::vector<float>>() : std::vector<float>(sample.tokens.size(), 1.0f);
    return sample;
  }
  Sample from_text(const Json& f) const {
    std::vector<world::Span> answers;
    if (f.contains("answers"))
      for (const Json& x : f["answers"]) answers.push_back({x[0].get<size_t>(), x[1].get<size_t>()});
    return make_sample(*tokenizer_, f["text"].get_ref<const std::string&>(), answers, weight_);
  }

  std::string name_, sha_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  float weight_;
  std::vector<io::Record> records_;
};

// The rows of one document: every token but the last is an input, every one but the first a target.
int64_t rows_of(const Sample& s) { return int64_t(s.tokens.size()) - 1; }

TrainBatch pack_samples(const std::vector<Sample>& samples, int64_t vocab) {
  std::vector<model::Row> rows;
  int64_t total = 0;
  for (const Sample& s : samples) {
    rows.push_back({std::vector<int32_t>(s.tokens.begin(), s.tokens.end() - 1)});
    total += rows_of(s);
  }
  TrainBatch batch{model::pack(rows, vocab), at::empty({total}, at::kLong), at::empty({total}, at::kFloat)};
  int64_t* target = batch.targets.data_ptr<int64_t>();
  float* weight = batch.weights.data_ptr<float>();
  for (const Sample& s : samples) {
    target = std::copy(s.tokens.begin() + 1, s.tokens.end(), target);
    weight = std::copy(s.weights.begin() + 1, s.weights.end(), weight);
  }
  return batch;
}

}  // namespace

Sample make_sample(const text::Tokenizer& tokenizer, std::string_view text, const std::vector<world::Span>& answers,
                   float answer_weight) {
  Sample sample;
  const auto add = [&](int32_t id, float weight) { sample.tokens.push_back(id), sample.weights.push_back(weight); };
  if (tokenizer.bos) add(*tokenizer.bos, 1);
  for (const auto& piece : tokenizer.encode_with_offsets(text)) {
    const bool answer = std::any_of(answers.begin(), answers.end(),
                                    [&](const world::Span& a) { return piece.begin < a.end && piece.end > a.begin; });
    add(piece.id, answer ? answer_weight : 1.0f);
  }
  if (tokenizer.eos) add(*tokenizer.eos, 1);
  return sample;
}

std::unique_ptr<SampleSource> world_source(std::shared_ptr<const world::World> world,
                                           std::shared_ptr<const text::Tokenizer> tokenizer, float answer_weight) {
  return std::make_unique<WorldSource>(std::move(world), std::move(tokenizer), answer_weight);
}
std::unique_ptr<SampleSource> records_source(const fs::path& path, std::shared_ptr<const text::Tokenizer> tokenizer,
                                             float answer_weight) {
  return std::make_unique<RecordsSource>(path, std::move(tokenizer), answer_weight);
}

struct StepStream::Impl {
  std::shared_ptr<const SampleSource> source;
  PackOptions options;
  int64_t position, size;
  std::optional<Sample> carried;  // taken from the source, did not fit the last step
  std::vector<int64_t> order;     // of `epoch`, when shuffled
  int64_t epoch = -1;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Step> ready;
  std::exception_ptr error;
  bool ended = false, stop = false;
  std::thread thread;

  Impl(std::shared_ptr<const SampleSource> s, const PackOptions& o, int64_t p)
      : source(std::move(s)), options(o), position(p), size(source->size()) {
    if (size < 1) fail("train", "the data holds no sample");
    if (options.tokens < 1 || options.world < 1 || options.rank < 0 || options.rank >= options.world ||
        options.epochs < 1)
      fail("train", "bad packing options");
    if (options.epochs > (int64_t{1} << 40) / size)
      fail_usage("train", "{} epochs of {} samples are too many", options.epochs, size);
    if (position < 0 || position > total()) fail("train", "sample {} lies outside the run's {}", position, total());
    thread = std::thread([this] { work(); });
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    changed.notify_all();
    thread.join();
  }
  int64_t total() const { return size * options.epochs; }

  int64_t index_of(int64_t at) {
    if (!options.shuffle) return at % size;
    if (at / size != epoch) {
      epoch = at / size;
      order.resize(size_t(size));
      std::iota(order.begin(), order.end(), int64_t{0});
      Rng(options.seed, uint64_t(epoch)).shuffle(order);
    }
    return order[size_t(at % size)];
  }

  Sample take() {
    const int64_t index = index_of(position);
    Sample sample = source->at(index);
    const int64_t n = rows_of(sample);
    if (n < 1) fail("train", "sample {} holds {} tokens; it needs two or more", index, sample.tokens.size());
    if (sample.weights.size() != sample.tokens.size())
      fail("train", "sample {} has {} weights for {} tokens", index, sample.weights.size(), sample.tokens.size());
    for (float w : sample.weights)
      if (!(w >= 0 && w < 1e6f)) fail("train", "sample {} weighs a token {}; weights lie in 0 to 1e6", index, w);
    const int64_t most = options.context > 0 ? std::min(options.tokens, options.context) : options.tokens;
    if (n > most) {
      fail("train",
           "sample {} holds {} tokens; a document is never split, and at most {} fit ({} a batch, context {}): shorten "
           "it or raise the batch",
           index, n, most, options.tokens, options.context);
    }
    for (int32_t id : sample.tokens)
      if (id < 0 || id >= options.vocab)
        fail("train", "sample {} holds token id {}, outside the vocabulary of {}", index, id, options.vocab);
    return sample;
  }

  // The documents of one step of all ranks, then this rank's share: contiguous, balanced by tokens.
  std::optional<Step> build() {
    std::vector<Sample> all;
    std::vector<int64_t> before;
    int64_t rows = 0;
    while (position < total()) {
      if (!carried) carried = take();
      if (rows + rows_of(*carried) > options.tokens * options.world) break;
      before.push_back(rows);
      rows += rows_of(*carried);
      all.push_back(std::move(*carried));
      carried.reset();
      ++position;
    }
    if (all.empty()) return std::nullopt;
    std::vector<Sample> own;
    for (size_t i = 0; i < all.size(); ++i)
      if (before[i] * options.world / rows == options.rank) own.push_back(std::move(all[i]));
    return Step{pack_samples(own, options.vocab), position, int64_t(all.size()), rows};
  }

  void work() {
    try {
      while (true) {
        std::optional<Step> step = build();
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stop || ready.size() < 2; });
        if (stop) return;
        if (!step) break;
        ready.push_back(std::move(*step));
        changed.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      error = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
  }
};

StepStream::StepStream(std::shared_ptr<const SampleSource> source, const PackOptions& options, int64_t position)
    : impl_(std::make_unique<Impl>(std::move(source), options, position)) {}
StepStream::~StepStream() = default;
int64_t StepStream::total() const { return impl_->total(); }

std::optional<Step> StepStream::next() {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [&] { return impl_->ended || !impl_->ready.empty(); });
  if (!impl_->ready.empty()) {
    Step step = std::move(impl_->ready.front());
    impl_->ready.pop_front();
    impl_->changed.notify_all();
    return step;
  }
  if (impl_->error) std::rethrow_exception(impl_->error);
  return std::nullopt;
}

}  // namespace ken::train
