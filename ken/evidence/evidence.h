// Evidence: what is known about one answer. An Estimator declares what it needs and turns evidence into one score; the
// runner unions the needs of all estimators asked for, fills a block of questions in few mixed batches, then scores.
#pragma once
#include <set>

#include "ken/base/registry.h"
#include "ken/data/facts.h"
#include "ken/data/prompts.h"
#include "ken/generate/generate.h"

namespace ken::evidence {

// What is read of a greedy answer again, after another prompt, where the tokens stay the same.
inline const std::string without_context = "without context", without_prompt = "without prompt";
// What says how much two answers mean the same. Of texts alone: "rules" (evidence/equivalence.h, 0 or 1), "aliases"
// (the same, with the data set's accepted answers as one meaning) and "jaccard" (of word sets). Of the model itself:
// "embedding" (cosine of mean states of the answers' tokens, not below 0) and "entailment" (the model's own yes or no,
// over both orders).
inline const std::vector<std::string> meaning_judges = {"rules", "aliases", "jaccard", "embedding", "entailment"};

struct Needs {
  bool greedy = false;  // the greedy answer with its logprobs
  int64_t samples = 0;  // answers sampled at `temperature` from one forked prefix
  double temperature = 1.0;
  int64_t alternatives = 0;               // likeliest tokens kept at each of the greedy answer's
  std::set<std::string> readings = {};    // of the greedy answer: without_context, without_prompt
  std::set<std::string> similarity = {};  // of all answers, by "embedding" or "entailment"
  bool relevance = false;                 // of each token of each sample
  // "answer POINT": of the greedy answer's last token (the prompt's, where it has none); "prompt POINT": the prompt's.
  std::set<std::string> states = {};
};
Needs operator|(const Needs& a, const Needs& b);  // two different temperatures of samples are a UsageError

struct Reading {
  std::vector<double> logprobs, entropies;  // of the greedy answer's tokens: nats
};

// A further question about the answer that was given, and what came back.
struct FollowUp {
  std::string id;                         // asked once, whoever wants it
  std::string prompt;                     // whole, in the style's form
  std::vector<std::string> options = {};  // texts whose likelihood is read; none: a reply is wanted
  double temperature = 0;                 // of the reply
};
struct Reply {
  std::vector<double> logprobs;  // of the options, summed over their tokens: nats
  std::string text;              // of a greedy reply
};

struct Evidence {
  std::string prompt, question;
  generate::Generated greedy;
  std::vector<generate::Generated> samples;
  std::vector<std::string> aliases = {};  // the data set's accepted answers
  std::map<std::string, Reading> readings = {};
  // By judge: row-major [n, n] over the greedy answer (where it is wanted) and the samples, symmetric, ones on the
  // diagonal.
  std::map<std::string, std::vector<double>> similarity = {};
  std::vector<std::vector<double>> relevance = {};  // [samples][answer tokens]: 1 - similarity without that token
  std::map<std::string, std::vector<float>> states = {};
  std::map<std::string, Reply> replies = {};
};
Json to_json(const Evidence& evidence);  // enough to score again from a file
Evidence evidence_from_json(const Json& json);

// What one estimator may look at: an access that it did not declare throws.
class View {
 public:
  View(const Evidence& evidence, const Needs& needs) : evidence_(evidence), needs_(needs) {}
  const std::string& question() const { return evidence_.question; }
  const std::vector<std::string>& aliases() const { return evidence_.aliases; }
  const generate::Generated& greedy() const;
  std::span<const generate::Generated> samples() const;  // as many as declared
  const Reading& reading(const std::string& name) const;
  // Of the declared answers, [n, n]: the samples, and before them the greedy answer where both are declared.
  std::vector<std::vector<double>> similarity(const std::string& judge) const;
  const std::vector<double>& relevance(size_t sample) const;
  const std::vector<float>& states(const std::string& point) const;
  const Reply& reply(const std::string& id) const;  // of this estimator's own follow-up questions

 private:
  const Evidence& evidence_;
  const Needs& needs_;
};

// A question as it is asked, with what a follow-up question is written from.
struct Question {
  generate::Request request;
  data::PromptStyle style = {};
  data::Fact fact = {};  // question and statement; the answers are what "aliases" joins, and no score sees them else
};

struct EstimatorEntry {
  Card card;  // card.direction says which way is surer
  Needs (*needs)(const Json& params);
  double (*score)(const View& view, const Json& params);
  // Further questions, once the needs are filled.
  std::vector<FollowUp> (*follow)(const Question& question, const View& view, const Json& params) = nullptr;
  bool probability = false;  // the score is itself a probability of being right
};

struct EstimatorSpec {
  const EstimatorEntry* entry;
  Json params;
  std::string name = {};  // as it was given
  // The id with every parameter, which says what was computed: "semantic-entropy:judge=rules,kind=discrete,...".
  std::string definition() const;
  Needs needs() const { return entry->needs(params); }
  double score(const Evidence& evidence) const;
  double surer(const Evidence& evidence) const;  // the score, turned so that higher is surer
};
EstimatorSpec estimator_from(const std::string& text);  // "semantic-entropy:samples=5"

struct GatherOptions {
  nn::Compute compute = nn::Compute::fast;
  uint64_t seed = 0;
  uint64_t first_key = 0;              // item i draws its noise under key first_key + i
  Needs also = {};                     // beside what the estimators need
  std::function<void()> between = {};  // called before each pass of the answers' decoding: others may have work
};
// One Evidence per request. A request's prompt, stop, max_tokens and controls are used; its sampling is set by the
// needs.
std::vector<Evidence> gather(const model::Model& model, const std::vector<generate::Request>& requests,
                             const Needs& needs, const GatherOptions& options);
// All that these estimators need, their follow-up questions included.
std::vector<Evidence> gather(const model::Model& model, const std::vector<Question>& questions,
                             const std::vector<EstimatorSpec>& estimators, const GatherOptions& options);

}  // namespace ken::evidence
