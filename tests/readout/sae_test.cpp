// Sparse autoencoders: the hand-written gradients against autograd's on the published losses, planted directions found
// again, files that others write, checkpoints, and the evaluation's numbers where they are known.
#include <gtest/gtest.h>
#include <unistd.h>

#include "ken/base/error.h"
#include "ken/io/npz.h"
#include "ken/nn/sparse_code.h"
#include "ken/readout/sae.h"
#include "tests/tiny.h"

namespace ken::readout::sae_test_file {
namespace {

Sae random_sae(SaeKind kind, int64_t d = 6, int64_t m = 10) {
  at::manual_seed(11);
  Sae sae;
  sae.kind = kind;
  sae.w_enc = at::randn({d, m});
  sae.b_enc = at::randn({m}) * 0.1;
  sae.w_dec = at::randn({m, d});
  sae.b_dec = at::randn({d});
  sae.k = kind == SaeKind::topk ? 3 : 0;
  if (kind == SaeKind::jumprelu || kind == SaeKind::batchtopk) sae.threshold = at::rand({m});
  sae.point = "blocks.1.hook_resid_post";
  return sae;
}

fs::path scratch(const std::string& name) {
  return fs::temp_directory_path() / fmt::format("ken-sae-test-{}-{}", ::getpid(), name);
}

TEST(SaeTest, encodes_as_each_kind_is_defined) {
  const Tensor x = at::randn({7, 6});
  const Sae relu = random_sae(SaeKind::relu);
  const Tensor pre = at::mm(x, relu.w_enc) + relu.b_enc;
  EXPECT_TRUE(at::allclose(relu.encode(x), at::relu(pre)));
  const Sae jump = random_sae(SaeKind::jumprelu);
  EXPECT_TRUE(at::allclose(jump.encode(x), pre * (pre > jump.threshold)));
  const Sae top = random_sae(SaeKind::topk);
  const Tensor z = top.encode(x);
  EXPECT_TRUE(at::le(z.gt(0).sum(1), 3).all().item<bool>());
  EXPECT_TRUE(at::allclose(z.sum(1), at::relu(std::get<0>(pre.topk(3, -1))).sum(1)));
  EXPECT_TRUE(at::allclose(relu.decode(z) - relu.decode(at::zeros_like(z)), relu.difference(z), 1e-5, 1e-5));
  EXPECT_THROW(relu.encode(at::randn({7, 5})), Error);
}

TEST(SaeTest, the_row_kernels_find_what_torch_finds) {
  for (const int64_t m : {5, 16, 100, 1000})
    for (const int64_t k : {1, 5, 32}) {
      const Tensor pre = at::randn({m}), bias = at::randn({m}) * 0.1, y = pre + bias;
      std::vector<float> scratch(size_t(2 * m + 64) + 256), value(size_t(m) + 1);
      std::vector<int32_t> feature(size_t(m) + 1);
      const int64_t n = nn::largest_entries(pre.data_ptr<float>(), bias.data_ptr<float>(), m, k, scratch.data(),
                                            feature.data(), value.data());
      const Tensor best = std::get<0>(y.topk(std::min(k, m)));
      Tensor found = at::zeros({m});
      for (int64_t e = 0; e < n; ++e) found[feature[size_t(e)]] = value[size_t(e)];
      EXPECT_TRUE(at::equal(found, at::where(y >= best[-1], at::relu(y), at::zeros({})))) << m << " " << k;
      const Tensor bound = at::full({m}, 0.3);
      const int64_t above = nn::entries_above(pre.data_ptr<float>(), bias.data_ptr<float>(), bound.data_ptr<float>(), m,
                                              feature.data(), value.data());
      EXPECT_EQ(above, y.gt(0.3).sum().item<int64_t>());
    }
}

// One step of each kind from the trainer's own state, against Adam on autograd's gradients of the written loss.
struct Reference {
  Tensor enc, dec, b_enc, b_dec, log_theta;
};

Tensor loss_of(const SaeTraining& o, const Reference& p, const Tensor& x, double sparsity) {
  const Tensor y = at::mm(x, p.enc.t()) + p.b_enc;
  Tensor z;
  if (o.kind == SaeKind::relu) z = at::relu(y);
  if (o.kind == SaeKind::topk) {
    const auto [values, indices] = y.topk(o.k, -1);
    z = at::zeros_like(y).scatter(1, indices, at::relu(values));
  }
  if (o.kind == SaeKind::batchtopk) {
    const Tensor least = std::get<0>(y.flatten().topk(o.k * x.size(0)))[-1].detach();
    z = at::relu(y) * (y >= least);
  }
  const Tensor theta = p.log_theta.exp();
  if (o.kind == SaeKind::jumprelu) z = y * (y > theta).detach();
  const Tensor loss = (at::mm(z, p.dec) + p.b_dec - x).square().sum(1).mean();
  return o.kind == SaeKind::relu ? loss + sparsity * z.sum(1).mean() : loss;
}

class SaeStepTest : public testing::TestWithParam<SaeKind> {};

TEST_P(SaeStepTest, takes_the_step_that_autograd_and_adam_take) {
  at::manual_seed(2);
  const int64_t d = 8, m = 40, n = 64;
  SaeTraining o;
  o.kind = GetParam();
  o.features = m;
  o.k = 5;
  o.batch = n;
  o.tokens = n * 10;
  o.warmup = o.sparsity_warmup = 0;
  o.decay = 0;
  o.sparsity = 0.3;
  o.lr = 0.01;
  o.compute = nn::Compute::f32;
  const Tensor rows = at::randn({n, d}) * 3 + 1;
  SaeTrainer trainer(o, rows);
  auto before = trainer.state();
  for (auto& [name, t] : before) t = t.clone();
  trainer.step(rows);
  const auto after = trainer.state();
  const double scale = before.at("scalars")[0].item<double>();
  const Tensor x = (rows - before.at("centre")) * scale;
  EXPECT_NEAR(x.square().sum(1).mean().item<double>(), 1, 1e-4);
  Reference p;
  for (auto [to, name] : {std::pair{&p.enc, "enc"},
                          {&p.dec, "dec"},
                          {&p.b_enc, "b_enc"},
                          {&p.b_dec, "b_dec"},
                          {&p.log_theta, "log_theta"}})
    *to = before.at(name).clone().requires_grad_();
  loss_of(o, p, x, o.sparsity).backward();
  // The first moments are 0.1 times the gradient after one step.
  const auto compare = [&](const char* moment, const Tensor& gradient) {
    EXPECT_TRUE(at::allclose(after.at(moment) * 10, gradient, 1e-3, 1e-5))
        << moment << " " << (after.at(moment) * 10 - gradient).abs().max().item<double>();
  };
  compare("enc_m", p.enc.grad());
  compare("be_m", p.b_enc.grad());
  compare("bd_m", p.b_dec.grad());
  const Tensor along = (p.dec.grad() * before.at("dec")).sum(1, true);
  compare("dec_m", p.dec.grad() - along * before.at("dec"));
  EXPECT_TRUE(at::allclose(after.at("dec").norm(2, 1), at::ones({m}), 1e-5, 1e-5));
  if (o.kind == SaeKind::jumprelu) {  // the straight-through estimator, written out
    const Tensor y = at::mm(x, before.at("enc").t()) + before.at("b_enc"), theta = before.at("log_theta").exp();
    const Tensor z = y * (y > theta), error = at::mm(z, before.at("dec")) + before.at("b_dec") - x;
    const Tensor near = ((y - theta).abs() < o.bandwidth / 2).to(at::kFloat) / o.bandwidth;
    const double l0 = (z > 0).sum().item<double>() / double(n);
    const Tensor dz = 2.0 / double(n) * at::mm(error, before.at("dec").t());
    const double dl0 = 2 * o.sparsity * (l0 / double(o.k) - 1) / double(o.k) / double(n);
    compare("th_m", -((dz * theta + dl0) * near).sum(0) * theta);
  }
}
INSTANTIATE_TEST_SUITE_P(Kinds, SaeStepTest,
                         testing::Values(SaeKind::relu, SaeKind::topk, SaeKind::batchtopk, SaeKind::jumprelu),
                         [](const auto& info) { return kind_name(info.param); });

// Rows that are sums of few of a set of planted directions.
Tensor planted_rows(const Tensor& directions, int64_t n, double chance) {
  const Tensor on = (at::rand({n, directions.size(0)}) < chance).to(at::kFloat);
  return at::mm(on * (at::rand({n, directions.size(0)}) + 0.5), directions) * 4 + 2;
}

TEST(SaeTest, finds_planted_directions_with_every_kind) {
  at::manual_seed(1);
  const int64_t d = 24, planted = 32;
  Tensor directions = at::randn({planted, d});
  directions = directions / directions.norm(2, 1, true);
  for (const SaeKind kind : {SaeKind::relu, SaeKind::topk, SaeKind::batchtopk, SaeKind::jumprelu}) {
    SaeTraining o;
    o.kind = kind;
    o.features = 48;
    o.k = 3;
    o.batch = 256;
    o.tokens = 256 * 1200;
    o.lr = 3e-3;
    o.sparsity = kind == SaeKind::relu ? 0.2 : 1;
    o.dead_after = 256 * 60;
    SaeTrainer trainer(o, planted_rows(directions, 4096, 0.08));
    SaeStep last;
    for (int64_t s = 0; s < 1200; ++s) last = trainer.step(planted_rows(directions, o.batch, 0.08));
    const Sae sae = trainer.result();
    const Tensor cosines = at::mm(directions, sae.w_dec.t()).abs().amax(1);  // of each planted one, the best
    const double share = cosines.gt(0.9).to(at::kFloat).mean().item<double>();
    EXPECT_GT(share, 0.8) << kind_name(kind) << " " << last.unexplained << " " << last.l0;
    const Tensor x = planted_rows(directions, 2000, 0.08), z = sae.encode(x);
    const double unexplained = ((x - sae.decode(z)).square().sum() / (x - x.mean(0)).square().sum()).item<double>();
    EXPECT_LT(unexplained, 0.2) << kind_name(kind);
    EXPECT_LT(z.gt(0).sum(1).to(at::kFloat).mean().item<double>(), 10) << kind_name(kind);
  }
}

// Half of the features begin with encoders too short to be among the k largest: they never fire, and only the auxiliary
// loss reaches them.
TEST(SaeTest, the_auxiliary_loss_brings_dead_features_back) {
  const auto dead_with = [&](double aux) {
    at::manual_seed(3);
    Tensor directions = at::randn({96, 16});
    directions = directions / directions.norm(2, 1, true);
    SaeTraining o;
    o.kind = SaeKind::topk;
    o.features = 64;
    o.k = 2;
    o.batch = 128;
    o.tokens = 128 * 400;
    o.dead_after = 128 * 20;
    o.aux = aux;
    o.compute = nn::Compute::f32;
    SaeTrainer trainer(o, planted_rows(directions, 2048, 0.05));
    auto state = trainer.state();
    state["enc"].narrow(0, 32, 32).mul_(0.05);  // the trainer's own tensor
    SaeStep last;
    for (int64_t s = 0; s < 400; ++s) last = trainer.step(planted_rows(directions, o.batch, 0.05));
    return last.dead;
  };
  EXPECT_GT(dead_with(0), 20);
  EXPECT_LT(dead_with(1.0 / 32), 5);
}

TEST(SaeTest, files_hold_what_was_saved) {
  const Tensor x = at::randn({5, 6});
  for (const SaeKind kind : {SaeKind::relu, SaeKind::topk, SaeKind::batchtopk, SaeKind::jumprelu}) {
    Sae sae = random_sae(kind);
    sae.model_sha256 = "abc";
    const fs::path folder = scratch(kind_name(kind));
    save_sae(sae, folder);
    const Sae again = load_sae(folder);
    EXPECT_EQ(again.kind, kind);
    EXPECT_EQ(again.point, sae.point);
    EXPECT_EQ(again.model_sha256, "abc");
    EXPECT_TRUE(at::equal(again.encode(x), sae.encode(x)));
    EXPECT_TRUE(at::equal(again.decode(again.encode(x)), sae.decode(sae.encode(x))));
    if (sae.threshold.defined()) {
      save_sae_npz(sae, folder / "params.npz");
      const Sae gemma = load_sae(folder / "params.npz");
      EXPECT_EQ(gemma.kind, SaeKind::jumprelu);
      EXPECT_TRUE(at::equal(gemma.encode(x), sae.encode(x)));
    } else {
      EXPECT_THROW(save_sae_npz(sae, folder / "params.npz"), UsageError);
    }
    fs::remove_all(folder);
  }
}

TEST(SaeTest, a_folder_of_saelens_that_centres_by_b_dec_is_folded) {
  const Sae sae = random_sae(SaeKind::relu);
  const fs::path folder = scratch("saelens");
  save_sae(sae, folder);
  const auto config = [&](const std::string& text) { write_text(folder / "cfg.json", text); };
  config(R"({"architecture": "standard", "d_in": 6, "d_sae": 10, "apply_b_dec_to_input": true, "normalize_activations":
            "none", "hook_name": "blocks.3.hook_resid_pre", "activation_fn_str": "relu"})");
  const Tensor x = at::randn({5, 6});
  const Sae again = load_sae(folder);
  EXPECT_EQ(again.point, "blocks.3.hook_resid_pre");
  EXPECT_TRUE(at::allclose(again.encode(x), at::relu(at::mm(x - sae.b_dec, sae.w_enc) + sae.b_enc), 1e-4, 1e-5));
  config(R"({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 2}, "apply_b_dec_to_input": false})");
  EXPECT_EQ(load_sae(folder).kind, SaeKind::topk);
  EXPECT_EQ(load_sae(folder).k, 2);
  for (const char* bad : {R"({"architecture": "gated"})", R"({"normalize_activations": "layer_norm"})", "[]", "{",
                          R"({"architecture": "topk", "k": 11})", R"({"architecture": "jumprelu"})"}) {
    config(bad);
    EXPECT_THROW(load_sae(folder), Error) << bad;
  }
  fs::remove_all(folder);
  EXPECT_THROW(load_sae(folder), UsageError);
}

data::Texts documents(int64_t count) {
  const auto world = std::make_shared<const world::World>(test::tiny_world());
  return {"documents", count, [world](int64_t i) { return world->document(i).text; }};
}

SaeTraining small_training() {
  SaeTraining o;
  o.features = 64;
  o.k = 4;
  o.batch = 64;
  o.tokens = 64 * 20;
  return o;
}

StreamOptions small_stream() {
  StreamOptions options;
  options.point = "blocks.0.hook_resid_post";
  options.block = 300;
  return options;
}

TEST(SaeTest, a_run_that_was_cut_ends_with_the_same_numbers) {
  const auto model = test::tiny_model();
  const fs::path folder = scratch("checkpoint");
  const SaeTraining o = small_training();
  ActivationStream stream(*model, documents(60), small_stream());
  const Sae whole = train_sae(stream, o);
  ActivationStream first(*model, documents(60), small_stream());
  const Progress stop = [](std::string_view, size_t done, size_t, std::string_view) {
    if (done == 13) throw Error("cut");
  };
  EXPECT_THROW(train_sae(first, o, stop, folder, 5), Error);
  ASSERT_TRUE(fs::exists(folder / "checkpoint.safetensors"));
  size_t began = 0;
  const Progress note = [&](std::string_view, size_t done, size_t, std::string_view) { began = began ? began : done; };
  ActivationStream second(*model, documents(60), small_stream());
  const Sae resumed = train_sae(second, o, note, folder, 5);
  EXPECT_EQ(began, 11u);
  EXPECT_TRUE(at::equal(resumed.w_enc, whole.w_enc));
  EXPECT_TRUE(at::equal(resumed.w_dec, whole.w_dec));
  EXPECT_TRUE(at::equal(resumed.threshold, whole.threshold));
  SaeTraining other = o;
  other.k = 5;
  ActivationStream third(*model, documents(60), small_stream());
  EXPECT_THROW(train_sae(third, other, {}, folder, 5), UsageError);
  fs::remove_all(folder);
}

TEST(SaeTest, the_evaluation_knows_a_perfect_and_a_useless_dictionary) {
  const auto model = test::tiny_model();
  const int64_t d = model->config.d_model;
  Sae perfect;  // x = relu(x) - relu(-x), on twice as many features
  perfect.kind = SaeKind::relu;
  perfect.w_enc = at::cat({at::eye(d), -at::eye(d)}, 1);
  perfect.w_dec = at::cat({at::eye(d), -at::eye(d)}, 0);
  perfect.b_enc = at::zeros({2 * d});
  perfect.b_dec = at::zeros({d});
  perfect.point = "blocks.0.hook_resid_post";
  SaeEvaluationOptions options;
  options.rows = 600;
  options.ce_rows = 300;
  const SaeEvaluation good = evaluate(*model, perfect, documents(50), options);
  EXPECT_NEAR(good.explained_variance, 1, 1e-5);
  EXPECT_NEAR(good.cosine, 1, 1e-5);
  EXPECT_NEAR(good.l0, double(d), 0.1);
  EXPECT_NEAR(good.ce_spliced, good.ce, 1e-5);
  EXPECT_NEAR(good.recovered_zero(), 1, 1e-3);
  EXPECT_GT(good.dense, 0.9);
  EXPECT_GE(good.rows, 550);
  Sae useless = perfect;  // never fires, and its bias is nothing
  useless.b_enc = at::full({2 * d}, -1e6);
  const SaeEvaluation bad = evaluate(*model, useless, documents(50), options);
  EXPECT_EQ(bad.dead, 1);
  EXPECT_EQ(bad.l0, 0);
  EXPECT_LE(bad.explained_variance, 1e-6);
  EXPECT_NEAR(bad.ce_spliced, bad.ce_zero, 1e-6);
}

TEST(SaeTest, a_feature_is_described_by_where_it_fires_and_what_it_promotes) {
  const auto model = test::tiny_model();
  const auto texts = documents(50);
  const auto ids = token_rows(*model, texts.at(0), 128).at(0);
  const int32_t wanted = ids.back();
  Sae sae;  // one feature: the embedding of a token, which fires on that token alone
  sae.kind = SaeKind::jumprelu;
  const Tensor row = nn::rows_of(model->embed, at::tensor({int64_t(wanted)}))[0];
  sae.w_enc = (row / row.square().sum()).unsqueeze(1);
  sae.w_dec = row.unsqueeze(0) / row.norm();
  sae.b_enc = at::zeros({1});
  sae.b_dec = at::zeros({row.size(0)});
  sae.threshold = at::full({1}, 0.99);
  sae.point = "hook_embed";
  const auto uses = feature_uses(*model, sae, texts, {0}, 3, {});
  ASSERT_EQ(uses.size(), 1u);
  const std::string token = model->tokenizer->decode(std::vector<int32_t>{wanted});
  ASSERT_FALSE(uses[0].tokens.empty());
  EXPECT_EQ(uses[0].tokens[0], (std::pair{token, 1.0}));
  EXPECT_EQ(uses[0].examples.at(0).token, token);
  EXPECT_NEAR(uses[0].mean, 1, 1e-4);
  EXPECT_GT(uses[0].density, 0);
  EXPECT_EQ(uses[0].promoted.size(), 8u);
  EXPECT_THROW(feature_uses(*model, sae, texts, {1}, 3, {}), UsageError);
}

}  // namespace
}  // namespace ken::readout::sae_test_file
