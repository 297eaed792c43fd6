#include "ken/generate/generate.h"

#include "ken/base/error.h"
#include "ken/generate/scheduler.h"

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

constexpr size_t looked_at = 8;  // requests in which a common beginning is looked for

// The longest beginning that two neighbours among the first requests share is computed once. Equal prompts are passed
// over: they are one question, asked in two ways.
std::vector<int32_t> shared_beginning(const Scheduler& scheduler, const std::vector<Request>& requests) {
  std::vector<int32_t> longest, before;
  for (size_t r = 0, looked = 0; r < requests.size() && looked < looked_at; ++r) {
    std::vector<int32_t> tokens = scheduler.ids(requests[r]);
    if (tokens == before) continue;
    const size_t n = common_beginning(tokens, before);
    if (n > longest.size()) longest.assign(tokens.begin(), tokens.begin() + long(n));
    before = std::move(tokens);
    ++looked;
  }
  return longest;
}

}  // namespace

std::vector<std::vector<Generated>> generate(const model::Model& model, const std::vector<Request>& requests,
                                             const GenerateOptions& options) {
  Scheduler scheduler(model, options);
  scheduler.share(shared_beginning(scheduler, requests));
  return generate(scheduler, requests, options);
}

std::vector<std::vector<Generated>> generate(Scheduler& scheduler, const std::vector<Request>& requests,
                                             const GenerateOptions& options) {
  std::vector<std::vector<Generated>> results(requests.size());
  size_t finished = 0, total = 0;
  std::exception_ptr error;
  for (size_t r = 0; r < requests.size(); ++r) {
    total += size_t(std::max<int64_t>(0, requests[r].samples));
    scheduler.submit(std::shared_ptr<const Request>(&requests[r], [](const Request*) {}), [&, r](Outcome outcome) {
      finished += outcome.results.size();
      results[r] = std::move(outcome.results);
      if (outcome.error && !error) error = outcome.error;
    });
  }
  for (bool more = !requests.empty(); more;) {
    if (error || (options.interrupted && options.interrupted())) scheduler.cancel_all();
    more = scheduler.step();
    if (options.progress) options.progress(options.what, finished, total, "");
  }
  if (error) std::rethrow_exception(error);
  return results;
}

}  // namespace ken::generate
