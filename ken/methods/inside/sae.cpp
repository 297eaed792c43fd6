// Sparse autoencoders (Bricken et al. 2023; TopK: Gao et al., arXiv 2406.04093; BatchTopK: Bussmann et al., arXiv
// 2412.06410; JumpReLU: Rajamanoharan et al., arXiv 2407.14435): rows x [d] of one point of the stream as a sum of few
// of m > d directions,
//   z = activation(x W_enc + b_enc) [m],  x^ = z W_dec + b_dec [d],
// trained on running text and judged on texts that training never saw: how much of x is explained, by how many active
// features, and what the model loses when x^ takes the place of x.
#include <cmath>

#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "ken/readout/sae.h"
#include "ken/stats/stats.h"

namespace ken::readout::sae_file {
namespace {

constexpr int64_t parts = 10;  // one of so many texts is held out

SaeTraining training_from(const AnalysisInput& input, const Json& params) {
  SaeTraining o;
  o.kind = sae_kind(params.at("kind"));
  o.features = params.at("width").get<int64_t>() * input.model.config.d_model;
  o.k = params.at("k");
  o.sparsity = params.at("sparsity");
  o.batch = params.at("batch");
  o.tokens = std::max(params.at("tokens").get<int64_t>(), o.batch);
  o.lr = params.at("lr");
  o.dead_after = params.at("dead_after");
  o.seed = input.seed;
  return o;
}

// The residual stream after the block at this share of the depth.
std::string point_at(const model::Model& model, double depth) {
  const int64_t last = model.config.n_layers - 1;
  return fmt::format("blocks.{}.hook_resid_post", std::lround(depth * double(last)));
}

Json described(const SaeEvaluation& e) {
  Json table = Json::object();
  const auto number = [&](const char* name, double value, const char* metric) {
    table[name] = stats::to_json({value, e.rows, NAN, NAN, metric});
  };
  number("explained_variance", e.explained_variance, "1 - sum |x - x^|^2 / sum |x - mean|^2");
  number("l0", e.l0, "active features a row");
  number("cosine", e.cosine, "mean cosine of x and x^");
  number("dead", e.dead, "share of features that fire on no row");
  number("dense", e.dense, "share of features that fire on more than a tenth of the rows");
  number("ce", e.ce, "nats a token");
  number("ce_spliced", e.ce_spliced, "nats a token with x^ in place of x");
  number("ce_recovered_mean", e.recovered_mean(), "share of what replacing x by its mean costs");
  number("ce_recovered_zero", e.recovered_zero(), "share of what replacing x by zeros costs");
  return table;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const data::Texts texts = input.some_texts();
  if (texts.count < 2 * parts) fail("sae", "{} holds {} texts; {} are needed", texts.name, texts.count, 2 * parts);
  const SaeTraining training = training_from(input, params);
  StreamOptions options;
  options.point = point_at(input.model, params.at("depth"));
  options.seed = input.seed;
  ActivationStream stream(input.model, without_part(texts, parts, parts - 1), options);
  const Sae sae = train_sae(stream, training, input.progress);
  SaeEvaluationOptions judged;
  judged.rows = params.at("rows");
  judged.ce_rows = std::min<int64_t>(judged.rows, 1 << 13);
  judged.compute = input.compute;
  const SaeEvaluation e = evaluate(input.model, sae, only_part(texts, parts, parts - 1), judged, input.progress);
  AnalysisResult result{
      {{"id", "sae"},
       {"title", "Sparse autoencoder"},
       {"reads", "Rows of " + sae.point + " as sums of few directions, judged on texts held out."},
       {"kind", kind_name(sae.kind)},
       {"point", sae.point},
       {"features", sae.features()},
       {"texts", texts.name},
       {"evaluation", described(e)}},
      {{"W_enc", sae.w_enc}, {"W_dec", sae.w_dec}, {"b_enc", sae.b_enc}, {"b_dec", sae.b_dec}, {"density", e.density}}};
  if (sae.threshold.defined()) result.tensors["threshold"] = sae.threshold;
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "sae",
              .family = "inside",
              .title = "Sparse autoencoder",
              .paper = "arXiv 2412.06410",
              .sentence = "Trains a sparse autoencoder on a layer's stream over running text and reports how much it "
                          "explains, with how many active features, and what the model loses by it.",
              .params = {{"kind", "batchtopk", "what makes it sparse", -1e300, 1e300, sae_kinds()},
                         {"width", 8, "features, times the width of the stream", 1, 1024},
                         {"k", 32, "active features a row (relu: not used)", 1, 100000},
                         {"sparsity", 0.1, "relu: weight of the sum of |z|; jumprelu: of (L0 / k - 1)^2", 0, 1000},
                         {"depth", 0.5, "which layer, as a share of the depth", 0, 1},
                         {"tokens", 500000, "rows to train on; texts begin again when all are read", 1, 1e12},
                         {"batch", 1024, "rows a step", 1, 1000000},
                         {"lr", 0.001, "learning rate at its highest", 0, 1},
                         {"dead_after", 65536, "rows without firing after which a feature counts as dead in training",
                          1, 1e12},
                         {"rows", 32768, "held-out rows to judge on", 100, 1e12}},
              .example = "ken inside sae tokens=100000",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::sae_file
