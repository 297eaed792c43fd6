// SpARE (Zhao et al., arXiv 2410.15999): a few latents of sparse autoencoders at middle layers decide whether a
// question beside a passage is answered from the passage (C) or from memory (M); they are edited once, at the last
// prompt token.
//   z = f(h) [m], D = W_dec^T [d, m]. Over a pool of conflicts that were answered from C or from M, at the last token:
//   zbar^C, zbar^M: class means, an item of C weighing l_M / (l_C + l_M) and one of M l_C / (l_C + l_M), where l are
//   the losses of the two answers. Latents are ranked by their mutual information with the class; the fewest that hold
//   the share rho of its sum are kept, each in the set of the class where its mean is larger, and zbar is 0 elsewhere.
//   to memory: z- = min(z, zbar^C), z+ = max(zbar^M - z, 0), h' = h + alpha (-D z- + D z+); to context: C and M
//   exchanged.
// The authors' released form multiplies zbar by alpha before min and max instead (clip=code). The stream itself stays;
// its reconstruction never takes its place. All layers are edited in one pass, from statistics of unedited states.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/evidence/source_choice.h"
#include "ken/readout/collect.h"
#include "ken/readout/shift.h"
#include "ken/readout/sparse_edit.h"

namespace ken::generate::spare_file {
namespace {

using readout::Sae;
using readout::SparseEdits;

constexpr const char* id = "spare";
constexpr int memory = 0, context = 1;  // the classes
const char* name_of(int source) { return source == context ? "context" : "memory"; }

class Spare final : public Control {
 public:
  Spare(std::shared_ptr<const SparseEdits> edits, const Json& p)
      : edits_(std::move(edits)),
        to_(p["to"] == "context" ? context : memory),
        alpha_(p["alpha"]),
        code_(p["clip"] == "code"),
        seed_(p["seed"]) {}

  void begin(const Setting& setting) override {
    const auto& config = setting.model.config;
    if (!edits_)
      edits_ = std::make_shared<const SparseEdits>(
          readout::random_sparse_edits(model::point_name(model::Point::resid_post, config.n_layers / 2), config.d_model,
                                       uint64_t(std::max<int64_t>(0, seed_))));
    if (alpha_ < 0) alpha_ = edits_->strength[size_t(to_)];
  }

  std::vector<model::Tap> taps() override {
    std::vector<model::Tap> taps;
    for (size_t i = 0; i < edits_->layers.size(); ++i)
      taps.push_back({edits_->layers[i].point, [this, i](const Tensor& x, const model::Site& site) {
                        return site.phase == model::Phase::prefill ? std::optional(edited(x, i)) : std::nullopt;
                      }});
    return taps;
  }

 private:
  Tensor edited(const Tensor& x, size_t layer) const {
    const Tensor row = x.narrow(0, x.size(0) - 1, 1), h = row.flatten(1).to(at::kFloat);  // [1, d]
    Tensor change = edits_->layers[layer].change(h, to_, code_ ? alpha_ : 1) * (code_ ? 1 : alpha_);
    if (seed_ >= 0) {
      const Tensor noise = readout::random_direction(h.size(1), uint64_t(seed_) + layer).to(h.options());
      change = noise * (change.norm() / noise.norm());
    }
    return at::cat({x.narrow(0, 0, x.size(0) - 1), (h + change).to(x.scalar_type()).view_as(row)});
  }

  std::shared_ptr<const SparseEdits> edits_;
  int to_;
  double alpha_;
  bool code_;
  int64_t seed_;
};

MakeControl open(const Json& p) {
  std::shared_ptr<const SparseEdits> edits;
  if (const std::string file = p["file"]; !file.empty())
    edits = std::make_shared<const SparseEdits>(readout::sparse_edits(readout::load_lever(file, id)));
  return [edits, p] { return std::make_unique<Spare>(edits, p); };
}

ControlSpec steering(const std::shared_ptr<const SparseEdits>& edits, int to, double alpha, int64_t seed = -1) {
  const Json p{{"to", name_of(to)}, {"alpha", alpha}, {"clip", "paper"}, {"seed", seed}};
  return {.own = [edits, p] { return std::make_unique<Spare>(edits, p); }};
}

// The fit.

using evidence::Part;
using evidence::SourceChoice;
using readout::AnalysisInput;
using readout::AnalysisResult;

// Conflicts of the training part, each asked plainly and, where the facts hold instructions, told either source, as the
// authors vary their demonstrations: the same questions then stand in both classes. Those answered from a source.
struct Pool {
  std::vector<int> sources;
  Tensor states, weights;  // [n, layers, d], [n]
};

Pool pool_of(const SourceChoice& choice, const std::vector<std::string>& points) {
  data::FactSet facts = choice.input.facts;
  std::erase_if(facts.contexts, [](const auto& item) { return item.intent.empty() || item.intent == "none"; });
  const auto told = [&](const char* intent) {
    return std::any_of(facts.contexts.begin(), facts.contexts.end(), [&](const auto& c) { return c.intent == intent; });
  };
  const evidence::Instructions plain{told("memory") ? "" : " ", told("context") ? "" : " ", ""};  // blank: none
  const auto train = choice.of(Part::train);
  for (const size_t i : train) facts.contexts.push_back(choice.items[i].item);
  const AnalysisInput input{choice.input.model, facts, choice.input.style, choice.input.seed, choice.input.compute};
  std::vector<readout::Item> items;
  std::vector<evidence::OptionItem> options;
  Pool pool;
  for (const auto& asked : evidence::instructed_cases(input, plain, train.size()))
    for (const auto& run : asked.runs) {
      const std::string side = evidence::followed(run.answer.text, asked.item, asked.item.answers);
      if (side == "neither") continue;
      const auto chat = input.style.tokens();
      const std::string blank = chat ? "" : " ";
      items.push_back({run.prompt, {{"last"}}, chat});
      options.push_back(
          {run.prompt, {blank + asked.item.answers.front(), blank + asked.item.context_answers.front()}, chat});
      pool.sources.push_back(side == "context" ? context : memory);
    }
  const int64_t n = int64_t(items.size()), of_context = std::count(pool.sources.begin(), pool.sources.end(), context);
  if (std::min(of_context, n - of_context) < 10)
    fail(id, "of {} conflicts {} are answered from the passage; each source must give at least 10: more conflicts", n,
         of_context);
  pool.states = readout::collect(input.model, items, points, input.compute).values.select(2, 0);
  const auto scores = evidence::score_options(input.model, options, input.compute);
  pool.weights = at::zeros({n});
  for (int64_t i = 0; i < n; ++i) {
    const auto loss = [&](int source) {
      const auto& score = scores[size_t(i)][size_t(source)];
      return -score.logprob / double(score.tokens);
    };
    const int own = pool.sources[size_t(i)];
    pool.weights[i] = loss(1 - own) / std::max(1e-12, loss(0) + loss(1));
  }
  return pool;
}

// The strength of each direction that most answers of the validation part follow, and how many do.
double choose_strengths(const SourceChoice& choice, const std::shared_ptr<SparseEdits>& edits, Json& tried) {
  double followed = 0;
  for (const int to : {memory, context}) {
    std::vector<std::pair<Json, ControlSpec>> candidates;
    for (const double alpha : {1.0, 2.0, 4.0}) candidates.push_back({alpha, steering(edits, to, alpha)});
    Json row = Json::array();
    const size_t best = choice.best(to == context, candidates, row);
    edits->strength[size_t(to)] = candidates[best].first;
    followed += row[best].at("rates").at(name_of(to)).at("value").get<double>();
    tried.push_back({{"to", name_of(to)}, {"tried", row}});
  }
  return followed;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const SourceChoice choice(input, params.at("max_items").get<size_t>());
  const int64_t features = params.at("features").get<int64_t>();
  const auto saes = readout::dictionaries(input, params.at("sae"),
                                          {.features = features ? features : 4 * input.model.config.d_model,
                                           .k = params.at("k"),
                                           .tokens = params.at("tokens"),
                                           .seed = input.seed});
  std::vector<std::string> points;
  for (const Sae& sae : saes) points.push_back(sae.point);
  const Pool pool = pool_of(choice, points);
  std::vector<readout::Ranking> ranked;
  for (size_t l = 0; l < saes.size(); ++l)
    ranked.push_back(readout::rank_latents(saes[l], pool.states.select(1, int64_t(l)), pool.sources, pool.weights,
                                           params.at("neighbours"), input.seed));
  const double given = params.at("rho");
  std::shared_ptr<const SparseEdits> edits;
  Json tried = Json::array(), sets = Json::array();
  double most = -1, chosen = given;
  for (const double rho : given > 0 ? std::vector{given} : std::vector{0.07, 0.3}) {
    const auto these = std::make_shared<SparseEdits>();
    for (const auto& ranking : ranked) these->layers.push_back(readout::select_latents(ranking, rho));
    Json row = Json::array();
    const double followed = choose_strengths(choice, these, row);
    tried.push_back({{"rho", rho}, {"tried", row}});
    if (followed > most) most = followed, edits = these, chosen = rho;
  }
  for (const auto& edit : edits->layers)
    sets.push_back({{"point", edit.point},
                    {"of_memory", (edit.clip[memory] > 0).sum().item<int64_t>()},
                    {"of_context", (edit.clip[context] > 0).sum().item<int64_t>()}});
  Json table{{"latents", sets},
             {"pool", pool.sources.size()},
             {"tried", tried},
             {"points", points},
             {"rho", chosen},
             {"alpha", {{"context", edits->strength[context]}, {"memory", edits->strength[memory]}}},
             {"unsteered", {{"rates", to_json(choice.rates(Part::test, {}))}, {"kept", choice.side_effects({})}}}};
  for (const int to : {memory, context}) {
    const ControlSpec steered = steering(edits, to, -1), random = steering(edits, to, -1, int64_t(input.seed));
    table[name_of(to)] = {{"rates", to_json(choice.rates(Part::test, {steered}))},
                          {"kept", choice.side_effects({steered})},
                          {"random_directions", to_json(choice.rates(Part::test, {random}))}};
  }
  const auto lever = readout::lever_of(*edits, id);
  return {.table = table, .tensors = lever.tensors, .lever = lever.about};
}

const Register<ControlEntry> control{
    {.card = {.id = id,
              .family = "steer",
              .title = "SpARE",
              .paper = "arXiv 2410.15999",
              .sentence = "Edits a few latents of sparse autoencoders at the last prompt token, so that the answer "
                          "comes from the passage or from memory.",
              .params = {{"file", "", "what 'ken steer spare -o FILE' fitted; empty: latents drawn at random"},
                         {"to", "context", "the source to answer from", -1e300, 1e300, {"context", "memory"}},
                         {"alpha", -1.0, "strength; -1: as fitted, 0 changes nothing", -1, 1000},
                         {"clip",
                          "paper",
                          "paper: alpha times the edit; code: alpha times the values it clips at",
                          -1e300,
                          1e300,
                          {"paper", "code"}},
                         {"seed", -1, "of random directions for edits of the same length; -1: the fitted ones", -1,
                          1e15}},
              .example = "ken ask --control spare:to=memory,alpha=2 --context-text \"the birthplace of Ada Lovelace is "
                         "Turin .\" \"where was Ada Lovelace born ?\"",
              .null_setting = {{"alpha", 0.0}}},
     .open = open}};

const Register<readout::AnalysisEntry> analysis{
    {.card = {.id = id,
              .family = "steer",
              .title = "SpARE",
              .paper = "arXiv 2410.15999",
              .sentence = "Finds the latents of sparse autoencoders that tell which source an answer will come from, "
                          "and what to set them to.",
              .params = {{"sae", "", "folders of dictionaries, one a layer, joined by +; empty: trains four"},
                         {"features", 0, "of a trained dictionary; 0: four times the stream's width", 0, 1 << 20},
                         {"k", 32, "active features a row that training aims at", 1, 1 << 20},
                         {"tokens", 100000, "that a dictionary is trained on", 1000, 1e12},
                         {"rho", 0.0,
                          "share of the mutual information that the chosen latents hold; 0: the better of 0.07 and 0.3",
                          0, 1},
                         {"neighbours", 3, "of the estimator of mutual information", 1, 100},
                         {"max_items", 800, "conflicts at most: pool, validation and judged ones", 100, 100000}},
              .example = "ken steer spare -o spare.safetensors",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::generate::spare_file
