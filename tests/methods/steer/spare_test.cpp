#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/readout/sparse_edit.h"
#include "tests/steered_rows.h"

namespace ken::generate::spare_test_file {
namespace {

using readout::Sae;
using readout::SparseEdit;
using readout::SparseEdits;

at::Tensor row(std::vector<float> values) { return at::tensor(values); }

// Latent i reads and writes coordinate i.
Sae plain_sae(int64_t d, int64_t m) {
  Sae sae;
  sae.w_enc = at::eye(d, m), sae.b_enc = at::zeros({m}), sae.w_dec = at::eye(m, d), sae.b_dec = at::ones({d});
  sae.point = "blocks.1.hook_resid_post";
  return sae;
}

// Latents 0 and 1 of memory, clipped at 2 and 1; latent 2 of the passage, clipped at 3.
SparseEdits edits(int64_t d = 32) {
  SparseEdit e{.point = "blocks.1.hook_resid_post", .reader = plain_sae(d, 3), .selected = at::arange(3)};
  e.rows = at::eye(3, d);
  e.clip = {row({2, 1, 0}), row({0, 0, 3})};
  return {{e}, {1.5, 2.0}};
}

std::unique_ptr<Control> begun(const model::Model& model, const Json& params) {
  auto control = control_from("spare", params).make();
  control->begin({model, nn::Compute::f32});
  return control;
}

TEST(SpareTest, clips_removes_and_adds_as_the_paper_does) {
  const SparseEdit e = edits(4).layers[0];
  const at::Tensor h = row({5, 0.5, 1, -7}).unsqueeze(0);  // z = (5, 0.5, 1)
  // to memory: z- = min(z, zbar^C) = (0, 0, 1), z+ = max(zbar^M - z, 0) = (0, 0.5, 0)
  EXPECT_TRUE(at::allclose(e.change(h, 0), row({0, 0.5, -1, 0}).unsqueeze(0)));
  // to the passage: z- = (2, 0.5, 0), z+ = (0, 0, 2)
  EXPECT_TRUE(at::allclose(e.change(h, 1), row({-2, -0.5, 2, 0}).unsqueeze(0)));
  // the released form with alpha 2: z- = min(z, (4, 2, 0)), z+ = max((0, 0, 6) - z, 0)
  EXPECT_TRUE(at::allclose(e.change(h, 1, 2), row({-4, -0.5, 5, 0}).unsqueeze(0)));
}

TEST(SpareTest, edits_the_last_prompt_row_alone_and_only_in_prefill) {
  const auto model = test::tiny_model();
  const test::OneFile file("ken-spare-test.safetensors");
  readout::save(readout::lever_of(edits(), "spare"), file.path);
  const at::Tensor x = at::zeros({2, 32}, at::kFloat);
  x[1][0] = 5.0f, x[1][1] = 0.5f, x[1][2] = 1.0f, x[1][9] = 4.0f;
  const auto edit = [&](Json params, model::Phase phase = model::Phase::prefill) {
    params["file"] = file.path.string();
    const auto control = begun(*model, params);
    return test::tapped(control->taps().at(0), x, phase);
  };
  at::Tensor memory = x.clone(), context = x.clone();
  memory[1][1] = 1.25f, memory[1][2] = -0.5f;                          // the file's strength 1.5
  context[1][0] = -1.0f, context[1][1] = -1.0f, context[1][2] = 7.0f;  // alpha 3
  EXPECT_TRUE(at::allclose(edit({{"to", "memory"}}), memory));
  EXPECT_TRUE(at::allclose(edit({{"to", "context"}, {"alpha", 3.0}}), context));
  EXPECT_TRUE(at::equal(edit({{"alpha", 3.0}}, model::Phase::decode), x));
  EXPECT_TRUE(at::equal(edit({{"alpha", 0.0}}), x));
  EXPECT_TRUE(at::equal(edit({{"alpha", 0.0}, {"clip", "code"}}), x));
  // random directions: as far, elsewhere
  const at::Tensor random = edit({{"alpha", 3.0}, {"seed", 1}}) - x;
  EXPECT_NEAR(random.norm().item<double>(), (context - x).norm().item<double>(), 1e-3);
  EXPECT_FALSE(at::allclose(random + x, context));
}

TEST(SpareTest, finds_the_latents_that_tell_and_puts_each_in_one_set) {
  at::Tensor states = at::zeros({40, 4}, at::kFloat);
  std::vector<int> classes;
  Rng rng(5);
  for (int64_t i = 0; i < 40; ++i) {
    const bool one = i % 2 == 1;
    classes.push_back(one);
    states[i][0] = float((one ? 1 : 3) + 0.1 * rng.normal());  // tells, larger in class 0
    states[i][1] = float((one ? 4 : 2) + 0.1 * rng.normal());  // tells, larger in class 1
    states[i][2] = float(1 + rng.uniform());                   // does not tell
    states[i][3] = -1.0f;                                      // never fires
  }
  at::Tensor weights = at::ones({40});
  weights[0] = 3.0f;
  const auto ranking = readout::rank_latents(plain_sae(4, 4), states, classes, weights, 3, 0);
  ASSERT_EQ(ranking.order.size(), 3u);
  EXPECT_EQ(ranking.order[2], 2);
  EXPECT_EQ(ranking.told[3], 0);
  const double first = (states.select(1, 0).slice(0, 0, 40, 2).sum() + 2 * states[0][0]).item<double>() / 22;
  EXPECT_NEAR(ranking.means[0][0].item<double>(), first, 1e-5);  // item 0 weighs three times
  const auto edit = readout::select_latents(ranking, 0.8);       // a share that takes both, and no third one
  ASSERT_EQ(edit.rows.size(0), 2);
  EXPECT_EQ(edit.reader.features(), 2);
  EXPECT_EQ((edit.clip[0] > 0).sum().item<int64_t>(), 1);
  EXPECT_TRUE(at::equal((edit.clip[0] > 0).logical_not(), edit.clip[1] > 0));
  EXPECT_EQ(readout::select_latents(ranking, 0.0).rows.size(0), 1);
}

TEST(SpareTest, a_top_k_reader_keeps_its_whole_encoder_through_its_file) {
  Sae sae = plain_sae(32, 6);
  sae.kind = readout::SaeKind::topk, sae.k = 1;
  const at::Tensor states = at::rand({30, 32});
  std::vector<int> classes;
  for (int i = 0; i < 30; ++i) classes.push_back(states[i][0].item<float>() > states[i][1].item<float>());
  const auto ranking = readout::rank_latents(sae, states, classes, at::ones({30}), 3, 0);
  SparseEdits whole{{readout::select_latents(ranking, 0.5)}};
  EXPECT_EQ(whole.layers[0].reader.w_enc.size(1), 6);
  const test::OneFile file("ken-spare-test-2.safetensors");
  readout::save(readout::lever_of(whole, "spare"), file.path);
  const auto read = readout::sparse_edits(readout::load_lever(file.path, "spare"));
  for (const int towards : {0, 1})
    EXPECT_TRUE(at::equal(read.layers[0].change(states, towards), whole.layers[0].change(states, towards)));
}

TEST(SpareTest, rows_do_not_lean_on_each_other) {
  test::expect_rows_do_not_lean_on_each_other(*test::tiny_model(), control_from("spare:to=memory,alpha=4"));
}

TEST(SpareTest, a_broken_lever_is_refused) {
  const auto refused = [](const std::function<void(readout::Lever&)>& breaks) {
    readout::Lever lever = readout::lever_of(edits(), "spare");
    breaks(lever);
    EXPECT_THROW(readout::sparse_edits(lever), Error);
  };
  refused([](auto& lever) { lever.about["edits"] = Json::array(); });
  refused([](auto& lever) { lever.about["edits"][0]["kind"] = "sparse"; });
  refused([](auto& lever) { lever.about.erase("strength_0"); });
  refused([](auto& lever) { lever.tensors["0.selected"] = row({0, 1, 9}); });
  refused([](auto& lever) { lever.tensors["0.clip_1"] = row({0, 1}); });
  refused([](auto& lever) { lever.tensors.erase("0.rows"); });
  EXPECT_THROW(control_from("spare:clip=half"), UsageError);
}

}  // namespace
}  // namespace ken::generate::spare_test_file
