// The tuned lens (Belrose et al., arXiv 2303.08112): an affine translator for every layer, trained so that the final
// read-out of the translated state gives the final distribution. z_l = W_U LN(h_l + A_l h_l + b_l), A_l and b_l from
// zero on, sum_l mean_t KL(softmax z_final || softmax z_l). Judged on texts that it was not fitted on, beside the logit
// lens; and whether it reads what the model uses: the directions whose ablation moves the lens most are ablated in the
// model, which goes on from the changed states.
#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/model/partial.h"
#include "ken/readout/analysis.h"
#include "ken/readout/judge.h"
#include "ken/readout/lens.h"
#include "ken/stats/stats.h"

namespace ken::readout::tuned_lens_file {
namespace {

using Sequences = std::vector<std::vector<int32_t>>;

// States of held-out texts at every token that has a next one: [n, n_layers + 1, d] and the next tokens.
struct Judged {
  Pass pass;
  Tensor states, next;
};

Judged read_texts(const AnalysisInput& input, const Sequences& texts) {
  Judged judged{states_of(input.model, texts, input.compute), {}, {}};
  std::vector<int64_t> rows, next;
  int64_t begin = 0;
  for (const auto& tokens : texts) {
    for (size_t i = 0; i + 1 < tokens.size(); ++i) rows.push_back(begin + int64_t(i)), next.push_back(tokens[i + 1]);
    begin += int64_t(tokens.size());
  }
  if (rows.empty()) fail("tuned-lens", "no held-out text has two tokens; give running text");
  judged.states = judged.pass.states.index_select(1, at::tensor(at::ArrayRef<int64_t>(rows))).transpose(0, 1);
  judged.next = at::tensor(at::ArrayRef<int64_t>(next));
  return judged;
}

// perplexity, KL to final and agreement by layer: [3, n_layers + 1].
Tensor scores(const AnalysisInput& input, const Lens& lens, const Judged& judged) {
  const Readings r = read_layers(input.model, lens, judged.states, judged.next, input.compute);
  const Tensor final = r.best.select(1, r.best.size(1) - 1).unsqueeze(1);
  return at::stack({(-r.logprob.mean(0)).exp(), r.divergence.mean(0), (r.best == final).to(at::kFloat).mean(0)});
}

struct Causal {
  double rank_correlation = NAN, influence = NAN, random = NAN;
};

// Mean KL between the model's distributions with and without one direction of state `layer`, at every token.
double model_influence(const AnalysisInput& input, const model::Batch& batch, const Pass& pass, int64_t layer,
                       const Tensor& direction) {
  const Tensor h = pass.states[layer];
  const model::Start start{layer, ablate(h, direction.unsqueeze(0), h.mean(0))};
  const auto out = model::forward(input.model, batch,
                                  {.compute = input.compute, .logits = model::ForwardOptions::Logits::all}, &start);
  return kl(pass.logits, out.logits).mean().item<double>();
}

// Causal basis of one layer, found on the lens alone, then ablated in the model.
Causal check_basis(const AnalysisInput& input, const Lens& lens, const Sequences& texts, int64_t layer, int64_t count) {
  const Pass pass = states_of(input.model, texts, input.compute);
  std::vector<model::Row> rows;
  for (const auto& tokens : texts) rows.push_back({tokens});
  const model::Batch batch = model::pack(rows, input.model.config.vocab);
  const Tensor states = pass.states[layer];
  const Basis basis = causal_basis(input.model, lens, layer, states, count, input.seed, input.compute);
  const at::NoGradGuard plain;
  std::vector<double> in_lens = basis.influence, in_model;
  for (int64_t k = 0; k < count; ++k)
    in_model.push_back(model_influence(input, batch, pass, layer, basis.directions[k]));
  Causal result;
  result.influence = stats::mean_of(in_model);
  std::vector<double> random;
  Tensor noise = at::empty({count, states.size(1)});
  Rng rng(input.seed, 4);
  for (int64_t i = 0; i < noise.numel(); ++i) noise.data_ptr<float>()[i] = float(rng.normal());
  for (int64_t k = 0; k < count; ++k) {
    const Tensor v = noise[k] / noise[k].norm();
    random.push_back(model_influence(input, batch, pass, layer, v));
  }
  result.random = stats::mean_of(random);
  result.rank_correlation = stats::spearman(in_lens, in_model);
  return result;
}

// The layers at a quarter, half and three quarters of the depth, each once.
std::vector<int64_t> checked_layers(int64_t n_layers) {
  std::vector<int64_t> layers;
  for (const int64_t quarter : {1, 2, 3}) {
    const int64_t layer = std::max<int64_t>(1, quarter * n_layers / 4);
    if (layer < n_layers && (layers.empty() || layers.back() != layer)) layers.push_back(layer);
  }
  return layers;
}

Json describe_causal(const AnalysisInput& input, const Lens& tuned, const Json& params, std::vector<double>& flat) {
  Json rows = Json::array();
  const int64_t count = params.at("basis");
  if (count == 0) return rows;
  const auto texts = held_out_texts(input.model, input.some_texts(), params.at("basis_tokens"), input.seed + 1);
  for (const int64_t layer : checked_layers(input.model.config.n_layers)) {
    const Causal fitted = check_basis(input, tuned, texts, layer, count),
                 plain = check_basis(input, {}, texts, layer, count);
    rows.push_back({{"layer", layer},
                    {"tuned", {{"spearman", fitted.rank_correlation}, {"kl_in_model", fitted.influence}}},
                    {"logit", {{"spearman", plain.rank_correlation}, {"kl_in_model", plain.influence}}},
                    {"kl_of_random_directions", fitted.random}});
    for (const double x : {fitted.rank_correlation, plain.rank_correlation, fitted.influence, fitted.random})
      flat.push_back(x);
  }
  return rows;
}

Lens get_lens(const AnalysisInput& input, const Json& params) {
  const std::string file = params.at("lens");
  if (!file.empty()) return load_lens(file, input.model);
  LensOptions options;
  options.steps = params.at("steps"), options.tokens = params.at("tokens"), options.rate = params.at("rate");
  options.weight_decay = params.at("weight_decay");
  options.seed = input.seed, options.compute = input.compute;
  return fit_lens(input.model, input.some_texts(), options, input.progress);
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Lens lens = get_lens(input, params);
  const auto texts = input.some_texts();
  const Judged judged = read_texts(input, held_out_texts(input.model, texts, params.at("judged"), input.seed));
  const Tensor tuned = scores(input, lens, judged), plain = scores(input, {}, judged);  // [3, n_layers + 1]
  Json layers = Json::array();
  const auto names = layer_names(input.model.config);
  for (size_t l = 0; l < names.size(); ++l) {
    const auto of = [&](const Tensor& x) {
      const auto row = doubles(x.select(1, int64_t(l)));
      return Json{{"perplexity", row[0]}, {"kl_to_final", row[1]}, {"agreement", row[2]}};
    };
    layers.push_back({{"layer", names[l]}, {"tuned", of(tuned)}, {"logit", of(plain)}});
  }
  std::vector<double> flat;
  const Json causal = describe_causal(input, lens, params, flat);
  AnalysisResult result{
      {{"texts", texts.name}, {"tokens_judged", judged.next.size(0)}, {"layers", layers}, {"causal_basis", causal}},
      tensors_of(lens)};
  result.tensors["tuned"] = tuned;
  result.tensors["logit"] = plain;
  // Spearman of the tuned and of the logit lens, mean KL of ablation in the model: basis, random directions
  if (!flat.empty()) result.tensors["causal"] = at::tensor(at::ArrayRef<double>(flat)).view({-1, 4});
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "tuned-lens",
              .family = "inside",
              .title = "Tuned lens",
              .paper = "arXiv 2303.08112",
              .sentence =
                  "Fits an affine translator for every layer so that its state reads as the final distribution, "
                  "and judges it beside the logit lens: perplexity, KL, agreement, causal directions.",
              .params = {{"lens", "", "a file that this analysis wrote (-o): judged instead of a new one"},
                         {"steps", 250, "steps of training", 1, 1000000},
                         {"tokens", 1024, "tokens of a step", 1, 10000000},
                         {"rate", 1.0, "learning rate at the start; it falls linearly", 0, 1000},
                         {"weight_decay", 1e-3, "of the translators", 0, 1},
                         {"judged", 8192, "tokens of held-out texts that the lens is judged on", 16, 10000000},
                         {"basis", 16, "directions of the causal check at each of three layers; 0: no check", 0, 1000},
                         {"basis_tokens", 512, "tokens of held-out texts that they are found on", 16, 1000000}},
              .example = "ken inside tuned-lens steps=20 basis=0 -o lens.safetensors",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::tuned_lens_file
