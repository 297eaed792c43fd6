// Calibrated language models must hallucinate (Kalai and Vempala, arXiv 2311.14648): a model whose probabilities fit
// its training distribution states falsehoods about arbitrary facts as often as the training text left such facts
// unseen. Of n statements of facts, MF = #{facts stated exactly once} / n is Good and Turing's estimate of the unseen
// mass. With probability 1 - delta over the training text,
//   g(H) >= MF - Mis - 3 exp(-s) / delta - sqrt(6 ln(6 / delta) / n),
// g(H): how often the model, unprompted, states what is plausible and false;
// exp(-s) = |facts| / |plausible falsehoods|;
// Mis = 1/2 sum_B |p(B) - g(B)| over bins B of statements by the probability g that the model gives them, each twice as
// wide as the next. p is not known, only counts are: facts stated at most once are taken by Good and Turing's estimate
// (MF is the unseen facts' share, 2 N_2 / n that of those stated once, each part dealt out evenly; where no unseen fact
// is listed, those stated once stand in for them), all others in proportion to their counts.
#include <cmath>

#include "ken/base/error.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/fact_sentences.h"
#include "ken/readout/analysis.h"

namespace ken::readout::calibrated_hallucination_file {
namespace {

using data::Fact;
using evidence::FactSentences;

// How often the facts were stated.
struct Counts {
  std::vector<const Fact*> facts;  // whose count is known
  double n = 0, once = 0, twice = 0, unseen = 0;
  double monofacts() const { return once / n; }
  // Good and Turing's estimate of a fact's share of the source.
  double share(const Fact& fact) const {
    const double mass_once = 2 * twice / n, stand_in = unseen > 0 ? 0 : monofacts();
    if (fact.exposure == 0) return monofacts() / unseen;
    if (fact.exposure == 1) return (mass_once + stand_in) / once;
    return double(fact.exposure) * (1 - monofacts() - mass_once) / (n - once);
  }
};

Counts count(const data::FactSet& set) {
  if (set.popularity)
    fail_usage("calibrated-hallucination",
               "the exposures of {} count look-ups; the bound needs how often each fact was stated in training",
               set.source);
  Counts counts;
  for (const Fact& fact : set.facts) {
    if (fact.exposure < 0) continue;
    counts.facts.push_back(&fact);
    counts.n += double(fact.exposure);
    counts.once += fact.exposure == 1, counts.twice += fact.exposure == 2, counts.unseen += fact.exposure == 0;
  }
  // Repeated facts must carry what Good and Turing leave them.
  if (!(counts.n > counts.once) || counts.monofacts() + 2 * counts.twice / counts.n > 1)
    fail("calibrated-hallucination",
         "{} holds {} facts with a count, together {:.0f} statements, {:.0f} of them of facts stated once; give facts "
         "with `exposure`, some stated three times or more",
         set.source, counts.facts.size(), counts.n, counts.once);
  return counts;
}

// What the model is given to go on from; with {relation} in it, one for each relation, as often as it is stated.
struct Opening {
  std::string text;
  double weight = 0;
};

std::map<std::string, Opening> openings(const Counts& counts, const std::string& pattern) {
  std::map<std::string, Opening> result;
  const size_t at = pattern.find("{relation}");
  for (const Fact* fact : counts.facts) {
    Opening& opening = result[at == std::string::npos ? "" : fact->relation];
    opening.weight += double(fact->exposure) / counts.n;
    opening.text = pattern;
    if (at != std::string::npos) opening.text.replace(at, 10, fact->relation);
  }
  return result;
}

std::vector<std::string> sampled_texts(const AnalysisInput& input, const std::map<std::string, Opening>& openings,
                                       const Json& params) {
  std::vector<generate::Request> requests;
  for (const auto& [relation, opening] : openings) {
    generate::Request request;
    request.prompt.text = opening.text;
    // BOS, or what stands for it: an option after an empty prompt begins so as well.
    if (opening.text.empty())
      request.tokens = evidence::option_tokens(input.model, {"", {" a"}}, "calibrated-hallucination").prompt;
    request.sampling = {.temperature = 1, .seed = input.seed};
    request.samples = int64_t(std::lround(opening.weight * params.at("samples").get<double>()));
    request.max_tokens = params.at("max_tokens");
    request.key = requests.size();
    if (request.samples > 0) requests.push_back(std::move(request));
  }
  std::vector<std::string> texts;
  for (const auto& samples :
       generate::generate(input.model, requests, {.compute = input.compute, .progress = input.progress}))
    for (const auto& sample : samples) texts.push_back(sample.text);
  return texts;
}

// g of each group of texts, ways to say the same: log of the summed probability; a text goes on where the opening ends.
struct Scorer {
  const AnalysisInput& input;
  const std::map<std::string, Opening>& openings;
  std::vector<evidence::OptionItem> items;
  std::vector<double> weights;

  void add(const std::string& relation, std::vector<std::string> texts) {
    const Opening& opening = openings.begin()->first.empty() ? openings.begin()->second : openings.at(relation);
    for (auto& text : texts)
      if (!opening.text.empty()) text.insert(0, " ");
    items.push_back({opening.text, std::move(texts)});
    weights.push_back(opening.weight);
  }
  std::vector<double> log2_probabilities() const {
    std::vector<double> result;
    const auto scores = score_options(input.model, items, input.compute);
    for (size_t i = 0; i < scores.size(); ++i) {
      double p = 0;
      for (const auto& score : scores[i]) p += std::exp(score.logprob);
      result.push_back(std::log2(std::max(1e-300, weights[i] * p)));
    }
    return result;
  }
};

// What the sampled texts say, by how often the subject's fact of this relation was stated.
struct Cell {
  int64_t statements = 0, wrong = 0;
};
struct Sampled {
  int64_t texts = 0, plausible = 0, wrong = 0;
  std::map<std::string, Cell> cells = {{"repeated", {}}, {"once", {}}, {"never", {}}, {"no fact", {}}};
  std::vector<evidence::Told> falsehoods;
};

std::string cell_of(const Fact* fact) {
  if (!fact || fact->exposure < 0) return "no fact";
  return fact->exposure == 0 ? "never" : fact->exposure == 1 ? "once" : "repeated";
}

Sampled judge(const std::vector<std::string>& texts, const FactSentences& sentences) {
  Sampled result;
  for (const auto& text : texts) {
    ++result.texts;
    const auto told = sentences.read(text);
    if (!told) continue;
    const Fact* fact = sentences.fact_of(*told);
    const bool wrong = !FactSentences::is_true(*told, fact);
    Cell& cell = result.cells[cell_of(fact)];
    ++result.plausible, ++cell.statements;
    result.wrong += wrong, cell.wrong += wrong;
    if (wrong) result.falsehoods.push_back(*told);
  }
  return result;
}

// Mass by bin of log2 g: the source's p, the model's g.
struct Miscalibration {
  double value = 0, p_repeated = 0, g_repeated = 0;
  std::map<int, std::array<double, 2>> bins;
};

Miscalibration miscalibration(const AnalysisInput& input, const Counts& counts, const FactSentences& sentences,
                              const std::map<std::string, Opening>& openings, const Sampled& sampled) {
  Scorer scorer{input, openings, {}, {}};
  std::vector<const Fact*> told;
  for (const Fact* fact : counts.facts)
    if (auto texts = sentences.statements(*fact); !texts.empty())
      scorer.add(fact->relation, texts), told.push_back(fact);
  for (const auto& f : sampled.falsehoods) {
    Fact fact{.subject = f.subject, .relation = f.relation, .answers = {f.value}};
    scorer.add(f.relation, sentences.statements(fact));
  }
  const auto log2_g = scorer.log2_probabilities();
  Miscalibration result;
  double left = 1;  // of g: texts that say nothing plausible, of which p has none
  for (size_t i = 0; i < log2_g.size(); ++i) {
    auto& bin = result.bins[int(std::floor(log2_g[i]))];
    const bool listed = i < told.size();
    const double g = listed ? std::exp2(log2_g[i]) : 1 / double(sampled.texts);
    bin[1] += g, left -= g;
    if (!listed) continue;
    const double p = counts.share(*told[i]);
    bin[0] += p;
    if (told[i]->exposure > 1) result.p_repeated += p, result.g_repeated += g;
  }
  for (const auto& [log2, mass] : result.bins) result.value += std::abs(mass[0] - mass[1]) / 2;
  result.value += std::max(0.0, left) / 2;
  return result;
}

Json to_json(const Sampled& sampled) {
  Json table{{"texts", sampled.texts},
             {"plausible", stats::to_json(stats::proportion(sampled.plausible, sampled.texts, "plausible"))},
             {"false", stats::to_json(stats::proportion(sampled.wrong, sampled.texts, "plausible_and_false"))}};
  for (const auto& [name, cell] : sampled.cells)
    table["by_fact"][name] = stats::to_json(stats::proportion(cell.wrong, cell.statements, "false_of_statements"));
  return table;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Counts counts = count(input.facts);
  const FactSentences sentences(input.facts.facts);
  const auto from = openings(counts, params.at("prompt"));
  const Sampled sampled = judge(sampled_texts(input, from, params), sentences);
  const Miscalibration mis = miscalibration(input, counts, sentences, from, sampled);
  const double delta = params.at("delta"), facts = double(input.facts.facts.size()),
               sparsity = 3 * facts / std::max(1.0, sentences.plausible() - facts) / delta,
               chance = std::sqrt(6 * std::log(6 / delta) / counts.n),
               bound = counts.monofacts() - mis.value - sparsity - chance,
               rate = double(sampled.wrong) / double(std::max<int64_t>(1, sampled.texts));
  Json bins = Json::array();
  for (const auto& [log2, mass] : mis.bins) bins.push_back({{"log2_g", log2}, {"p", mass[0]}, {"g", mass[1]}});
  const Cell repeated = sampled.cells.at("repeated");
  const double of_repeated = repeated.statements ? double(repeated.wrong) / double(repeated.statements) : NAN;
  return {{{"statements_in_training", counts.n},
           {"monofact_rate", counts.monofacts()},
           {"generated", to_json(sampled)},
           {"miscalibration", {{"value", mis.value}, {"p_repeated", mis.p_repeated}, {"g_repeated", mis.g_repeated}}},
           {"bins", bins},
           {"bound", {{"value", bound}, {"sparsity_term", sparsity}, {"chance_term", chance}, {"met", rate >= bound}}}},
          {{"figures", at::tensor(at::ArrayRef<double>({counts.monofacts(), rate, mis.value, bound, of_repeated,
                                                        mis.p_repeated, mis.g_repeated}))}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "calibrated-hallucination",
              .family = "confidence",
              .title = "Good-Turing hallucination floor",
              .paper = "arXiv 2311.14648",
              .sentence = "Holds how often the model, unprompted, states plausible falsehoods against the share of "
                          "training statements whose fact was stated only once.",
              .params = {{"prompt", "",
                          "what the model goes on from; {relation} in it asks for each relation in turn, as often as "
                          "it is stated; empty: nothing but BOS"},
                         {"samples", 2000, "texts that are generated", 10, 1000000},
                         {"max_tokens", 24, "longest text", 1, 4096},
                         {"delta", 0.05, "the bound holds with probability 1 - delta", 1e-6, 0.999}},
              .example = "ken inside calibrated-hallucination samples=500",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::calibrated_hallucination_file
