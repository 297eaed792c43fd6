#include "ken/generate/scheduler.h"

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/generate/row.h"
#include "ken/model/partial.h"

namespace ken::generate {

// Tokens that a pass reads behind a stream's sequence, or behind a fork of it, and where their logits go.
struct Reading {
  Active* row;
  size_t stream;
  std::vector<int32_t> tokens;
  int cached;
  Tensor* logits;
  size_t drafted = 0;       // of the tokens, the last ones
  Tensor* after = nullptr;  // their logits
  int64_t length = 0;       // of the sequence before
  const Stream& of() const { return row->streams[stream]; }
};

// A row one of whose twins guesses what comes next, reading its own guesses one by one.
struct Drafting {
  Active* row;
  size_t twin;     // its stream
  size_t most;     // guesses
  int64_t length;  // of the twin's sequence before
  std::vector<int32_t> tokens = {};
  std::vector<Tensor> logits = {};  // before each guess, and after the last
  Stream& stream() const { return row->streams[twin]; }
};

namespace {

// A second model's logits are combined with the main model's token by token.
void check_vocabulary(const model::Model& main, const model::Model& other) {
  if (other.config.vocab != main.config.vocab)
    fail("generate", "{} has {} tokens and {} has {}: a second model must share the first one's vocabulary",
         other.config.name, other.config.vocab, main.config.name, main.config.vocab);
  if (!other.tokenizer || !main.tokenizer || other.tokenizer == main.tokenizer) return;
  if (other.tokenizer->vocab_size() != main.tokenizer->vocab_size())
    fail("generate", "the tokenizers of {} and {} differ", other.config.name, main.config.name);
  for (int32_t t = 0; t < main.tokenizer->vocab_size(); ++t)
    if (other.tokenizer->pieces[size_t(t)] != main.tokenizer->pieces[size_t(t)])
      fail("generate", "token {} is '{}' for {} and '{}' for {}: a second model must share the first one's vocabulary",
           t, other.tokenizer->pieces[size_t(t)], other.config.name, main.tokenizer->pieces[size_t(t)],
           main.config.name);
}

}  // namespace

Scheduler::Scheduler(const model::Model& model, const GenerateOptions& options)
    : model_(model), options_(options), cache_(model::make_cache(model, options.compute)), beginnings_(cache_) {}

Scheduler::~Scheduler() = default;

uint64_t Scheduler::submit(std::shared_ptr<const Request> request, Done done) {
  check(request->sampling);
  if (request->samples < 1 || request->max_tokens < 1)
    fail_usage("generate", "samples and max_tokens must be at least 1");
  auto job = std::make_shared<Job>(Job{submitted_++, std::move(request), std::move(done)});
  job->results.resize(size_t(job->request->samples));
  waiting_.push_back(job);
  return job->id;
}

void Scheduler::cancel(uint64_t id) {
  for (auto& job : waiting_)
    if (job->id == id) job->cancelled = true;
  for (auto& row : active_)
    if (row->job->id == id) row->job->cancelled = true;
}

void Scheduler::cancel_all() {
  for (auto& job : waiting_) job->cancelled = true;
  for (auto& row : active_) row->job->cancelled = true;
}

bool Scheduler::step() {
  const at::NoGradGuard no_gradients;
  end_cancelled();
  admit();
  if (active_.empty()) return false;
  pass();
  fork_samples();
  choose_all();
  retire();
  return !active_.empty() || !waiting_.empty();
}

void Scheduler::end_cancelled() {
  for (auto& row : active_)
    if (row->job->cancelled && !row->done) {
      // Samples that were not forked yet have not begun.
      if (row->sample == 0 && row->result.tokens.empty())
        for (auto& result : row->job->results) result.finish = "interrupted";
      finish(*row, "interrupted");
    }
  retire();
  for (auto& job : std::exchange(waiting_, {})) {
    if (!job->cancelled) {
      waiting_.push_back(std::move(job));
      continue;
    }
    for (auto& result : job->results) result.finish = "interrupted";
    over(*job);
  }
}

// Lets requests in while streams and the tokens of the next pass allow it; at least one, so that the loop goes on.
void Scheduler::admit() {
  int64_t tokens = int64_t(active_.size());
  while (!waiting_.empty()) {
    const auto job = waiting_.front();
    if (!active_.empty() &&
        (int64_t(open_streams_) + job->request->samples > options_.max_rows || tokens > options_.max_pass_tokens))
      return;
    waiting_.pop_front();
    try {
      start(job);
    } catch (...) {
      job->error = std::current_exception();
      over(*job);
      continue;
    }
    for (const auto& stream : active_.back()->streams) tokens += int64_t(stream.pending.size());
  }
}

std::vector<int32_t> Scheduler::ids(const Request& request) const {
  return request.tokens.empty() ? prompt_ids(model_, request.prompt.text, request.prompt.chat.get()) : request.tokens;
}

void Scheduler::share(std::vector<int32_t> tokens) {
  // A pass of its own for a few tokens costs more than it saves; a request that does not fit says so itself.
  if (int64_t(tokens.size()) < nn::KvCache::block || int64_t(tokens.size()) >= model_.config.context) return;
  const at::NoGradGuard no_gradients;
  const int root = cache_.open();
  const model::Batch batch = model::pack({{tokens, root, model::Phase::prefill}}, model_.config.vocab, &cache_);
  model::forward(model_, batch,
                 {.compute = options_.compute, .cache = &cache_, .logits = model::ForwardOptions::Logits::none});
  beginnings_.add(std::move(tokens), root);
}

// What a row has read stays for rows that begin with it: a further turn, another question about the same text.
void Scheduler::remember(const Active& row) {
  if (options_.keep_tokens <= 0 || row.sample != 0) return;
  for (size_t s = 0; s < row.streams.size(); ++s)
    if (row.plain(s, model_)) beginnings_.add(row.read(s), row.streams[s].fork());
  beginnings_.shrink(options_.keep_tokens);
}

// The cache of this model's streams: the main one's, or one for each other model.
nn::KvCache& Scheduler::cache_of(const model::Model& model) {
  if (&model == &model_) return cache_;
  const auto found = others_.find(&model);
  if (found != others_.end()) return found->second;
  check_vocabulary(model_, model);
  return others_.emplace(&model, model::make_cache(model, options_.compute)).first->second;
}

Stream Scheduler::open(const model::Model& model, std::vector<int32_t> tokens, int64_t room, bool shares) {
  if (int64_t(tokens.size()) + room > model.config.context) {
    fail("generate", "the prompt has {} tokens and {} more are asked for; the model's context holds {}", tokens.size(),
         room, model.config.context);
  }
  nn::KvCache& cache = cache_of(model);
  const auto [sequence, n] = shares ? beginnings_.fork(tokens) : std::pair(cache.open(), size_t{0});
  tokens.erase(tokens.begin(), tokens.begin() + long(n));
  return {&model, &cache, std::move(tokens), sequence, {}};
}

void Scheduler::start(const std::shared_ptr<Job>& job) {
  auto row = std::make_unique<Active>(Active{.job = job});
  Prompt prompt = job->request->prompt;
  for (const auto& spec : job->request->controls) {
    row->controls.push_back({spec.make()});
    row->controls.back().control->begin({model_, options_.compute});
    row->controls.back().control->rewrite(prompt);
  }
  try {
    open_streams(*row, std::move(prompt));
  } catch (...) {
    close(*row);
    throw;
  }
  ++job->rows;
  active_.push_back(std::move(row));
}

void Scheduler::open_streams(Active& row, Prompt prompt) {
  const Request& request = row.request();
  const bool rewritten = prompt.text != request.prompt.text;
  row.prompts.push_back(rewritten ? prompt_ids(model_, prompt.text, prompt.chat.get()) : ids(request));
  // All streams are known before any is opened: taps depend on which there are.
  row.streams.push_back({&model_, nullptr, {}, -1, {}});
  for (auto& control : row.controls) {
    control.first_twin = row.streams.size();
    for (auto& twin : control.control->twins(prompt)) {
      const model::Model& model = twin.model ? *twin.model : model_;
      row.prompts.push_back(prompt_ids(model, twin.text, prompt.chat.get()));
      row.streams.push_back({&model, nullptr, {}, -1, {}});
      if (twin.model) row.models.push_back(std::move(twin.model));
    }
    control.twins = row.streams.size() - control.first_twin;
  }
  for (size_t s = 0; s < row.streams.size(); ++s) {
    row.streams[s] = open(*row.streams[s].model, row.prompts[s], request.max_tokens, row.plain(s, model_));
    ++open_streams_;
  }
  row.result.reused = int64_t(row.prompts[0].size() - row.streams[0].pending.size());
}

namespace {

std::optional<Drafting> drafting(Active& row) {
  const int64_t left = row.request().max_tokens - int64_t(row.result.tokens.size());
  if (row.done || row.result.tokens.empty() || row.streams[0].pending.empty() || left < 2) return std::nullopt;
  for (const auto& c : row.controls) {
    const Draft draft = c.control->draft();
    if (draft.tokens < 1 || draft.twin >= c.twins) continue;
    for (size_t s = 0; s < row.streams.size(); ++s)
      if (!row.taps(s).empty()) return std::nullopt;
    const size_t twin = c.first_twin + draft.twin;
    return Drafting{&row, twin, size_t(std::min(draft.tokens, left - 1)), row.streams[twin].length()};
  }
  return std::nullopt;
}

}  // namespace

// The row's other streams find the guesses behind their pending token.
void Scheduler::draft() {
  std::vector<Drafting> all;
  size_t passes = 0;
  for (auto& row : active_)
    if (auto d = drafting(*row)) {
      d->logits.resize(d->most + 1);
      passes = std::max(passes, d->logits.size());
      all.push_back(std::move(*d));
    }
  try {
    for (size_t i = 0; i < passes; ++i) read_guesses(all, i);
  } catch (...) {  // the pass that follows reads without drafts, and says whose fault it was
    for (auto& d : all) d.stream().cache->truncate(d.stream().cached, d.length);
    return;
  }
  for (auto& d : all) {
    for (auto& stream : d.row->streams) stream.ahead = d.tokens;
    d.stream().pending.clear();
    d.stream().logits = d.logits[0];
    d.stream().after_ahead = at::stack(std::vector<Tensor>(d.logits.begin() + 1, d.logits.end()));
  }
}

// The i-th pass of the twins: their pending token, then guess after guess.
void Scheduler::read_guesses(std::vector<Drafting>& all, size_t i) {
  std::vector<Reading> readings;
  for (auto& d : all)
    if (i <= d.most)
      readings.push_back(
          {d.row, d.twin, i == 0 ? d.stream().pending : std::vector{d.tokens.back()}, d.stream().cached, &d.logits[i]});
  read(readings);
  for (auto& d : all)
    if (i < d.most)
      d.tokens.push_back(sample({d.logits[i].data_ptr<float>(), size_t(d.logits[i].numel())}, d.row->request().sampling,
                                d.row->sequence(), d.row->result.tokens.size() + i));
}

// One forward pass over every stream that holds pending tokens. Rows without Controls that hold the same tokens
// (samples that have not parted yet, equal requests) are read once: the others fork the first one's sequence, and hold
// none while it is written, so that nothing is copied. If the pass fails, each row is read alone: a request's fault is
// its own.
void Scheduler::pass() {
  draft();
  std::vector<Reading> readings, again;
  std::vector<size_t> first;                                        // of each `again`: the reading that reads the same
  std::map<std::pair<std::vector<int32_t>, size_t>, size_t> plain;  // a row's tokens, how many are pending: its reading
  for (auto& row : active_)
    for (size_t s = 0; s < row->streams.size(); ++s) {
      Stream& stream = row->streams[s];
      if (stream.pending.empty()) continue;  // a draft that held
      Reading reading{row.get(), s, std::move(stream.pending), stream.cached, &stream.logits, stream.ahead.size()};
      reading.after = &stream.after_ahead, reading.length = stream.cache->length(stream.cached);
      reading.tokens.insert(reading.tokens.end(), stream.ahead.begin(), stream.ahead.end());
      stream.pending.clear();
      if (row->controls.empty()) {
        const auto [same, fresh] = plain.emplace(std::pair(row->tokens(0), reading.tokens.size()), readings.size());
        if (!fresh) {
          stream.cache->close(stream.cached);
          again.push_back(std::move(reading)), first.push_back(same->second);
          continue;
        }
      }
      readings.push_back(std::move(reading));
    }
  const auto rejoin = [&] {
    for (size_t i = 0; i < again.size(); ++i)
      again[i].cached = again[i].row->streams[0].cached = readings[first[i]].of().fork();
  };
  try {
    read(readings);
  } catch (...) {
    for (const auto& r : readings) r.of().cache->truncate(r.cached, std::min(r.length, r.of().cache->length(r.cached)));
    rejoin();
    readings.insert(readings.end(), again.begin(), again.end());
    return read_apart(readings);
  }
  rejoin();
  for (size_t i = 0; i < again.size(); ++i) *again[i].logits = *readings[first[i]].logits;
}

void Scheduler::read_apart(const std::vector<Reading>& readings) {
  for (const auto& row : active_) {
    std::vector<Reading> own;
    for (const auto& r : readings)
      if (r.row == row.get()) own.push_back(r);
    try {
      read(own);
    } catch (...) {
      fail_row(*row, std::current_exception());
    }
  }
}

// All rows of its request end, and its error is told.
void Scheduler::fail_row(Active& row, std::exception_ptr error) {
  if (!row.job->error) row.job->error = std::move(error);
  for (auto& other : active_)
    if (other->job == row.job) other->done = true;
}

// The logits after each reading: one pass a model.
void Scheduler::read(const std::vector<Reading>& readings) {
  std::vector<const model::Model*> models;
  for (const auto& r : readings)
    if (!is_in(r.of().model, models)) models.push_back(r.of().model);
  for (const auto* model : models) read_with(*model, readings);
}

void Scheduler::read_with(const model::Model& model, const std::vector<Reading>& readings) {
  std::vector<model::Row> rows;
  std::vector<const Reading*> own;
  std::vector<int64_t> wanted;  // rows of the batch whose logits are
  std::vector<model::Tap> taps;
  int64_t end = 0;
  for (const auto& r : readings) {
    if (r.of().model != &model) continue;
    for (auto& tap : r.row->taps(r.stream)) {
      tap.sequences = {int(rows.size())};
      taps.push_back(std::move(tap));
    }
    // One token behind a shared beginning is still the prompt's; a draft never is.
    std::optional<model::Phase> phase;
    if (r.row->result.tokens.empty())
      phase = model::Phase::prefill;
    else if (r.drafted > 0)
      phase = model::Phase::decode;
    rows.push_back({r.tokens, r.cached, phase});
    own.push_back(&r);
    end += int64_t(r.tokens.size());
    tokens_read_ += int64_t(r.tokens.size());
    for (int64_t i = end - 1 - int64_t(r.drafted); i < end; ++i) wanted.push_back(i);
  }
  nn::KvCache& cache = cache_of(model);
  const model::TapPlan plan(model.config, std::move(taps));
  const model::Batch batch = model::pack(rows, model.config.vocab, &cache);
  const Tensor hidden =
      model::forward(model, batch, {options_.compute, &plan, &cache, model::ForwardOptions::Logits::none}).hidden;
  const Tensor rows_wanted = hidden.index_select(0, at::tensor(wanted, at::kLong).to(hidden.device()));
  const Tensor logits = model::unembed(model, rows_wanted, options_.compute).to(at::kCPU);
  int64_t next = 0;
  for (const Reading* r : own) {
    *r->logits = logits[next++];
    if (r->drafted > 0) *r->after = logits.narrow(0, next, int64_t(r->drafted));
    next += int64_t(r->drafted);
  }
}

// After its prefill a request with several samples becomes several rows that share its cache.
void Scheduler::fork_samples() {
  const size_t before = active_.size();
  for (size_t a = 0; a < before; ++a) {
    const Active& row = *active_[a];
    if (row.done || row.sample != 0 || !row.result.tokens.empty()) continue;
    remember(row);
    for (size_t j = 1; j < row.job->results.size(); ++j) active_.push_back(fork(*active_[a], j));
  }
}

std::unique_ptr<Active> Scheduler::fork(const Active& parent, size_t sample) {
  auto row = std::make_unique<Active>(
      Active{.job = parent.job, .sample = sample, .models = parent.models, .prompts = parent.prompts});
  row->result = parent.result, row->decoded = parent.decoded, row->streamed = parent.streamed;
  for (const auto& stream : parent.streams)
    row->streams.push_back({stream.model, stream.cache, {}, stream.fork(), stream.logits});
  open_streams_ += row->streams.size();
  ++row->job->rows;
  const auto& specs = parent.request().controls;
  for (size_t c = 0; c < specs.size(); ++c) {
    Prompt prompt = parent.request().prompt;
    row->controls.push_back({specs[c].make(), parent.controls[c].first_twin, parent.controls[c].twins});
    Control& control = *row->controls.back().control;
    control.begin({model_, options_.compute});
    control.rewrite(prompt);
    control.twins(prompt);  // a Control may keep state from being asked
    control.follow(*parent.controls[c].control);
  }
  return row;
}

// The steps of all rows after their Controls, which take their turns together, so that the trials of all rows share
// a pass.
std::vector<Step> Scheduler::combined() {
  std::vector<Step> steps;
  size_t most = 0;
  for (auto& row : active_) {
    steps.push_back({.logits = row->streams[0].logits,
                     .index = int64_t(row->result.tokens.size()),
                     .chosen = &row->result.tokens,
                     .logprobs = &row->result.logprobs,
                     .ahead = row->ahead,
                     .sampling = &row->request().sampling,
                     .sequence = row->sequence()});
    most = std::max(most, row->controls.size());
  }
  for (size_t c = 0; c < most; ++c) {
    for (size_t i = 0; i < active_.size(); ++i) {
      if (active_[i]->done || c >= active_[i]->controls.size()) continue;
      const RowControl& control = active_[i]->controls[c];
      steps[i].twins.clear();
      for (size_t t = 0; t < control.twins; ++t)
        steps[i].twins.push_back(active_[i]->streams[control.first_twin + t].logits);
    }
    try_out(steps, c);
    for (size_t i = 0; i < active_.size(); ++i) {
      if (active_[i]->done || c >= active_[i]->controls.size()) continue;
      try {
        steps[i].logits = active_[i]->controls[c].control->combine(steps[i]);
        if (steps[i].noise.defined() && steps[i].noise.numel() != model_.config.vocab)
          fail("generate", "a control's noise has {} numbers; the vocabulary {}", steps[i].noise.numel(),
               model_.config.vocab);
      } catch (...) {
        fail_row(*active_[i], std::current_exception());
      }
    }
  }
  return steps;
}

// What Control c of each row wants to know of tokens not chosen yet: read behind forks of its streams.
void Scheduler::try_out(std::vector<Step>& steps, size_t c) {
  std::vector<Reading> readings;
  for (size_t i = 0; i < active_.size(); ++i) {
    Active& row = *active_[i];
    steps[i].tried.clear();
    if (row.done || c >= row.controls.size()) continue;
    const RowControl& control = row.controls[c];
    try {
      const std::vector<Trial> trials = control.control->trials(steps[i]);
      for (const Trial& trial : trials)
        if (trial.stream > control.twins)
          fail("generate", "a trial names stream {} of {}", trial.stream, control.twins);
      steps[i].tried.resize(trials.size());
      for (size_t t = 0; t < trials.size(); ++t) {
        const size_t s = trials[t].stream == 0 ? 0 : control.first_twin + trials[t].stream - 1;
        const Stream& stream = row.streams[s];
        readings.push_back({&row, s, trials[t].tokens, stream.fork(), &steps[i].tried[t]});
      }
    } catch (...) {
      fail_row(row, std::current_exception());
    }
  }
  if (readings.empty()) return;
  try {
    read(readings);
  } catch (...) {
    for (const auto& r : readings) fail_row(*r.row, std::current_exception());
  }
  for (const auto& r : readings) r.of().cache->close(r.cached);
}

// Rows whose Controls propose become the best of what all rows of their request propose.
void Scheduler::regroup(std::vector<Step>& steps) {
  std::map<Job*, std::vector<size_t>> groups;
  for (size_t i = 0; i < active_.size(); ++i)
    if (!active_[i]->done && !steps[i].proposals.empty()) groups[active_[i]->job.get()].push_back(i);
  for (const auto& [job, rows] : groups) {
    job->ranked = true;
    std::vector<std::pair<size_t, Proposal>> all;
    for (const size_t i : rows) {
      for (const Proposal& p : steps[i].proposals) all.push_back({i, p});
      if (steps[i].index == 0) break;  // the others are copies
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.second.score > b.second.score; });
    all.resize(std::min(all.size(), rows.size()));
    std::vector<std::pair<size_t, Proposal>> further;
    for (const auto& [i, proposal] : all) {
      if (active_[i]->proposed)
        further.push_back({i, proposal});
      else
        active_[i]->proposed = proposal;
    }
    // Forks take the places of the rows that go.
    for (const size_t i : rows) {
      if (active_[i]->proposed) continue;
      if (further.empty()) {
        finish(*active_[i], "control");
        continue;
      }
      const size_t parent = further.back().first;
      auto child = fork(*active_[parent], active_[i]->sample);
      child->proposed = further.back().second;
      further.pop_back();
      close(*active_[i]);
      active_[i] = std::move(child);
      steps[i].logits = steps[parent].logits, steps[i].notes = steps[parent].notes;
    }
  }
}

// Controls may keep state and texts are passed on in order, so only the loops over the vocabulary run side by side.
void Scheduler::choose_all() {
  std::vector<Step> steps = combined();
  regroup(steps);
  std::vector<Choice> choices(steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    if (active_[i]->done) continue;
    Step& step = steps[i];
    choices[i] = {.logits = step.logits.to(at::kFloat).contiguous(),
                  .noise = step.noise.defined() ? step.noise.to(at::kFloat).contiguous() : Tensor(),
                  .notes = std::move(step.notes),
                  .finished = step.finish};
  }
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, model_.config.vocab));
  at::parallel_for(0, int64_t(choices.size()), grain, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard none_here;  // the mode belongs to a thread
    for (int64_t i = begin; i < end; ++i)
      if (!active_[size_t(i)]->done && !choices[size_t(i)].finished) draw(*active_[size_t(i)], choices[size_t(i)]);
  });
  for (size_t i = 0; i < choices.size(); ++i) {
    if (active_[i]->done) continue;
    try {
      take(model_, *active_[i], choices[i]);
    } catch (...) {
      fail_row(*active_[i], std::current_exception());
    }
    active_[i]->proposed.reset();
  }
}

void Scheduler::close(Active& row) {
  for (auto& stream : row.streams) {
    if (stream.cached < 0) continue;
    stream.cache->close(stream.cached);
    --open_streams_;
  }
  row.streams.clear();
  if (row.job->rows > 0) --row.job->rows;
}

void Scheduler::retire() {
  std::vector<std::unique_ptr<Active>> going, gone;
  for (auto& row : active_) (row->done ? gone : going).push_back(std::move(row));
  active_ = std::move(going);
  for (auto& row : gone) {
    Job& job = *row->job;
    if (!job.error) remember(*row);
    close(*row);
    job.results[row->sample] = std::move(row->result);
    if (job.rows == 0) over(job);
  }
}

// `done` is the caller's: it may submit and cancel, but finds the rows as they are after this one.
void Scheduler::over(Job& job) {
  if (job.ranked) {
    std::stable_sort(job.results.begin(), job.results.end(),
                     [](const Generated& a, const Generated& b) { return a.score > b.score; });
    if (job.request->on_text) job.request->on_text({0, job.results[0].text, job.results[0]});
  }
  job.done({std::move(job.results), job.error});
}

}  // namespace ken::generate
