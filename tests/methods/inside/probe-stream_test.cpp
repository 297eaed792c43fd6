// A probe read while an answer is generated: one score a token, the same as on collected states, whatever else is in
// the batch; an answer may end by it.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/readout/collect.h"
#include "ken/readout/probe.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::probe_stream_test_file {
namespace {

constexpr const char* point = "blocks.1.hook_resid_post";

fs::path saved_probes(const model::Model& model) {
  at::manual_seed(3);
  readout::Probe line{"line", point, "answer", "correct", "", at::randn({model.config.d_model}), 0.25};
  readout::Probe net{"net", "blocks.0.mlp.hook_post", "answer", "correct", "", at::randn({4}), -1};
  net.kind = "net";
  net.hidden = {{at::randn({4, model.config.d_ff}), at::randn({4})}};
  const auto path = test::scratch("probe-stream") / "probes.safetensors";
  readout::save({line, net}, path);
  return path;
}

generate::Request request(const std::string& prompt, const Json& params) {
  generate::Request request{.prompt = {prompt, ""}, .max_tokens = 6};
  request.controls = {generate::control_from("probe-stream", params)};
  return request;
}

std::vector<std::vector<generate::Generated>> answer(const model::Model& model,
                                                     const std::vector<generate::Request>& requests) {
  generate::GenerateOptions options;
  options.compute = nn::Compute::f32;
  return generate::generate(model, requests, options);
}

TEST(ProbeStreamTest, each_tokens_score_is_that_of_the_state_it_was_chosen_from) {
  const auto model = test::tiny_model();
  const auto path = saved_probes(*model);
  for (const std::string& name : {std::string("line"), std::string("net")}) {
    const Json params{{"file", path.string()}, {"probe", name}};
    const auto results = answer(*model, {request("Q: where was", params), request("context: the job of", params)});
    for (size_t r = 0; r < 2; ++r) {
      const auto& result = results[r][0];
      ASSERT_EQ(result.notes.at("probe-stream").size(), result.logprobs.size());
      readout::Item item{r ? "context: the job of" : "Q: where was", {}};
      item.continuation = result.tokens;
      for (int64_t t = 0; t < int64_t(result.tokens.size()); ++t) {
        item.places.push_back({"t" + std::to_string(t)});
        item.places.back().index = t - 1;
      }
      const readout::Probe probe = readout::load_probes(path)[name == "net"];
      const auto states = readout::collect(*model, {item}, {probe.point}, nn::Compute::f32);
      const at::Tensor scores = probe.score(states.values[0][0]);
      for (int64_t t = 0; t < scores.size(0); ++t)
        EXPECT_NEAR(result.notes.at("probe-stream")[size_t(t)], scores[t].item<double>(), 1e-4) << name << " " << t;
    }
  }
}

TEST(ProbeStreamTest, an_answer_ends_where_the_score_falls_below_the_threshold) {
  const auto model = test::tiny_model();
  const auto path = saved_probes(*model);
  Json params{{"file", path.string()}, {"probe", "line"}};
  const auto whole = answer(*model, {request("Q: where was", params)})[0][0];
  const auto& scores = whole.notes.at("probe-stream");
  const double least = *std::min_element(scores.begin(), scores.end());
  const size_t at = size_t(std::min_element(scores.begin(), scores.end()) - scores.begin());
  params["stop_below"] = least + 1e-3;
  const auto cut = answer(*model, {request("Q: where was", params)})[0][0];
  EXPECT_EQ(cut.finish, "control");
  EXPECT_LE(cut.tokens.size(), at);
}

TEST(ProbeStreamTest, samples_that_fork_have_no_score_at_the_first_token) {
  const auto model = test::tiny_model();
  generate::Request two = request("Q: where was", {{"file", saved_probes(*model).string()}, {"probe", "line"}});
  two.samples = 2;
  two.sampling = {.temperature = 1, .seed = 4};
  const auto results = answer(*model, {two})[0];
  EXPECT_FALSE(std::isnan(results[0].notes.at("probe-stream")[0]));
  if (results[1].logprobs.size() > 1) {
    EXPECT_TRUE(std::isnan(results[1].notes.at("probe-stream")[0]));
    EXPECT_FALSE(std::isnan(results[1].notes.at("probe-stream")[1]));
  }
}

TEST(ProbeStreamTest, a_probe_that_is_not_there_or_of_another_model_is_named) {
  const auto model = test::tiny_model();
  const auto path = saved_probes(*model);
  EXPECT_THROW(answer(*model, {request("Q:", {{"file", path.string()}})}), UsageError);
  EXPECT_THROW(answer(*model, {request("Q:", {{"file", path.string()}, {"probe", "circle"}})}), UsageError);
  EXPECT_THROW(answer(*model, {request("Q:", {{"file", (path.parent_path() / "none").string()}})}), Error);
  const auto other = test::scratch("probe-stream-other") / "probes.safetensors";
  readout::save({{"short", point, "", "", "", at::randn({3}), 0}}, other);
  EXPECT_THROW(answer(*model, {request("Q:", {{"file", other.string()}})}), Error);
}

}  // namespace
}  // namespace ken::probe_stream_test_file
