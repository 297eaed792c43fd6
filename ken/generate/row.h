// One generation under way: its token sequences, its Controls, and what becomes of the tokens that are chosen.
#pragma once
#include "ken/generate/scheduler.h"

namespace ken::generate {

// A request and its results.
struct Job {
  uint64_t id;
  std::shared_ptr<const Request> request;
  Done done;
  std::vector<Generated> results = {};
  size_t rows = 0;  // in flight
  std::exception_ptr error = {};
  bool cancelled = false, ranked = false;
};

// One token sequence with its own positions, in its model's cache.
struct Stream {
  const model::Model* model;
  nn::KvCache* cache;
  std::vector<int32_t> pending;  // not yet in the cache
  int cached = -1;
  Tensor logits;                    // [vocab] after the last pass
  std::vector<int32_t> ahead = {};  // a draft: read already, behind what is chosen
  Tensor after_ahead = {};          // [ahead, vocab]: logits after each of them

  int64_t length() const { return cache->length(cached) - int64_t(ahead.size()); }  // of what is chosen
  int fork() const;                                                                 // behind what is chosen
  void append(int32_t token);  // the chosen one: it waits for the next pass, unless it was foreseen
};

struct RowControl {
  std::unique_ptr<Control> control;
  size_t first_twin = 0, twins = 0;  // its streams
};

// One generation: a sample of a request. Stream 0 is the main one. Controls come last, so that they, and the models
// that they hold, go last.
struct Active {
  std::shared_ptr<Job> job;
  size_t sample = 0;
  std::vector<std::shared_ptr<const model::Model>> models = {};  // of twins
  std::vector<std::vector<int32_t>> prompts = {};                // of each stream
  std::vector<Stream> streams = {};
  std::vector<RowControl> controls = {};
  Generated result = {};
  std::string decoded = {};  // raw text of result.tokens
  size_t streamed = 0;
  bool done = false, ahead = false;       // ahead: the next logits were read before their time
  std::optional<Proposal> proposed = {};  // what it becomes in this step

  const Request& request() const { return *job->request; }
  uint64_t sequence() const { return request().key << 16 | sample; }
  std::vector<int32_t> tokens(size_t stream) const;  // of its prompt, and the chosen ones
  std::vector<int32_t> read(size_t stream) const;    // those whose keys and values it holds
  // Whether its keys and values are those of a plain pass of this model.
  bool plain(size_t s, const model::Model& of) const { return streams[s].model == &of && taps(s).empty(); }
  std::vector<model::Tap> taps(size_t stream) const;  // those of its Controls, where they are meant for this one
};

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

void draw(const Active& row, Choice& choice);
// The row goes on with the token, or ends.
void take(const model::Model& model, Active& row, const Choice& choice);
void finish(Active& row, const char* reason);

}  // namespace ken::generate
