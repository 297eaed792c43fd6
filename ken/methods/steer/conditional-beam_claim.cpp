// The claim of attribute-conditional beam search (arXiv 2311.08817; steer.md section 10) on the almanac's documents:
// texts of at most 24 tokens that end by themselves are found more often than by plain beam search of the same width,
// and are likelier than plain beams made to end where they are cut.
#include <unistd.h>

#include "ken/evidence/options.h"
#include "ken/generate/generate.h"
#include "ken/readout/analysis.h"
#include "ken/readout/lever.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/world/texts.h"

namespace ken::tasks::conditional_beam_claim_file {
namespace {

using generate::Generated;
constexpr int64_t length = 24, head = 6, beams = 5;
constexpr size_t judged = 100;

data::Texts documents(const model::Model& model) {
  const auto params = train::world_of(model.metadata);
  if (!params) fail("conditional-beam", "the model says of no world whose documents it has not read");
  return world::texts_of(std::make_shared<const world::World>(*params), params->documents, params->documents);
}

std::vector<std::vector<int32_t>> beginnings(const ClaimInput& input, const data::Texts& texts) {
  std::vector<std::vector<int32_t>> result;
  for (size_t i = 0; i < judged; ++i) {
    result.push_back(model::prompt_ids(input.model, texts.at(int64_t(100000 * (1 + input.seed) + i) % texts.count)));
    result.back().resize(std::min(result.back().size(), size_t(head)));
  }
  return result;
}

std::vector<std::vector<Generated>> searched(const ClaimInput& input, const std::vector<std::vector<int32_t>>& prompts,
                                             const Json& params) {
  std::vector<generate::Request> requests;
  for (const auto& prompt : prompts) {
    requests.push_back({.prompt = {}, .tokens = prompt, .max_tokens = length, .samples = beams});
    requests.back().controls = {generate::control_from("conditional-beam", params)};
  }
  generate::GenerateOptions options;
  options.compute = nn::Compute::f32;
  return generate::generate(input.model, requests, options);
}

double total(const Generated& text) {
  double sum = 0;
  for (const double l : text.logprobs) sum += l;
  return sum;
}

// The likeliest of those that ended; null where none did.
const Generated* best_complete(const std::vector<Generated>& texts) {
  const Generated* best = nullptr;
  for (const Generated& text : texts)
    if (text.finish == "stop" && (!best || total(text) > total(*best))) best = &text;
  return best;
}

// log p of a text that is made to end where it is.
double cut(const ClaimInput& input, const std::vector<int32_t>& prompt, const Generated& text) {
  auto tokens = text.tokens;
  tokens.push_back(*input.model.tokenizer->eos);
  return evidence::score_tokens(input.model, {{prompt, {tokens}}}, nn::Compute::f32)[0][0].logprob;
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto texts = documents(input.model);
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "conditional-beam");
  readout::AnalysisInput analysis{input.model, input.facts, input.style, input.seed};
  analysis.texts = texts;
  const auto fit = entry.run(analysis, resolve_params(entry.card, {{"length", length}, {"head", head}}));
  const fs::path file = fs::temp_directory_path() / fmt::format("ken-beam-claim-{}.safetensors", ::getpid());
  readout::save(readout::Lever{"conditional-beam", "", fit.lever, fit.tensors}, file);
  const auto prompts = beginnings(input, texts);
  const auto plain = searched(input, prompts, Json::object()),
             steered = searched(input, prompts, {{"file", file.string()}});
  fs::remove(file);
  double found_plain = 0, found = 0, first_plain = 0, first = 0, gain = 0, both = 0, over_filter = 0, shared = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Generated *a = best_complete(plain[i]), *b = best_complete(steered[i]);
    found_plain += a != nullptr, found += b != nullptr;
    first_plain += plain[i][0].finish == "stop", first += steered[i][0].finish == "stop";
    if (b)
      gain += total(*b) - (plain[i][0].finish == "stop" ? total(plain[i][0]) : cut(input, prompts[i], plain[i][0])),
          ++both;
    if (a && b) over_filter += total(*b) - total(*a), ++shared;
  }
  const double n = double(prompts.size());
  const Json& area = fit.table.at("auroc_by_part");
  return {
      {"best text ends by itself, more than under plain beam search", "share", (first - first_plain) / n, ">=", 0.1,
       false, 0.0},
      {"log-probability of the best text that ends, over the plain beam made to end", "nats",
       both > 0 ? gain / both : NAN, ">=", 0.0, false, 0.0},
      {"best text ends by itself, plain", "share", first_plain / n},
      {"any beam ends by itself", "share", found / n},
      {"any beam ends by itself, plain", "share", found_plain / n},
      {"log-probability over plain beams filtered, where both end", "nats", shared > 0 ? over_filter / shared : NAN},
      {"AUROC of the classifier, first quarter of the text", "", area[0].is_number() ? area[0].get<double>() : NAN},
      {"AUROC of the classifier, last quarter of the text", "", area[3].is_number() ? area[3].get<double>() : NAN},
      {"sampled texts that end in time", "share", fit.table.at("share").get<double>()}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "conditional-beam",
              .family = "steer",
              .sentence = "Beams ranked by how likely they will end in time end by themselves more often than plain "
                          "ones, and are likelier than plain ones that are made to end."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::conditional_beam_claim_file
