#include "ken/generate/generate.h"

#include <deque>

#include "ken/base/error.h"
#include "ken/text/decode_stream.h"

namespace ken::generate {

ControlSpec control_from(const std::string& id, const Json& params) {
  const ControlEntry& entry = Registry<ControlEntry>::get().at("control", id);
  return {&entry, resolve_params(entry.card, params)};
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

// One token sequence with its own positions and cache.
struct Stream {
  std::vector<int32_t> pending;  // not yet in the cache
  int cached = -1;
  Tensor logits;  // [vocab] after the last pass
};

struct RowControl {
  std::unique_ptr<Control> control;
  size_t first_twin = 0, twins = 0;  // its streams
};

// One generation: request `request`, sample `sample`. Stream 0 is the main one.
struct Active {
  size_t request, sample;
  std::vector<Stream> streams;
  std::vector<RowControl> controls;
  Generated result;
  std::string decoded;  // raw text of result.tokens
  size_t streamed = 0;
  bool done = false;
};

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

  // `shares`: whether its keys and values are those of a plain pass, so that a common beginning fits.
  Stream open(std::vector<int32_t> tokens, int64_t room, bool shares) {
    if (int64_t(tokens.size()) + room > model_.config.context) {
      fail("generate", "the prompt has {} tokens and {} more are asked for; the model's context holds {}",
           tokens.size(), room, model_.config.context);
    }
    ++open_streams_;
    // At least one token is read anew: it gives the logits.
    const size_t n = shares && !tokens.empty() ? std::min(common(tokens, root_tokens_), tokens.size() - 1) : 0;
    if (root_ < 0 || int64_t(n) < least_shared) return {std::move(tokens), cache_.open(), {}};
    const int sequence = cache_.fork(root_);
    cache_.truncate(sequence, int64_t(n));
    tokens.erase(tokens.begin(), tokens.begin() + long(n));
    return {std::move(tokens), sequence, {}};
  }

  Active start(size_t r) {
    const Request& request = requests_[r];
    Active row{.request = r, .sample = 0};
    Prompt prompt = request.prompt;
    for (const auto& spec : request.controls) {
      row.controls.push_back({spec.make()});
      row.controls.back().control->rewrite(prompt);
    }
    const bool rewritten = prompt.text != request.prompt.text;
    const auto ids_of = [&](const std::string& text) { return prompt_ids(model_, text, prompt.chat.get()); };
    const bool plain = std::all_of(row.controls.begin(), row.controls.end(),
                                   [](const RowControl& c) { return c.control->taps().empty(); });
    std::vector<int32_t> tokens = rewritten ? ids_of(prompt.text) : ids(request);
    if (options_.kept && r == 0) kept_tokens_ = tokens;
    row.streams.push_back(open(std::move(tokens), request.max_tokens, plain));
    for (auto& control : row.controls) {
      control.first_twin = row.streams.size();
      for (const auto& text : control.control->twins(prompt))
        row.streams.push_back(open(ids_of(text), request.max_tokens, plain));
      control.twins = row.streams.size() - control.first_twin;
    }
    return row;
  }

  // One forward pass over every stream that holds pending tokens.
  void pass() {
    std::vector<model::Row> rows;
    std::vector<Stream*> streams;
    std::vector<model::Tap> taps;
    for (auto& row : active_) {
      const int main = int(rows.size());
      for (auto& stream : row.streams) {
        // One token behind a shared beginning is still the prompt's.
        const bool prompt = row.result.tokens.empty();
        rows.push_back({stream.pending, stream.cached, prompt ? std::optional(model::Phase::prefill) : std::nullopt});
        streams.push_back(&stream);
      }
      for (auto& c : row.controls) {
        for (model::Tap tap : c.control->taps()) {
          tap.sequences = {main};
          if (c.control->taps_all_streams())
            for (int s = main + 1; s < int(rows.size()); ++s) tap.sequences.push_back(s);
          taps.push_back(std::move(tap));
        }
      }
    }
    const model::TapPlan plan(model_.config, std::move(taps));
    const model::Batch batch = model::pack(rows, model_.config.vocab, &cache_);
    const Tensor logits = model::forward(model_, batch, {options_.compute, &plan, &cache_}).logits.to(at::kCPU);
    for (size_t i = 0; i < streams.size(); ++i) {
      streams[i]->logits = logits.select(0, int64_t(i));
      streams[i]->pending.clear();
    }
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
    for (const auto& stream : parent.streams) row.streams.push_back({{}, cache_.fork(stream.cached), stream.logits});
    open_streams_ += row.streams.size();
    const auto& specs = requests_[parent.request].controls;
    for (size_t c = 0; c < specs.size(); ++c) {
      Prompt prompt = requests_[parent.request].prompt;
      row.controls.push_back({specs[c].make(), parent.controls[c].first_twin, parent.controls[c].twins});
      row.controls.back().control->rewrite(prompt);
      row.controls.back().control->twins(prompt);  // a Control may keep state from being asked
    }
    return row;
  }

  // A row's next token and what its distribution is like.
  struct Choice {
    Tensor logits;  // [vocab] f32, after the controls
    int32_t token = 0;
    Spread spread;
    std::vector<Alternative> alternatives;
    std::map<std::string, double> notes;   // of the controls
    bool finite = true, finished = false;  // finished: by a control
  };

  Choice combined(Active& row) const {
    Step step{row.streams[0].logits, {}, int64_t(row.result.tokens.size()), &row.result.tokens};
    for (auto& c : row.controls) {
      step.twins.clear();
      for (size_t t = 0; t < c.twins; ++t) step.twins.push_back(row.streams[c.first_twin + t].logits);
      step.logits = c.control->combine(step);
    }
    return {.logits = step.logits.to(at::kFloat).contiguous(), .notes = std::move(step.notes), .finished = step.finish};
  }

  void draw(const Active& row, Choice& choice) const {
    const std::span<const float> values(choice.logits.data_ptr<float>(), size_t(choice.logits.numel()));
    choice.spread = spread(values);
    choice.finite = std::isfinite(choice.spread.max) && !std::isnan(choice.spread.log_sum);
    if (!choice.finite) return;
    const uint64_t sequence = requests_[row.request].key << 16 | row.sample;
    choice.token = sample(values, requests_[row.request].sampling, sequence, row.result.tokens.size());
    if (const int64_t n = requests_[row.request].alternatives; n > 0)
      choice.alternatives = likeliest(values, n, choice.spread);
  }

  // Controls may keep state and texts are passed on in order, so only the loops over the vocabulary run side by side.
  void choose_all() {
    std::vector<Choice> choices;
    for (auto& row : active_) choices.push_back(combined(row));
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
      for (auto& stream : row.streams) cache_.close(stream.cached);
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
  int root_ = -1;  // the common beginning's sequence
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
