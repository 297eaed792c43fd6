// The one decode loop, a pass at a time: requests join while others are under way, end alone and fail alone. Of one
// thread: it computes within step(), and calls back from there.
#pragma once
#include <deque>
#include <exception>

#include "ken/generate/beginnings.h"
#include "ken/generate/generate.h"

namespace ken::generate {

struct Outcome {
  std::vector<Generated> results;  // one a sample; what there is of them, where the request was cancelled
  std::exception_ptr error;        // set: it could not be done, and this says why
};
using Done = std::function<void(Outcome)>;

struct Job;     // a request and its results
struct Active;  // a row: one generation under way
struct Drafting;
struct Reading;
struct Stream;

class Scheduler {
 public:
  // Of the options, all but `progress` and `interrupted`, which belong to a caller's own loop.
  Scheduler(const model::Model& model, const GenerateOptions& options);
  ~Scheduler();

  // Waits until rows and tokens of a pass allow it; `done` is called once. The number names it in cancel().
  uint64_t submit(std::shared_ptr<const Request> request, Done done);
  // Its rows end where they are ("interrupted") when the next step begins. Of one that is over: nothing.
  void cancel(uint64_t id);
  void cancel_all();
  // One pass over all rows, and their next tokens. False: nothing was left to do.
  bool step();

  size_t waiting() const { return waiting_.size(); }
  size_t rows() const { return active_.size(); }
  int64_t tokens_read() const { return tokens_read_; }  // by passes, of all streams

  // Tokens with which requests begin, read once; a stream takes as many of them as it begins with.
  void share(std::vector<int32_t> tokens);
  std::vector<int32_t> ids(const Request& request) const;

 private:
  void admit();
  void end_cancelled();
  nn::KvCache& cache_of(const model::Model& model);
  Stream open(const model::Model& model, std::vector<int32_t> tokens, int64_t room, bool shares);
  void remember(const Active& row);
  void start(const std::shared_ptr<Job>& job);
  void open_streams(Active& row, Prompt prompt);
  void draft();
  void read_guesses(std::vector<Drafting>& all, size_t i);
  void pass();
  void read(const std::vector<Reading>& readings);
  void read_with(const model::Model& model, const std::vector<Reading>& readings);
  void read_apart(const std::vector<Reading>& readings);
  void fork_samples();
  std::unique_ptr<Active> fork(const Active& parent, size_t sample);
  std::vector<Step> combined();
  void try_out(std::vector<Step>& steps, size_t control);
  void regroup(std::vector<Step>& steps);
  void choose_all();
  void fail_row(Active& row, std::exception_ptr error);
  void retire();
  void close(Active& row);
  void over(Job& job);

  const model::Model& model_;
  const GenerateOptions options_;
  nn::KvCache cache_;
  Beginnings beginnings_;
  std::map<const model::Model*, nn::KvCache> others_;  // of second models
  std::deque<std::shared_ptr<Job>> waiting_;
  std::vector<std::unique_ptr<Active>> active_;
  uint64_t submitted_ = 0;
  size_t open_streams_ = 0;
  int64_t tokens_read_ = 0;
};

// Results in the order of the requests, by a scheduler that may have read their beginnings before.
std::vector<std::vector<Generated>> generate(Scheduler& scheduler, const std::vector<Request>& requests,
                                             const GenerateOptions& options);

}  // namespace ken::generate
