#include "ken/generate/generate.h"

#include <deque>

#include "ken/base/error.h"
#include "ken/text/decode_stream.h"

namespace ken::generate {

ControlSpec control_from(const std::string& id, const Json& params) {
  const ControlEntry& entry = Registry<ControlEntry>::get().at("control", id);
  const Json resolved = resolve_params(entry.card, params);
  return {&entry, resolved, entry.open ? entry.open(resolved) : MakeControl()};
}

ControlSpec control_from(const std::string& text) {
  const NamedParams named = parse_named_params(text);
  return control_from(named.name, named.params);
}

double Generated::logprob() const {
  double sum = 0;
  for (int64_t i = 0; i < answer_tokens; ++i) sum += logprobs[size_t(i)];
  return sum;
}

std::vector<int32_t> prompt_ids(const model::Model& model, const std::string& text, const text::ChatTokens* chat) {
  if (text.empty()) fail("generate", "the prompt is empty; give it at least one word");
  return chat ? chat->encode(text) : model::prompt_ids(model, text);
}

namespace {

constexpr int64_t least_shared = nn::KvCache::block;  // a shorter common beginning is not worth a pass of its own
constexpr size_t looked_at = 8;                       // requests in which a common beginning is looked for

size_t common(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  const size_t n = std::min(a.size(), b.size());
  return size_t(std::mismatch(a.begin(), a.begin() + long(n), b.begin()).first - a.begin());
}

// One token sequence with its own positions, in its model's cache.
struct Stream {
  const model::Model* model;
  nn::KvCache* cache;
  std::vector<int32_t> pending;  // not yet in the cache
  int cached = -1;
  Tensor logits;  // [vocab] after the last pass
};

struct RowControl {
  std::unique_ptr<Control> control;
  size_t first_twin = 0, twins = 0;  // its streams
};

// One generation: request `request`, sample `sample`. Stream 0 is the main one. Controls come last, so that they, and
// the models that they hold, go last.
struct Active {
  size_t request, sample;
  std::vector<std::shared_ptr<const model::Model>> models = {};  // of twins
  std::vector<Stream> streams = {};
  std::vector<RowControl> controls = {};
  Generated result;
  std::string decoded;  // raw text of result.tokens
  size_t streamed = 0;
  bool done = false;
};

// Tokens that a pass reads behind a stream's sequence, or behind a fork of it, and where their logits go.
struct Reading {
  Active* row;
  size_t stream;
  std::vector<int32_t> tokens;
  int cached;
  Tensor* logits;
};

// A stream's taps: those of the row, where they are meant for it, and its own.
std::vector<model::Tap> taps_of(const Active& row, size_t stream) {
  std::vector<model::Tap> taps;
  const bool same_model = row.streams[stream].model == row.streams[0].model;
  for (const auto& c : row.controls) {
    if (stream == 0 || (same_model && c.control->taps_all_streams()))
      for (auto& tap : c.control->taps()) taps.push_back(std::move(tap));
    if (stream >= c.first_twin && stream < c.first_twin + c.twins)
      for (auto& tap : c.control->twin_taps(stream - c.first_twin)) taps.push_back(std::move(tap));
  }
  return taps;
}

class Loop {
 public:
  Loop(const model::Model& model, const std::vector<Request>& requests, const GenerateOptions& options)
      : model_(model),
        requests_(requests),
        options_(options),
        own_(options.kept ? std::nullopt : std::optional(model::make_cache(model, options.compute))),
        cache_(options.kept ? options.kept->cache : *own_),
        results_(requests.size()) {
    for (size_t r = 0; r < requests.size(); ++r) {
      check(requests[r].sampling);
      if (requests[r].samples < 1 || requests[r].max_tokens < 1)
        fail_usage("generate", "samples and max_tokens must be at least 1");
      results_[r].resize(size_t(requests[r].samples));
    }
  }

  std::vector<std::vector<Generated>> run() {
    at::NoGradGuard no_gradients;
    share_beginning();
    while (next_ < requests_.size() || !active_.empty()) {
      if (options_.interrupted && options_.interrupted()) {
        interrupt();
        break;
      }
      admit();
      pass();
      fork_samples();
      choose_all();
      retire();
    }
    return std::move(results_);
  }

 private:
  // Lets requests in while streams and the tokens of the next pass allow it; at least one, so that the loop goes on.
  void admit() {
    int64_t tokens = int64_t(active_.size());
    while (next_ < requests_.size()) {
      const int64_t streams = int64_t(open_streams_);
      if (!active_.empty() &&
          (streams + requests_[next_].samples > options_.max_rows || tokens > options_.max_pass_tokens))
        return;
      active_.push_back(start(next_));
      for (const auto& stream : active_.back().streams) tokens += int64_t(stream.pending.size());
      ++next_;
    }
  }

  std::vector<int32_t> ids(const Request& request) const {
    return request.tokens.empty() ? prompt_ids(model_, request.prompt.text, request.prompt.chat.get()) : request.tokens;
  }

  // The longest beginning that two neighbours among the first requests share is computed once; each stream takes as
  // much of it as it begins with. Equal prompts are passed over: they are one question, asked in two ways.
  void share_beginning() {
    if (options_.kept) {
      root_ = options_.kept->sequence;
      root_tokens_ = options_.kept->tokens;
      return;
    }
    std::vector<int32_t> before;
    for (size_t r = 0, looked = 0; r < requests_.size() && looked < looked_at; ++r) {
      std::vector<int32_t> tokens = ids(requests_[r]);
      if (tokens == before) continue;
      const size_t n = common(tokens, before);
      if (n > root_tokens_.size()) root_tokens_.assign(tokens.begin(), tokens.begin() + long(n));
      before = std::move(tokens);
      ++looked;
    }
    // A request that does not fit says so itself.
    if (int64_t(root_tokens_.size()) < least_shared || int64_t(root_tokens_.size()) >= model_.config.context) {
      root_tokens_.clear();
      return;
    }
    root_ = cache_.open();
    const model::Batch batch =
        model::pack({{root_tokens_, root_, model::Phase::prefill}}, model_.config.vocab, &cache_);
    model::forward(model_, batch,
                   {.compute = options_.compute, .cache = &cache_, .logits = model::ForwardOptions::Logits::none});
  }

  // The cache of this model's streams: the main one's, or one for each other model.
  nn::KvCache& cache_of(const model::Model& model) {
    if (&model == &model_) return cache_;
    const auto found = others_.find(&model);
    if (found != others_.end()) return found->second;
    check_vocabulary(model);
    return others_.emplace(&model, model::make_cache(model, options_.compute)).first->second;
  }

  // Its logits are combined with the main model's token by token.
  void check_vocabulary(const model::Model& other) const {
    if (other.config.vocab != model_.config.vocab)
      fail("generate", "{} has {} tokens and {} has {}: a second model must share the first one's vocabulary",
           other.config.name, other.config.vocab, model_.config.name, model_.config.vocab);
    if (!other.tokenizer || !model_.tokenizer || other.tokenizer == model_.tokenizer) return;
    if (other.tokenizer->vocab_size() != model_.tokenizer->vocab_size())
      fail("generate", "the tokenizers of {} and {} differ", other.config.name, model_.config.name);
    for (int32_t t = 0; t < model_.tokenizer->vocab_size(); ++t)
      if (other.tokenizer->pieces[size_t(t)] != model_.tokenizer->pieces[size_t(t)])
        fail("generate",
             "token {} is '{}' for {} and '{}' for {}: a second model must share the first one's vocabulary", t,
             other.tokenizer->pieces[size_t(t)], other.config.name, model_.tokenizer->pieces[size_t(t)],
             model_.config.name);
  }

  // `shares`: whether its keys and values are those of a plain pass, so that a common beginning fits.
  Stream open(const model::Model& model, std::vector<int32_t> tokens, int64_t room, bool shares) {
    if (int64_t(tokens.size()) + room > model.config.context) {
      fail("generate", "the prompt has {} tokens and {} more are asked for; the model's context holds {}",
           tokens.size(), room, model.config.context);
    }
    nn::KvCache& cache = cache_of(model);
    ++open_streams_;
    // At least one token is read anew: it gives the logits.
    const size_t n = shares && !tokens.empty() ? std::min(common(tokens, root_tokens_), tokens.size() - 1) : 0;
    if (root_ < 0 || int64_t(n) < least_shared) return {&model, &cache, std::move(tokens), cache.open(), {}};
    const int sequence = cache.fork(root_);
    cache.truncate(sequence, int64_t(n));
    tokens.erase(tokens.begin(), tokens.begin() + long(n));
    return {&model, &cache, std::move(tokens), sequence, {}};
  }

  Active start(size_t r) {
    const Request& request = requests_[r];
    Active row{.request = r, .sample = 0};
    Prompt prompt = request.prompt;
    for (const auto& spec : request.controls) {
      row.controls.push_back({spec.make()});
      row.controls.back().control->begin({model_, options_.compute});
      row.controls.back().control->rewrite(prompt);
    }
    const bool rewritten = prompt.text != request.prompt.text;
    std::vector<int32_t> tokens = rewritten ? prompt_ids(model_, prompt.text, prompt.chat.get()) : ids(request);
    if (options_.kept && r == 0) kept_tokens_ = tokens;
    // All streams are known before any is opened: taps depend on which there are.
    std::vector<std::vector<int32_t>> read{std::move(tokens)};
    row.streams.push_back({&model_, nullptr, {}, -1, {}});
    for (auto& control : row.controls) {
      control.first_twin = row.streams.size();
      for (auto& twin : control.control->twins(prompt)) {
        const model::Model& model = twin.model ? *twin.model : model_;
        read.push_back(prompt_ids(model, twin.text, prompt.chat.get()));
        row.streams.push_back({&model, nullptr, {}, -1, {}});
        if (twin.model) row.models.push_back(std::move(twin.model));
      }
      control.twins = row.streams.size() - control.first_twin;
    }
    for (size_t s = 0; s < row.streams.size(); ++s) {
      const bool shares = row.streams[s].model == &model_ && taps_of(row, s).empty();
      row.streams[s] = open(*row.streams[s].model, std::move(read[s]), request.max_tokens, shares);
    }
    return row;
  }

  // One forward pass over every stream that holds pending tokens.
  void pass() {
    std::vector<Reading> readings;
    for (auto& row : active_)
      for (size_t s = 0; s < row.streams.size(); ++s) {
        Stream& stream = row.streams[s];
        readings.push_back({&row, s, std::move(stream.pending), stream.cached, &stream.logits});
        stream.pending.clear();
      }
    read(readings);
  }

  // The logits after each reading: one pass a model.
  void read(const std::vector<Reading>& readings) {
    std::vector<const model::Model*> models;
    for (const auto& r : readings)
      if (const auto* m = model_of(r); std::find(models.begin(), models.end(), m) == models.end()) models.push_back(m);
    for (const auto* model : models) read_with(*model, readings);
  }

  static const model::Model* model_of(const Reading& r) { return r.row->streams[r.stream].model; }

  void read_with(const model::Model& model, const std::vector<Reading>& readings) {
    std::vector<model::Row> rows;
    std::vector<Tensor*> results;
    std::vector<model::Tap> taps;
    for (const auto& r : readings) {
      if (model_of(r) != &model) continue;
      for (auto& tap : taps_of(*r.row, r.stream)) {
        tap.sequences = {int(rows.size())};
        taps.push_back(std::move(tap));
      }
      // One token behind a shared beginning is still the prompt's.
      const bool prompt = r.row->result.tokens.empty();
      rows.push_back({r.tokens, r.cached, prompt ? std::optional(model::Phase::prefill) : std::nullopt});
      results.push_back(r.logits);
    }
    nn::KvCache& cache = cache_of(model);
    const model::TapPlan plan(model.config, std::move(taps));
    const model::Batch batch = model::pack(rows, model.config.vocab, &cache);
    const Tensor logits = model::forward(model, batch, {options_.compute, &plan, &cache}).logits.to(at::kCPU);
    for (size_t i = 0; i < results.size(); ++i) *results[i] = logits.select(0, int64_t(i));
  }

  // After its prefill a request with several samples becomes several rows that share its cache.
  void fork_samples() {
    const size_t before = active_.size();
    for (size_t a = 0; a < before; ++a) {
      if (active_[a].sample != 0 || !active_[a].result.tokens.empty()) continue;
      for (int64_t j = 1; j < requests_[active_[a].request].samples; ++j)
        active_.push_back(fork(active_[a], size_t(j)));
    }
  }

  Active fork(const Active& parent, size_t sample) {
    Active row{.request = parent.request, .sample = sample};
    row.models = parent.models;
    for (const auto& stream : parent.streams)
      row.streams.push_back({stream.model, stream.cache, {}, stream.cache->fork(stream.cached), stream.logits});
    open_streams_ += row.streams.size();
    const auto& specs = requests_[parent.request].controls;
    for (size_t c = 0; c < specs.size(); ++c) {
      Prompt prompt = requests_[parent.request].prompt;
      row.controls.push_back({specs[c].make(), parent.controls[c].first_twin, parent.controls[c].twins});
      Control& control = *row.controls.back().control;
      control.begin({model_, options_.compute});
      control.rewrite(prompt);
      control.twins(prompt);  // a Control may keep state from being asked
      control.follow(*parent.controls[c].control);
    }
    return row;
  }

  // A row's next token and what its distribution is like.
  struct Choice {
    Tensor logits;      // [vocab] f32, after the controls
    Tensor noise = {};  // [vocab] f32, if a control brought it
    int32_t token = 0;
    Spread spread = {};
    std::vector<Alternative> alternatives = {};
    std::map<std::string, double> notes = {};  // of the controls
    bool finite = true, finished = false;      // finished: by a control
  };

  // The steps of all rows after their Controls, which take their turns together, so that the trials of all rows share
  // a pass.
  std::vector<Step> combined() {
    std::vector<Step> steps;
    size_t most = 0;
    for (auto& row : active_) {
      const Request& request = requests_[row.request];
      steps.push_back({.logits = row.streams[0].logits,
                       .index = int64_t(row.result.tokens.size()),
                       .chosen = &row.result.tokens,
                       .sampling = &request.sampling,
                       .sequence = sequence_of(row)});
      most = std::max(most, row.controls.size());
    }
    for (size_t c = 0; c < most; ++c) {
      for (size_t i = 0; i < active_.size(); ++i) {
        if (c >= active_[i].controls.size()) continue;
        const RowControl& control = active_[i].controls[c];
        steps[i].twins.clear();
        for (size_t t = 0; t < control.twins; ++t)
          steps[i].twins.push_back(active_[i].streams[control.first_twin + t].logits);
      }
      try_out(steps, c);
      for (size_t i = 0; i < active_.size(); ++i)
        if (c < active_[i].controls.size()) steps[i].logits = active_[i].controls[c].control->combine(steps[i]);
    }
    return steps;
  }

  // What Control c of each row wants to know of tokens not chosen yet: read behind forks of its streams.
  void try_out(std::vector<Step>& steps, size_t c) {
    std::vector<Reading> readings;
    for (size_t i = 0; i < active_.size(); ++i) {
      steps[i].tried.clear();
      if (c >= active_[i].controls.size()) continue;
      const RowControl& control = active_[i].controls[c];
      const std::vector<Trial> trials = control.control->trials(steps[i]);
      steps[i].tried.resize(trials.size());
      for (size_t t = 0; t < trials.size(); ++t) {
        if (trials[t].stream > control.twins)
          fail("generate", "a trial names stream {} of {}", trials[t].stream, control.twins);
        const size_t s = trials[t].stream == 0 ? 0 : control.first_twin + trials[t].stream - 1;
        const Stream& stream = active_[i].streams[s];
        readings.push_back({&active_[i], s, trials[t].tokens, stream.cache->fork(stream.cached), &steps[i].tried[t]});
      }
    }
    if (readings.empty()) return;
    read(readings);
    for (const auto& r : readings) r.row->streams[r.stream].cache->close(r.cached);
  }

  uint64_t sequence_of(const Active& row) const { return requests_[row.request].key << 16 | row.sample; }

  void draw(const Active& row, Choice& choice) const {
    const std::span<const float> values(choice.logits.data_ptr<float>(), size_t(choice.logits.numel()));
    choice.spread = spread(values);
    choice.finite = std::isfinite(choice.spread.max) && !std::isnan(choice.spread.log_sum);
    if (!choice.finite) return;
    const Sampling& sampling = requests_[row.request].sampling;
    choice.token = choice.noise.defined()
                       ? sample(values, sampling, {choice.noise.data_ptr<float>(), size_t(choice.noise.numel())})
                       : sample(values, sampling, sequence_of(row), row.result.tokens.size());
    if (const int64_t n = requests_[row.request].alternatives; n > 0)
      choice.alternatives = likeliest(values, n, choice.spread);
  }

  // Controls may keep state and texts are passed on in order, so only the loops over the vocabulary run side by side.
  void choose_all() {
    std::vector<Choice> choices;
    for (Step& step : combined()) {
      choices.push_back({.logits = step.logits.to(at::kFloat).contiguous(),
                         .noise = step.noise.defined() ? step.noise.to(at::kFloat).contiguous() : Tensor(),
                         .notes = std::move(step.notes),
                         .finished = step.finish});
      if (step.noise.defined() && step.noise.numel() != model_.config.vocab)
        fail("generate", "a control's noise has {} numbers; the vocabulary {}", step.noise.numel(),
             model_.config.vocab);
    }
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, model_.config.vocab));
    at::parallel_for(0, int64_t(choices.size()), grain, [&](int64_t begin, int64_t end) {
      const at::NoGradGuard none_here;  // the mode belongs to a thread
      for (int64_t i = begin; i < end; ++i)
        if (!choices[size_t(i)].finished) draw(active_[size_t(i)], choices[size_t(i)]);
    });
    for (size_t i = 0; i < choices.size(); ++i) take(active_[i], choices[i]);
  }

  void take(Active& row, const Choice& choice) {
    const Request& request = requests_[row.request];
    if (choice.finished) return finish(row, "control");
    if (!choice.finite)
      fail("generate", "the logits hold NaN or infinity; the weights are damaged or a control overflowed");
    const double logit = double(choice.logits.data_ptr<float>()[choice.token]);
    row.result.logprobs.push_back(logit - choice.spread.max - choice.spread.log_sum);
    row.result.entropies.push_back(choice.spread.entropy);
    row.result.margins.push_back(choice.spread.margin);
    row.result.certainties.push_back(choice.spread.certainty);
    if (!choice.alternatives.empty()) row.result.alternatives.push_back(choice.alternatives);
    note(row.result, choice.notes);
    const bool eos = model_.tokenizer && model_.tokenizer->eos && choice.token == *model_.tokenizer->eos;
    const bool end = std::find(request.ends.begin(), request.ends.end(), choice.token) != request.ends.end();
    if (eos || end) return finish(row, "stop");
    append(row, choice.token);
    if (!row.done && int64_t(row.result.tokens.size()) >= request.max_tokens) finish(row, "length");
  }

  static void note(Generated& result, const std::map<std::string, double>& notes) {
    const size_t tokens = result.logprobs.size();
    for (const auto& [name, value] : notes) {
      result.notes[name].resize(tokens - 1, NAN);
      result.notes[name].push_back(value);
    }
    for (auto& [name, values] : result.notes) values.resize(tokens, NAN);
  }

  void append(Active& row, int32_t token) {
    auto& tokens = row.result.tokens;
    const auto last = tokens.empty() ? std::nullopt : std::optional(tokens.back());
    tokens.push_back(token);
    for (auto& stream : row.streams) stream.pending = {token};
    if (!model_.tokenizer) return;
    const size_t before = row.decoded.size();
    row.decoded += text::decode_next(*model_.tokenizer, last, token);
    const Request& request = requests_[row.request];
    size_t cut = std::string::npos;
    for (const auto& stop : request.stop)
      if (!stop.empty()) cut = std::min(cut, row.decoded.find(stop, before - std::min(before, stop.size() - 1)));
    if (cut != std::string::npos) {
      row.decoded.resize(cut);
      row.result.answer_tokens = tokens_before(row, cut);
      return finish(row, "stop");
    }
    if (row.decoded.size() > before && row.sample == 0) stream_text(row, false);
  }

  // How many tokens lie wholly before byte `cut` of the decoded text.
  int64_t tokens_before(const Active& row, size_t cut) const {
    int64_t n = 0;
    while (n < int64_t(row.result.tokens.size()) &&
           model_.tokenizer->decode({row.result.tokens.data(), size_t(n + 1)}).size() <= cut)
      ++n;
    return n;
  }

  // Sends what cannot change any more: whole characters, and nothing that may be the beginning of a stop text. At the
  // end (`all`) that text is no stop text any more; a character that was never finished is left out.
  void stream_text(Active& row, bool all) {
    const Request& request = requests_[row.request];
    if (!request.on_text) return;
    size_t end = row.decoded.size();
    if (!all) {
      for (const auto& stop : request.stop)
        for (size_t n = std::min(stop.size(), row.decoded.size()); n > 0; --n)
          if (row.decoded.compare(row.decoded.size() - n, n, stop, 0, n) == 0)
            end = std::min(end, row.decoded.size() - n);
    }
    // The end of a stopped answer may lie within a character, too: what is passed on is always whole.
    end = text::complete_utf8(std::string_view(row.decoded).substr(0, end));
    if (end <= row.streamed) return;
    request.on_text(row.decoded.substr(row.streamed, end - row.streamed));
    row.streamed = end;
  }

  void finish(Active& row, const char* reason) {
    row.done = true;
    row.result.finish = reason;
    if (row.result.answer_tokens == 0 && row.result.finish != "stop")
      row.result.answer_tokens = int64_t(row.result.tokens.size());
    if (row.result.finish == "stop" && row.result.logprobs.size() > row.result.tokens.size())
      row.result.answer_tokens = int64_t(row.result.tokens.size());
    if (row.sample == 0) stream_text(row, true);
    const size_t first = row.decoded.find_first_not_of(" \n\t"), last = row.decoded.find_last_not_of(" \n\t");
    row.result.text = first == std::string::npos ? "" : row.decoded.substr(first, last - first + 1);
  }

  void interrupt() {
    for (auto& row : active_) finish(row, "interrupted");
    retire();
    next_ = requests_.size();
  }

  // The main stream of row 0 stays for the next call; its last token was chosen, but not read.
  void keep(Active& row) {
    Kept& kept = *options_.kept;
    const int64_t length = cache_.length(row.streams[0].cached);
    kept_tokens_.insert(kept_tokens_.end(), row.result.tokens.begin(), row.result.tokens.end());
    kept_tokens_.resize(std::min(kept_tokens_.size(), size_t(length)));
    if (kept.sequence >= 0) cache_.close(kept.sequence);
    kept.sequence = root_ = cache_.fork(row.streams[0].cached);
    kept.tokens = root_tokens_ = kept_tokens_;
  }

  void retire() {
    std::vector<Active> going;
    for (auto& row : active_) {
      if (!row.done) {
        going.push_back(std::move(row));
        continue;
      }
      if (options_.kept && row.request == 0 && row.sample == 0) keep(row);
      for (auto& stream : row.streams) stream.cache->close(stream.cached);
      open_streams_ -= row.streams.size();
      results_[row.request][row.sample] = std::move(row.result);
      ++finished_;
    }
    active_ = std::move(going);
    if (options_.progress) options_.progress(options_.what, finished_rows(), total_rows(), "");
  }

  size_t finished_rows() const { return finished_; }
  size_t total_rows() const {
    size_t n = 0;
    for (const auto& r : results_) n += r.size();
    return n;
  }

  const model::Model& model_;
  const std::vector<Request>& requests_;
  const GenerateOptions& options_;
  std::optional<nn::KvCache> own_;
  nn::KvCache& cache_;
  std::map<const model::Model*, nn::KvCache> others_;  // of second models
  int root_ = -1;                                      // the common beginning's sequence
  std::vector<int32_t> root_tokens_, kept_tokens_;
  std::vector<std::vector<Generated>> results_;
  std::vector<Active> active_;
  size_t next_ = 0, open_streams_ = 0, finished_ = 0;
};

}  // namespace

std::vector<std::vector<Generated>> generate(const model::Model& model, const std::vector<Request>& requests,
                                             const GenerateOptions& options) {
  return Loop(model, requests, options).run();
}

}  // namespace ken::generate
