#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/io/tensors.h"
#include "ken/readout/analysis.h"
#include "ken/readout/push.h"
#include "tests/tiny.h"

#include <gtest/gtest.h>

namespace ken::generate::vector_test_file {
namespace {

class VectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder);
    readout::ControlVector vector{.model_hint = "llama"};
    vector.directions[1] = at::zeros({32});
    vector.directions[1][3] = 2.0;
    readout::save(vector, file);
  }
  void TearDown() override { fs::remove_all(folder); }

  // What the control makes of states at layer 1 of a model with BOS.
  Tensor steered(const std::string& params, const Tensor& x, std::vector<int64_t> positions, model::Phase phase,
                 const std::string& prompt = "the birthplace of") {
    const auto control = control_from("vector:file=" + file.string() + (params.empty() ? "" : "," + params)).make();
    control->begin({*model, nn::Compute::f32});
    control->twins({prompt, ""});
    const auto taps = control->taps();
    EXPECT_EQ(taps.size(), 1u);
    EXPECT_EQ(taps[0].point, "blocks.1.hook_resid_post");
    const auto y = taps[0].fn(x, {0, positions, phase, 1, model::Point::resid_post});
    return y ? *y : x;
  }
  Tensor moved(const std::string& params, const Tensor& x, model::Phase phase = model::Phase::prefill) {
    std::vector<int64_t> positions;
    for (int64_t i = 0; i < x.size(0); ++i) positions.push_back(phase == model::Phase::prefill ? i : 40 + i);
    return steered(params, x, positions, phase) - x;
  }

  const std::shared_ptr<model::Model> model = test::tiny_model();
  const fs::path folder = fs::temp_directory_path() / "ken-vector-test", file = folder / "v.gguf";
};

TEST_F(VectorTest, adds_sets_and_ablates_by_the_formula) {
  const Tensor x = at::arange(64).reshape({2, 32}).to(at::kFloat);  // BOS, then one row; h.v^ of the second is 35
  ASSERT_TRUE(model->tokenizer->add_bos);
  const auto at_three = [&](const std::string& params) { return moved(params, x)[1][3].item<double>(); };
  EXPECT_DOUBLE_EQ(at_three("strength=1.5"), 3.0);
  EXPECT_DOUBLE_EQ(at_three("operation=set,strength=2"), 4.0 - 35);
  EXPECT_DOUBLE_EQ(at_three("operation=ablate"), -35);
  EXPECT_DOUBLE_EQ(at_three("operation=ablate,strength=0.5"), -17.5);
  EXPECT_EQ(moved("strength=1.5", x)[0].abs().max().item<double>(), 0);  // BOS
  EXPECT_DOUBLE_EQ(moved("strength=1.5,bos=true", x)[0][3].item<double>(), 3.0);
  const Tensor kept = steered("strength=9,keep_norm=true", x, {0, 1}, model::Phase::prefill);
  EXPECT_TRUE(at::allclose(kept.norm(2, at::IntArrayRef{1}), x.norm(2, at::IntArrayRef{1})));
}

TEST_F(VectorTest, rows_are_chosen_by_phase_window_token_and_direction) {
  const Tensor x = at::ones({4, 32});
  const auto rows = [&](const std::string& params, model::Phase phase) {
    std::vector<int> which;
    const Tensor m = moved(params, x, phase).abs().sum(1);
    for (int64_t i = 0; i < 4; ++i)
      if (m[i].item<double>() > 0) which.push_back(int(i));
    return which;
  };
  using Rows = std::vector<int>;
  const auto prompt = model::Phase::prefill, decode = model::Phase::decode;
  EXPECT_EQ(rows("", prompt), (Rows{1, 2, 3}));
  EXPECT_EQ(rows("phase=prompt", decode), Rows{});
  EXPECT_EQ(rows("phase=decode", prompt), Rows{});
  EXPECT_EQ(rows("phase=decode", decode), (Rows{0, 1, 2, 3}));
  const auto last = int(model::prompt_ids(*model, "the birthplace of").size()) - 1;
  ASSERT_EQ(last, 3);
  EXPECT_EQ(rows("phase=answer", prompt), (Rows{3}));
  EXPECT_EQ(rows("window=1..2", prompt), (Rows{1, 2}));
  EXPECT_EQ(rows("window=-2", prompt), (Rows{2}));
  EXPECT_EQ(rows("token=birthplace", prompt), (Rows{2}));
  EXPECT_EQ(rows("above=0.9", prompt), Rows{});  // the cosine of ones with one axis is 0.18
  EXPECT_EQ(rows("above=0.1", prompt), (Rows{1, 2, 3}));
}

TEST_F(VectorTest, a_file_round_trips_and_a_bad_one_is_refused) {
  readout::ControlVector vector{"llama", "hook_mlp_out", "ablate", {{2, at::arange(8).to(at::kFloat)}}, 1.5};
  readout::save(vector, folder / "w.gguf");
  const auto read = readout::load_control_vector(folder / "w.gguf");
  EXPECT_EQ(read.point, vector.point);
  EXPECT_EQ(read.operation, vector.operation);
  EXPECT_EQ(read.mean_norm, 1.5);
  EXPECT_TRUE(at::equal(read.directions.at(2), vector.directions.at(2)));
  io::Metadata metadata;
  metadata.values["general.architecture"] = std::string("controlvector");
  const std::vector<float> nan(4, NAN);
  const auto bytes = std::as_bytes(std::span(nan));
  for (const char* name : {"direction.1", "direction.x", "direction.-1", "direction.99999999", "other"}) {
    io::write_gguf(folder / "bad.gguf", metadata, {{name, io::DType::f32, {4}, bytes}});
    EXPECT_THROW(readout::load_control_vector(folder / "bad.gguf"), Error) << name;
  }
  EXPECT_THROW(control_from("vector:file=" + (folder / "nowhere.gguf").string()), Error);
}

TEST_F(VectorTest, llama_cpps_plain_form_is_added_to_the_layers_output) {
  io::Metadata metadata;
  metadata.values["general.architecture"] = std::string("controlvector");
  metadata.values["controlvector.layer_count"] = int64_t(1);
  const std::vector<float> v(32, 0.5f);
  io::write_gguf(file, metadata, {{"direction.1", io::DType::f32, {32}, std::as_bytes(std::span(v))}});
  EXPECT_TRUE(at::allclose(moved("", at::zeros({2, 32}))[1], at::full({32}, 0.5)));
}

TEST_F(VectorTest, a_steering_request_says_which_tokens) {
  const auto write = [&](const Json& request) {
    write_text(folder / "r.json", request.dump());
    return readout::read_request(request);
  };
  const auto one = write({{"path", file.string()},
                          {"scale", 2.0},
                          {"target_layers", {1}},
                          {"normalize", true},
                          {"prefill_trigger_tokens", {-1}}});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_TRUE(one[0].prompt.all && one[0].decode.none() && one[0].keep_norm);
  EXPECT_EQ(one[0].strength, 2.0);
  const Json two{{"vector_configs",
                  {{{"path", file.string()}, {"generate_trigger_tokens", {7}}},
                   {{"path", file.string()}, {"prefill_trigger_positions", {-1}}}}}};
  EXPECT_EQ(write(two).size(), 2u);
  for (const Json& bad : {Json{{"path", file.string()}}, Json{{"scale", 1}}, Json::array(), Json{{"vector_configs", 3}},
                          Json{{"path", 3}, {"prefill_trigger_tokens", {-1}}},
                          Json{{"path", file.string()}, {"prefill_trigger_tokens", "all"}},
                          Json{{"path", file.string()}, {"algorithm", "loreft"}, {"prefill_trigger_tokens", {-1}}}})
    EXPECT_THROW(readout::read_request(bad), UsageError) << bad.dump();
}

TEST_F(VectorTest, directions_lie_towards_the_first_side) {
  at::manual_seed(1);
  Tensor negative = at::randn({40, 6}), positive = negative.clone();
  positive.select(1, 2) += 3 + 0.1 * at::randn({40});
  for (const char* method : {"mean", "pca"}) {
    const Tensor v = readout::direction_of(positive, negative, method);
    EXPECT_NEAR(v[2].item<double>(), 3, 0.1) << method;
    EXPECT_LT(v.index_fill(0, at::tensor({int64_t{2}}), 0).abs().max().item<double>(), 0.1) << method;
  }
  EXPECT_THROW(readout::direction_of(positive, negative, "sum"), UsageError);
}

TEST_F(VectorTest, layers_outside_the_model_and_wrong_widths_are_refused) {
  const auto begin = [&](const std::string& params) {
    control_from("vector:" + params).make()->begin({*model, nn::Compute::f32});
  };
  begin("layers=0..1");
  begin("layers=-1");
  EXPECT_THROW(begin("layers=2"), UsageError);
  EXPECT_THROW(begin("layers=x"), UsageError);
  EXPECT_THROW(begin("token=the birthplace"), UsageError);
  readout::save({.directions = {{1, at::ones({31})}}}, file);
  EXPECT_THROW(begin("file=" + file.string()), Error);
  readout::save({.directions = {{9, at::ones({32})}}}, file);
  EXPECT_THROW(begin("file=" + file.string()), Error);
}

TEST_F(VectorTest, is_fitted_on_pairs_of_a_file) {
  std::string lines;
  for (int i = 0; i < 12; ++i)
    lines += Json{{"positive", "use the text above " + std::to_string(i)},
                  {"negative", "use memory now " + std::to_string(i)}}
                 .dump() +
             "\n";
  write_text(folder / "pairs.jsonl", lines);
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "vector");
  const auto facts = test::tiny_facts();
  const auto result = entry.run({*model, facts, data::prompt_style(model->metadata), 1},
                                resolve_params(entry.card, {{"pairs", (folder / "pairs.jsonl").string()}}));
  EXPECT_EQ(result.table.at("layers").size(), 2u);
  EXPECT_EQ(result.tensors.at("direction.1").numel(), 32);
  EXPECT_EQ(result.lever.at("form"), "control vector");
  for (const Json& layer : result.table.at("layers")) {
    EXPECT_GE(layer.at("auroc").get<double>(), 0);
    EXPECT_LE(layer.at("auroc").get<double>(), 1);
  }
  write_text(folder / "pairs.jsonl", "{\"positive\": \"a\"}\n");
  EXPECT_THROW(entry.run({*model, facts, data::prompt_style(model->metadata), 1},
                         resolve_params(entry.card, {{"pairs", (folder / "pairs.jsonl").string()}})),
               Error);
}

}  // namespace
}  // namespace ken::generate::vector_test_file
