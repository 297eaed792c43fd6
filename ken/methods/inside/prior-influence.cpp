// Where the prior over answers enters, and damping it (arXiv 2504.12585): on tasks whose answer is fixed, here copying
// from a passage against what the model remembers, the pull of the remembered answer is traced through the layers.
//   pi = log p(remembered answer | the question alone);  q_l = lens log p(remembered answer | passage, question)
//   score_l = rho(q_l, pi) - rho(q_{l-1}, pi), Spearman over items with the answer's frequency partialled out
// The layers of the largest scores are damped three ways: an instruction in the prompt, their writes times gamma, a
// low-rank adapter on them alone. Layers, gamma and adapter are chosen on other groups than the judged ones; as many
// random other layers are the control.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/evidence/copying.h"
#include "ken/readout/judge.h"
#include "ken/readout/lens.h"
#include "ken/stats/stats.h"
#include "ken/train/low_rank.h"
#include "ken/train/trainer.h"

namespace ken::readout::prior_influence_file {
namespace {

using at::Tensor;
using evidence::Contest;
using evidence::Copying;
using evidence::CopyJudge;

// Spearman of a and b with c partialled out.
double partial(const std::vector<double>& a, const std::vector<double>& b, const std::vector<double>& c) {
  const auto rho = [](const auto& x, const auto& y) {
    const double r = stats::spearman(x, y);
    return std::isnan(r) ? 0 : r;  // a constant rank correlates with nothing
  };
  const double ab = rho(a, b), ac = rho(a, c), bc = rho(b, c);
  const double rest = (1 - ac * ac) * (1 - bc * bc);
  return rest > 1e-9 ? (ab - ac * bc) / std::sqrt(rest) : 0;
}

struct Located {
  std::vector<double> correlation, score;  // by state; by block
  std::vector<int64_t> layers, random;     // blocks
};

Located locate(const AnalysisInput& input, const Copying& items, const Lens& lens, double share) {
  const auto contests = pick(items.contests, items.fit);
  std::vector<int64_t> targets;
  for (const Contest& c : contests) targets.push_back(c.wrong);
  const Tensor states = last_states(input.model, evidence::tokens_of(contests), input.compute);
  const Readings r = read_layers(input.model, lens, states, at::tensor(at::ArrayRef<int64_t>(targets)), input.compute);
  const auto prior = pick(items.prior, items.fit), frequency = pick(items.frequency, items.fit);
  Located found;
  for (int64_t l = 0; l < states.size(1); ++l)
    found.correlation.push_back(partial(doubles(r.logprob.select(1, l)), prior, frequency));
  std::vector<int64_t> order;
  for (size_t l = 1; l < found.correlation.size(); ++l) {
    found.score.push_back(found.correlation[l] - found.correlation[l - 1]);
    order.push_back(int64_t(l) - 1);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return found.score[size_t(a)] > found.score[size_t(b)]; });
  const size_t count = std::max<size_t>(1, size_t(std::ceil(share * double(order.size()))));
  found.layers.assign(order.begin(), order.begin() + long(std::min(count, order.size())));
  std::vector<int64_t> others(order.begin() + long(found.layers.size()), order.end());
  Rng(input.seed, 6).shuffle(others);
  others.resize(std::min(others.size(), found.layers.size()));
  found.random = others.empty() ? found.layers : others;
  std::sort(found.layers.begin(), found.layers.end());
  std::sort(found.random.begin(), found.random.end());
  return found;
}

// What the given layers add to the stream, times gamma.
class Damp final : public generate::Control {
 public:
  Damp(std::vector<int64_t> layers, double gamma) : layers_(std::move(layers)), gamma_(gamma) {}
  std::vector<model::Tap> taps() override {
    std::vector<model::Tap> result;
    const double gamma = gamma_;
    const auto scale = [gamma](const Tensor& x, const model::Site&) { return std::optional<Tensor>(x * gamma); };
    for (const int64_t layer : layers_)
      for (const char* point : {"hook_attn_out", "hook_mlp_out"})
        result.push_back({fmt::format("blocks.{}.{}", layer, point), scale});
    return result;
  }

 private:
  std::vector<int64_t> layers_;
  double gamma_;
};

// Prompts with the passage's answer, of which only the answer's tokens count.
class Copies final : public train::SampleSource {
 public:
  explicit Copies(std::vector<Contest> contests) : contests_(std::move(contests)) {}
  int64_t size() const override { return int64_t(contests_.size()); }
  train::Sample at(int64_t index) const override {
    const Contest& c = contests_[size_t(index)];
    train::Sample sample{c.tokens, {}};
    sample.tokens.resize(c.tokens.size() - c.shared);
    sample.weights.assign(sample.tokens.size(), 0.0F);
    sample.tokens.insert(sample.tokens.end(), c.right_tokens.begin(), c.right_tokens.end());
    sample.weights.resize(sample.tokens.size(), 1.0F);
    return sample;
  }

 private:
  std::vector<Contest> contests_;
};

// A copy of the model (the stored weights are shared) with an adapter on some layers.
model::Model tuned_on(const AnalysisInput& input, const Copying& items, const std::vector<int64_t>& layers,
                      const Json& params) {
  model::Model model = input.model;
  train::LowRankOptions low;
  low.rank = params.at("rank"), low.seed = input.seed, low.layers = layers;
  const auto parameters = train::train_low_rank(model, low);
  std::vector<size_t> fit = items.fit;
  fit.resize(std::min(fit.size(), params.at("examples").get<size_t>()));
  train::TrainOptions options;
  options.batch_tokens = 1024;
  options.optimizer.kind = "adamw", options.optimizer.lr = params.at("rate"), options.optimizer.weight_decay = 0;
  options.epochs = params.at("epochs"), options.shuffle = true, options.seed = input.seed;
  options.compute = input.compute;
  const auto objective = train::next_token();
  const auto group = train::alone();
  train::train(model, parameters, *objective, std::make_shared<Copies>(pick(items.contests, fit)), options, *group,
               input.progress);
  train::freeze(model);
  return model;
}

// The instruction to trust the passage that the facts use themselves, else plain words.
std::string instruction_of(const AnalysisInput& input, const std::string& given) {
  if (!given.empty()) return given;
  for (const auto& item : input.facts.contexts)
    if (item.intent == "context" && !item.instruction.empty()) return item.instruction;
  return "Answer from the passage alone. Do not rely on what sounds likely.";
}

Json to_json(const CopyJudge::Result& r) {
  const auto number = [](double x) { return std::isnan(x) ? Json(nullptr) : Json(x); };
  return {{"accuracy", stats::to_json(stats::proportion(r.right, r.n, "answers_what_the_passage_says"))},
          {"high_prior", r.high},
          {"low_prior", r.low},
          {"error_prior_spearman", r.correlation},
          {"recall", number(r.recall)},
          {"memory_when_asked_for", number(r.memory)}};
}

struct Runs {
  Json table = Json::object();
  std::map<std::string, Tensor> tensors;
  void add(const std::string& name, const CopyJudge::Result& r) {
    table[name] = to_json(r);
    tensors[name] = at::tensor(at::ArrayRef<double>({r.accuracy, r.high, r.low, r.correlation, r.recall, r.memory}));
  }
};

std::vector<generate::ControlSpec> damped(const std::vector<int64_t>& layers, double gamma) {
  generate::ControlSpec spec;
  spec.own = [layers, gamma] { return std::make_unique<Damp>(layers, gamma); };
  return {spec};
}

// gamma is the one of the best accuracy on the groups that the layers were located on.
double best_gamma(const AnalysisInput& input, const Copying& items, const std::vector<int64_t>& layers) {
  const CopyJudge bare(input, items, 0);
  double best = 0, accuracy = -1;
  for (const double gamma : {0.0, 0.25, 0.5, 0.75}) {
    const double a = bare(input.model, items.fit, damped(layers, gamma)).accuracy;
    if (a > accuracy) best = gamma, accuracy = a;
  }
  return best;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Copying items = evidence::copying_against_memory(input, params.at("max_items"));
  const std::string file = params.at("lens");
  LensOptions options;
  options.steps = params.at("lens_steps"), options.seed = input.seed, options.compute = input.compute;
  const Lens lens =
      file.empty() ? fit_lens(input.model, input.some_texts(), options, input.progress) : load_lens(file, input.model);
  const Located found = locate(input, items, lens, params.at("share"));
  const CopyJudge judge(input, items, params.at("side_items"));
  Runs runs;
  runs.add("plain", judge(input.model, items.judged, {}));
  runs.add("instruction", judge(input.model, items.judged, {}, instruction_of(input, params.at("instruction"))));
  const double gamma = best_gamma(input, items, found.layers), other = best_gamma(input, items, found.random);
  runs.add("scaled", judge(input.model, items.judged, damped(found.layers, gamma)));
  runs.add("scaled_random_layers", judge(input.model, items.judged, damped(found.random, other)));
  runs.add("tuned", judge(tuned_on(input, items, found.layers, params), items.judged, {}));
  runs.add("tuned_random_layers", judge(tuned_on(input, items, found.random, params), items.judged, {}));
  runs.tensors["correlation"] = at::tensor(at::ArrayRef<double>(found.correlation));
  runs.tensors["layers"] = at::tensor(at::ArrayRef<int64_t>(found.layers));
  return {{{"items", {{"located_and_tuned_on", items.fit.size()}, {"judged", items.judged.size()}}},
           {"states", layer_names(input.model.config)},
           {"prior_spearman", found.correlation},
           {"score", found.score},
           {"blocks", found.layers},
           {"random_blocks", found.random},
           {"gamma", gamma},
           {"gamma_random_blocks", other},
           {"runs", runs.table}},
          runs.tensors};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "prior-influence",
              .family = "inside",
              .title = "Prior influence",
              .paper = "arXiv 2504.12585",
              .sentence = "Finds the layers where what the model remembers enters an answer that a passage fixes, and "
                          "damps them by instruction, scaling or a light adapter.",
              .params = {{"lens", "", "a file that tuned-lens wrote; without it, one is fitted"},
                         {"lens_steps", 60, "steps of that fit", 0, 100000},
                         {"share", 0.2, "of the layers that are located", 0, 1},
                         {"instruction", "",
                          "words put before the question; without them, the facts' own for trusting "
                          "the passage, else plain English"},
                         {"rank", 8, "of the adapter", 1, 1024},
                         {"examples", 400, "that it is tuned on at most", 8, 1000000},
                         {"epochs", 6, "passes over them", 1, 10000},
                         {"rate", 2e-3, "AdamW's learning rate", 0, 1},
                         {"side_items", 300, "facts and passages that show side effects, of each at most", 0, 100000},
                         {"max_items", 2000, "passages at most, drawn by the seed", 60, 100000}},
              .example = "ken inside prior-influence lens_steps=20",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::prior_influence_file
