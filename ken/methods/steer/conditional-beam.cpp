// Attribute-conditional beam search (Yoshida et al., "MAP's not dead yet", arXiv 2311.08817): the likeliest text is
// often a bad one (empty, cut off, repeating); the likeliest text that has an attribute is not. Beams are ranked by
//   log p(x_1..t) + w log q(a | x_1..t),
// where q is a small net over the model's own states, fitted on texts that the model wrote itself, each of whose
// prefixes is labelled with what became of the whole text. The second term is replaced at each step, never added up.
// As many beams as samples are asked for; each proposes its k likeliest tokens. q reads the state before a candidate
// and the candidate's embedding, so that candidates cost no pass of their own; its odds are tempered by position,
// because an over-confident q would decide at the first tokens.
//   complete: the text ends within `length` tokens.   distinct: no run of n tokens comes twice.
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/generate/generate.h"
#include "ken/readout/analysis.h"
#include "ken/readout/last_rows.h"
#include "ken/readout/prefix_classifier.h"

namespace ken::generate::conditional_beam_file {
namespace {

using readout::LabelledContinuation;
using readout::PrefixClassifier;

constexpr const char* id = "conditional-beam";

class ConditionalBeam final : public Control {
 public:
  ConditionalBeam(std::shared_ptr<const PrefixClassifier> classifier, const Json& p)
      : classifier_(std::move(classifier)), weight_(p["weight"]), k_(p["k"]) {}

  void begin(const Setting& setting) override {
    model_ = &setting.model;
    if (!classifier_) return;
    readout::check(*classifier_, setting.model);
    rows_ = std::make_unique<readout::LastRows>(std::vector<std::string>{classifier_->point});
  }
  std::vector<model::Tap> taps() override { return rows_ ? rows_->taps() : std::vector<model::Tap>(); }
  void follow(const Control& first) override {
    if (rows_) rows_->follow(*dynamic_cast<const ConditionalBeam&>(first).rows_);
  }

  Tensor combine(Step& step) override {
    double so_far = 0;
    for (const double l : *step.logprobs) so_far += l;
    const auto [logp, tokens] =
        at::log_softmax(step.logits.to(at::kDouble), -1).topk(std::min<int64_t>(k_, step.logits.size(0)));  // [k]
    Tensor score = so_far + logp;
    if (classifier_) {
      const Tensor log_q =
          classifier_->log_likely(*model_, rows_->at(step.index)[0], step.index, tokens).to(at::kDouble);
      step.notes["log-q"] = log_q[0].item<double>();  // of the likeliest candidate
      score = score + weight_ * log_q;
    }
    for (int64_t i = 0; i < tokens.size(0); ++i)
      step.proposals.push_back({int32_t(tokens[i].item<int64_t>()), score[i].item<double>()});
    return step.logits;
  }

 private:
  std::shared_ptr<const PrefixClassifier> classifier_;
  double weight_;
  int64_t k_;
  const model::Model* model_ = nullptr;
  std::unique_ptr<readout::LastRows> rows_;
};

MakeControl open(const Json& p) {
  std::shared_ptr<const PrefixClassifier> classifier;
  if (const std::string file = p["file"]; !file.empty())
    classifier = std::make_shared<const PrefixClassifier>(readout::prefix_classifier(readout::load_lever(file, id)));
  return [classifier, p] { return std::make_unique<ConditionalBeam>(classifier, p); };
}

// The fit.

using readout::AnalysisInput;
using readout::AnalysisResult;

// Whether no run of n tokens comes twice.
bool distinct(const std::vector<int32_t>& tokens, size_t n) {
  std::set<std::vector<int32_t>> seen;
  for (size_t i = 0; i + n <= tokens.size(); ++i)
    if (!seen.insert({tokens.begin() + long(i), tokens.begin() + long(i + n)}).second) return false;
  return true;
}

std::vector<LabelledContinuation> sampled(const AnalysisInput& input, const Json& params) {
  const data::Texts texts = input.some_texts();
  const int64_t prompts = params.at("prompts"), head = params.at("head"), length = params.at("length");
  const bool complete = params.at("attribute") == "complete";
  const auto eos = input.model.tokenizer->eos;
  if (complete && !eos) fail(id, "{} has no token that ends a text; take attribute=distinct", input.model.config.name);
  Rng rng(input.seed);
  std::vector<Request> requests;
  for (int64_t i = 0; i < prompts; ++i) {
    auto tokens = model::prompt_ids(input.model, texts.at(int64_t(rng.below(uint64_t(texts.count)))));
    tokens.resize(std::min(tokens.size(), size_t(head)));
    requests.push_back(
        {.prompt = {}, .tokens = tokens, .max_tokens = length, .samples = params.at("samples"), .key = uint64_t(i)});
    requests.back().sampling = {.temperature = 1, .seed = input.seed};
  }
  GenerateOptions options{.compute = input.compute, .progress = input.progress, .what = "texts"};
  const auto written = generate(input.model, requests, options);
  std::vector<LabelledContinuation> all;
  for (size_t i = 0; i < requests.size(); ++i)
    for (const auto& text : written[i]) {
      const bool ended = text.finish == "stop";
      auto tokens = text.tokens;
      const bool has = complete ? ended : distinct(tokens, params.at("n").get<size_t>());
      if (ended && eos) tokens.push_back(*eos);
      all.push_back({requests[i].tokens, tokens, has, std::to_string(i)});
    }
  return all;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  std::string point = params.at("point");
  if (point.empty()) point = model::point_name(model::Point::resid_post, input.model.config.n_layers - 1);
  const auto fit = readout::fit_prefix_classifier(input.model, sampled(input, params), point, params.at("length"),
                                                  input.seed, input.compute, input.progress);
  readout::Lever lever = readout::lever_of(fit.classifier, id);
  lever.about["attribute"] = params.at("attribute");
  return {.table = fit.table, .tensors = lever.tensors, .lever = lever.about};
}

const Register<ControlEntry> control{
    {.card = {.id = id,
              .family = "steer",
              .title = "Attribute-conditional beam search",
              .paper = "arXiv 2311.08817",
              .sentence =
                  "Searches for the likeliest text that has an attribute, such as ending in time; without a file "
                  "it is plain beam search.",
              .params = {{"file", "", "what 'ken steer conditional-beam -o FILE' fitted; empty: plain beam search"},
                         {"weight", 1.0, "of the attribute's log-probability", 0, 1000},
                         {"k", 10, "candidates of each beam; there are as many beams as --samples", 1, 1000}},
              .example = "ken generate \"the home city of\" --samples 4 --control conditional-beam",
              .null_setting = {{"weight", 0.0}}},
     .open = open}};

const Register<readout::AnalysisEntry> analysis{
    {.card = {.id = id,
              .family = "steer",
              .title = "Attribute-conditional beam search",
              .paper = "arXiv 2311.08817",
              .sentence =
                  "Fits, on texts that the model writes itself, how likely the whole text will have an attribute "
                  "after each prefix.",
              .params = {{"attribute",
                          "complete",
                          "complete: ends in time; distinct: repeats no run of tokens",
                          -1e300,
                          1e300,
                          {"complete", "distinct"}},
                         {"length", 24, "tokens of a text", 1, 100000},
                         {"head", 6, "tokens of a text that is read, behind which the model writes", 1, 100000},
                         {"prompts", 300, "beginnings", 8, 100000},
                         {"samples", 4, "texts behind each", 1, 1000},
                         {"n", 4, "of distinct: tokens of a run", 1, 100},
                         {"point", "", "of the states; empty: the last layer's"}},
              .example = "ken steer conditional-beam -o complete.safetensors",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::generate::conditional_beam_file
