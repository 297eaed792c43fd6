// What the server answers, without HTTP: OpenAI's shapes, the library's numbers, ken's extension.
#include "ken/server/answers.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/options.h"
#include "ken/model/shipped.h"
#include "tests/fixtures.h"

namespace ken::server::answers_test_file {
namespace {

class AnswersTest : public testing::Test {
 protected:
  void start(const fs::path& path, const std::string& name) {
    static std::map<std::string, std::shared_ptr<model::Model>> loaded;
    if (!loaded[path]) loaded[path] = model::load(path);
    model = loaded[path];
    setup.name = name;
    setup.style = data::prompt_style(model->metadata);
    engine.emplace(model, EngineOptions{.compute = nn::Compute::f32});
  }
  void SetUp() override {
    KEN_FIXTURE(path, "models/stories260K/model.gguf");
    start(path, "stories");
  }

  Reply post(const std::string& path, const Json& body) { return Answers(*engine, setup)({"POST", path, body.dump()}); }
  Reply get(const std::string& path) { return Answers(*engine, setup)({"GET", path, ""}); }
  Json done(const std::string& path, const Json& body) {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return Json::parse(reply.body);
  }
  std::string error(const std::string& path, const Json& body, int status = 400) {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, status) << reply.body;
    const Json field = Json::parse(reply.body).at("error").at("param");
    return field.is_string() ? field.get<std::string>() : "";
  }
  // The chunks of a streamed reply, [DONE] left out.
  std::vector<Json> chunks(const Json& body, const std::string& path = "/v1/completions") {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    std::string all;
    reply.stream([&](const std::string& piece) { return all += piece, true; });
    EXPECT_TRUE(all.ends_with("data: [DONE]\n\n"));
    std::vector<Json> result;
    for (size_t at = 0; (at = all.find("data: {", at)) != std::string::npos; ++at)
      result.push_back(Json::parse(all.substr(at + 6, all.find("\n\n", at) - at - 6)));
    return result;
  }
  std::vector<generate::Generated> library(const std::string& text, int64_t tokens, double temperature = 0,
                                           int64_t samples = 1, uint64_t seed = 0) {
    generate::Request request{.prompt = {text}, .max_tokens = tokens, .samples = samples};
    request.sampling.temperature = temperature, request.sampling.seed = seed;
    generate::GenerateOptions options;
    options.compute = nn::Compute::f32;
    return generate::generate(*model, {request}, options)[0];
  }
  std::shared_ptr<model::Model> model;
  server::Setup setup;
  std::optional<Engine> engine;
};

class OrganismAnswersTest : public AnswersTest {
 protected:
  void SetUp() override { start(model::model_path("almanac-tiny"), "almanac-tiny"); }
};

TEST_F(AnswersTest, a_completion_is_the_librarys) {
  const Json reply = done(
      "/v1/completions",
      {{"model", "stories"}, {"prompt", "Once upon a time"}, {"temperature", 0}, {"max_tokens", 12}, {"logprobs", 2}});
  const auto expected = library("Once upon a time", 12)[0];
  EXPECT_EQ(reply["object"], "text_completion");
  EXPECT_EQ(reply["choices"][0]["text"], model->tokenizer->decode(expected.tokens));
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(reply["choices"][0]["logprobs"]["token_logprobs"].get<std::vector<double>>(), expected.logprobs);
  EXPECT_EQ(reply["choices"][0]["logprobs"]["top_logprobs"][0].size(), 2u);
  EXPECT_EQ(reply["usage"]["completion_tokens"], 12);
  EXPECT_NEAR(reply["choices"][0]["ken"]["probability"].get<double>(), std::exp(expected.logprob()), 1e-12);
}

TEST_F(AnswersTest, samples_are_the_librarys_for_the_same_seed) {
  const Json reply =
      done("/v1/completions",
           {{"prompt", "Once upon a time"}, {"temperature", 0.8}, {"seed", 5}, {"n", 3}, {"max_tokens", 8}});
  const auto expected = library("Once upon a time", 8, 0.8, 3, 5);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(reply["choices"][i]["text"], model->tokenizer->decode(expected[i].tokens));
}

TEST_F(OrganismAnswersTest, ignore_eos_writes_to_the_last_token) {
  Json body{{"prompt", "Q: Who founded Kagard?\nA:"}, {"temperature", 0}, {"max_tokens", 24}};
  const Json ended = done("/v1/completions", body);
  ASSERT_EQ(ended["choices"][0]["finish_reason"], "stop");
  body["ignore_eos"] = true;
  const Json whole = done("/v1/completions", body);
  EXPECT_EQ(whole["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(whole["usage"]["completion_tokens"], 24);
  EXPECT_LT(ended["usage"]["completion_tokens"], 24);
  const Json chat =
      done("/v1/chat/completions", {{"messages", {{{"role", "user"}, {"content", "Who founded Kagard?"}}}},
                                    {"max_tokens", 24},
                                    {"ignore_eos", true}});
  EXPECT_EQ(chat["usage"]["completion_tokens"], 24);
}

TEST_F(AnswersTest, best_of_gives_the_likeliest) {
  const Json reply = done(
      "/v1/completions",
      {{"prompt", "Once upon a time"}, {"temperature", 1.0}, {"seed", 5}, {"n", 1}, {"best_of", 6}, {"max_tokens", 8}});
  double most = -1e9;
  std::string text;
  for (const auto& one : library("Once upon a time", 8, 1.0, 6, 5)) {
    double sum = 0;
    for (const double l : one.logprobs) sum += l;
    if (sum / double(one.logprobs.size()) > most)
      most = sum / double(one.logprobs.size()), text = model->tokenizer->decode(one.tokens);
  }
  ASSERT_EQ(reply["choices"].size(), 1u);
  EXPECT_EQ(reply["choices"][0]["text"], text);
}

// What lm-evaluation-harness's local-completions sends and sums.
TEST_F(AnswersTest, echoed_loglikelihoods_are_the_librarys_to_the_last_bit) {
  Json prompts = Json::array();
  std::vector<evidence::OptionItem> items;
  std::vector<evidence::OptionTokens> tokens;
  for (const char* who : {"The dog", "Lily", "A little girl", "Tom and his mom", "The big red car", "One day, a boy",
                          "She", "His friend", "The bird", "They"})
    for (const char* verb : {"went",   "saw",  "liked", "found", "was",   "had",  "said", "wanted", "ran",    "looked",
                             "played", "made", "took",  "felt",  "asked", "came", "put",  "gave",   "smiled", "knew"}) {
      items.push_back({fmt::format("{} {}", who, verb), {" the park", " a ball in the box", " it."}});
      tokens.push_back(evidence::option_tokens(*model, items.back(), "test"));
      for (const auto& option : tokens.back().options) {
        prompts.push_back(tokens.back().prompt);
        for (const int32_t token : option) prompts.back().push_back(token);
      }
    }
  ASSERT_EQ(items.size(), 200u);
  const auto scores = evidence::score_options(*model, items, nn::Compute::f32);
  const Json reply = done("/v1/completions", {{"model", "stories"},
                                              {"prompt", prompts},
                                              {"temperature", 0},
                                              {"max_tokens", 1},
                                              {"logprobs", 1},
                                              {"seed", 1234},
                                              {"echo", true}});
  size_t c = 0;
  for (size_t i = 0; i < items.size(); ++i)
    for (size_t o = 0; o < items[i].options.size(); ++o, ++c) {
      const Json& logprobs = reply["choices"][c]["logprobs"];
      const size_t context = tokens[i].prompt.size(), all = logprobs["token_logprobs"].size();
      double sum = 0;
      bool greedy = true;
      for (size_t t = context; t + 1 < all; ++t) {
        sum += logprobs["token_logprobs"][t].get<double>();
        std::string best;
        double most = -1e300;
        for (const auto& [token, logprob] : logprobs["top_logprobs"][t].items())
          if (logprob.get<double>() > most) most = logprob.get<double>(), best = token;
        greedy = greedy && best == logprobs["tokens"][t];
      }
      EXPECT_EQ(all, context + tokens[i].options[o].size() + 1);
      EXPECT_EQ(sum, scores[i][o].logprob) << i << " " << o;
      EXPECT_EQ(greedy, scores[i][o].greedy) << i << " " << o;
    }
}

TEST_F(AnswersTest, an_echo_alone_needs_no_answer) {
  const Json reply =
      done("/v1/completions", {{"prompt", "Once upon a time"}, {"max_tokens", 0}, {"echo", true}, {"logprobs", 1}});
  EXPECT_EQ(reply["choices"][0]["text"], "Once upon a time");
  EXPECT_TRUE(reply["choices"][0]["logprobs"]["token_logprobs"][0].is_null());
  EXPECT_EQ(reply["usage"]["completion_tokens"], 0);
}

TEST_F(AnswersTest, a_stream_joined_is_the_whole_answer) {
  const Json body{{"prompt", {"Once upon a time", "The dog"}},
                  {"temperature", 0.7},
                  {"seed", 9},
                  {"max_tokens", 10},
                  {"n", 2},
                  {"logprobs", 1}};
  done("/v1/completions", body);  // so that both below find their prompts kept, and say so alike
  const Json whole = done("/v1/completions", body);
  Json streamed = body;
  streamed["stream"] = true, streamed["stream_options"] = {{"include_usage", true}};
  std::vector<std::string> texts(4);
  std::vector<std::vector<double>> logprobs(4);
  Json usage;
  for (const Json& chunk : chunks(streamed)) {
    for (const Json& choice : chunk["choices"]) {
      const size_t i = choice["index"];
      texts[i] += choice["text"].get<std::string>();
      for (const Json& l : choice["logprobs"]["token_logprobs"]) logprobs[i].push_back(l);
    }
    if (chunk.contains("usage")) usage = chunk["usage"];
  }
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(texts[i], whole["choices"][i]["text"]) << i;
    EXPECT_EQ(logprobs[i], whole["choices"][i]["logprobs"]["token_logprobs"].get<std::vector<double>>()) << i;
  }
  EXPECT_EQ(usage, whole["usage"]);
}

TEST_F(AnswersTest, biases_and_penalties_move_tokens) {
  const Json body{{"prompt", "Once upon a time"}, {"temperature", 0}, {"max_tokens", 10}};
  const auto plain = library("Once upon a time", 10)[0];
  Json banned = body;
  banned["logit_bias"] = {{std::to_string(plain.tokens[0]), -100}};
  EXPECT_NE(done("/v1/completions", banned)["choices"][0]["text"], model->tokenizer->decode(plain.tokens));
  Json none = body;
  none["logit_bias"] = {{"5", 0}}, none["frequency_penalty"] = 1e-30;
  EXPECT_EQ(done("/v1/completions", none)["choices"][0]["text"], model->tokenizer->decode(plain.tokens));
  Json outside = body;
  outside["logit_bias"] = {{"99999999", 1}};
  EXPECT_EQ(error("/v1/completions", outside), "logit_bias");
}

TEST_F(OrganismAnswersTest, a_control_by_name_by_object_and_by_route) {
  const Json body{{"prompt", "where was Ada born ?"}, {"temperature", 0}, {"max_tokens", 6}, {"seed", 1}};
  Json named = body, object = body, route = body;
  named["ken"] = {{"controls", {"vector:strength=40"}}};
  object["ken"] = {{"controls", {{{"name", "vector"}, {"strength", 40}}}}};
  route["params"] = {{"strength", 40}};
  const Json a = done("/v1/completions", named), b = done("/v1/completions", object),
             c = done("/ken/steer/vector", route);
  EXPECT_EQ(a["choices"][0]["ken"], b["choices"][0]["ken"]);
  EXPECT_EQ(a["choices"][0]["ken"], c["choices"][0]["ken"]);
  EXPECT_NE(a["choices"][0]["ken"]["token_probabilities"],
            done("/v1/completions", body)["choices"][0]["ken"]["token_probabilities"]);
  EXPECT_EQ(a["ken"]["steered"][0]["name"], "vector");
}

TEST_F(OrganismAnswersTest, no_request_opens_a_file) {
  const auto with = [](const Json& control) {
    return Json{{"prompt", "where was Ada born ?"}, {"ken", {{"controls", Json::array({control})}}}};
  };
  EXPECT_EQ(error("/v1/completions", with("vector:file=/etc/passwd")), "ken.controls.file");
  EXPECT_EQ(error("/v1/completions", with({{"name", "spare"}, {"file", "x.safetensors"}})), "ken.controls.file");
  EXPECT_EQ(error("/v1/completions", with({{"name", "counterfactual-tokens"}, {"observed", "/etc/passwd"}})),
            "ken.controls");
  EXPECT_EQ(error("/v1/completions", {{"prompt", "a"}, {"ken", {{"steering", {{"path", "/etc/passwd"}}}}}}),
            "steering.path");
  error("/v1/completions", with("cadd:alpha=1"));
  error("/v1/completions", with("cad:alpha=x"));
}

TEST_F(OrganismAnswersTest, documents_confidence_and_source) {
  const Json reply =
      done("/v1/chat/completions", {{"messages", {{{"role", "user"}, {"content", "where was Ada Lovelace born ?"}}}},
                                    {"ken",
                                     {{"context", {"the birthplace of Ada Lovelace is Turin ."}},
                                      {"source", true},
                                      {"confidence", {"margin", "semantic-entropy:samples=3"}}}}});
  const Json& ken = reply["ken"];
  EXPECT_TRUE(ken["confidence"]["margin"]["score"].is_number());
  EXPECT_TRUE(ken["confidence"]["semantic-entropy"]["score"].is_number());
  const std::string source = ken["source"]["name"];
  EXPECT_TRUE(source == "context" || source == "memory" || source == "both" || source == "neither");
  EXPECT_EQ(reply["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(error("/v1/chat/completions", {{"messages", {{{"role", "user"}, {"content", "a"}}}},
                                           {"temperature", 1},
                                           {"ken", {{"confidence", "margin"}}}}),
            "temperature");
  EXPECT_EQ(error("/v1/chat/completions",
                  {{"messages", {{{"role", "user"}, {"content", "a"}}}}, {"ken", {{"abstain_under", 0.5}}}}),
            "ken.abstain_under");
}

TEST_F(AnswersTest, captured_activations_are_those_of_the_pass) {
  const Json body{{"prompt", "Once upon a time"},
                  {"temperature", 0},
                  {"max_tokens", 3},
                  {"ken", {{"capture", {"blocks.1.hook_resid_post"}}}}};
  const Json reply = done("/v1/completions", body);
  EXPECT_GT(reply["ken"]["captured"].get<std::string>().size(), 1000u);
  setup.capture_bytes = 1000;
  error("/v1/completions", body);
  setup.capture_bytes = 1 << 20;
  Json unknown = body;
  unknown["ken"]["capture"] = {"blocks.1.hook_resid_pst"};
  error("/v1/completions", unknown);
}

TEST_F(AnswersTest, the_lens_of_the_last_layer_says_what_was_answered) {
  const Json body{{"prompt", "Once upon a time there was a little"}, {"max_tokens", 5}, {"params", {{"top", 2}}}};
  const Json look = done("/ken/lens", body);
  const auto answer = library("Once upon a time there was a little", 5)[0];
  const size_t rows = look["tokens"].size(), from = look["answer_from"];
  EXPECT_EQ(look["layers"].size(), size_t(model->config.n_layers + 1));
  const Json& last = look["layers"].back();
  for (size_t i = 0; i < answer.tokens.size(); ++i) {
    EXPECT_NEAR(last["next"][from + i - 1].get<double>(), std::exp(answer.logprobs[i]), 1e-5);
  }
  // A few rows are the last of the same.
  Json few = body;
  few["params"]["rows"] = 3;
  const Json short_look = done("/ken/lens", few);
  ASSERT_EQ(short_look["tokens"].size(), 3u);
  for (size_t r = 0; r < 3; ++r) {
    EXPECT_EQ(short_look["tokens"][r], look["tokens"][rows - 3 + r]);
    EXPECT_EQ(short_look["layers"].back()["next"][r], last["next"][rows - 3 + r]);
  }
  Json wrong = body;
  wrong["params"]["top"] = 0;
  EXPECT_EQ(error("/ken/lens", wrong), "params.top");
}

TEST_F(AnswersTest, samples_are_grouped_by_meaning) {
  const Json body{
      {"prompt", "Once upon a time"}, {"max_tokens", 4}, {"seed", 3}, {"params", {{"n", 6}, {"temperature", 0}}}};
  const Json all_same = done("/ken/samples", body);
  EXPECT_EQ(all_same["clusters"].size(), 1u);
  EXPECT_EQ(all_same["semantic_entropy"], 0);
  Json hot = body;
  hot["params"]["temperature"] = 3;
  const Json several = done("/ken/samples", hot);
  EXPECT_EQ(several["samples"].size(), 6u);
  EXPECT_GT(several["clusters"].size(), 1u);
}

TEST_F(AnswersTest, what_does_not_fit_or_is_unknown_is_refused_at_once) {
  EXPECT_EQ(error("/v1/completions", {{"prompt", "a"}, {"model", "gpt-4"}}), "model");
  EXPECT_EQ(error("/v1/completions", {{"prompt", "a"}, {"max_tokens", 4096}}), "max_tokens");
  EXPECT_EQ(error("/v1/completions", {{"prompt", std::vector<int32_t>(10000, 5)}}), "max_tokens");
  EXPECT_EQ(error("/v1/completions", {{"prompt", {999999}}}), "prompt");
  EXPECT_EQ(post("/v1/nothing", Json::object()).status, 404);
  EXPECT_EQ(get("/nothing").status, 404);
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_TRUE(get("/").body.starts_with("<!doctype html>"));
}

TEST_F(AnswersTest, tokens_there_and_back) {
  const Json tokens = done("/tokenize", {{"prompt", "Once upon a time"}});
  EXPECT_EQ(tokens["tokens"].get<std::vector<int32_t>>(), model::prompt_ids(*model, "Once upon a time"));
  EXPECT_EQ(tokens["count"], tokens["tokens"].size());
  Json bare = tokens["tokens"];
  bare.erase(0);  // BOS
  EXPECT_EQ(done("/detokenize", {{"tokens", bare}})["prompt"],
            model->tokenizer->decode(bare.get<std::vector<int32_t>>()));
  error("/detokenize", {{"tokens", {-1}}});
}

TEST_F(AnswersTest, embeddings_have_length_one_and_both_forms) {
  const Json reply = done("/v1/embeddings", {{"input", {"the dog", "the cat"}}});
  double norm = 0;
  for (const Json& x : reply["data"][1]["embedding"]) norm += std::pow(x.get<double>(), 2);
  EXPECT_NEAR(norm, 1, 1e-5);
  const Json coded = done("/v1/embeddings", {{"input", "the cat"}, {"encoding_format", "base64"}});
  EXPECT_EQ(coded["data"][0]["embedding"].get<std::string>().size(), size_t((model->config.d_model * 4 + 2) / 3 * 4));
}

TEST_F(AnswersTest, the_catalog_names_every_method_with_its_route) {
  const Json methods = Json::parse(get("/ken/methods").body);
  const size_t all =
      Registry<generate::ControlEntry>::get().all().size() + Registry<evidence::EstimatorEntry>::get().all().size();
  EXPECT_EQ(methods["data"].size(), all);
  const Json api = Json::parse(get("/openapi.json").body);
  for (const Json& method : methods["data"]) EXPECT_TRUE(api["paths"].contains(method["route"].get<std::string>()));
}

TEST_F(AnswersTest, a_full_engine_says_come_again) {
  engine.emplace(model, EngineOptions{.compute = nn::Compute::f32, .max_requests = 1});
  auto place = engine->enter();
  const Reply reply = post("/v1/completions", {{"prompt", "a"}});
  EXPECT_EQ(reply.status, 429);
  ASSERT_EQ(reply.headers.size(), 1u);
  EXPECT_EQ(reply.headers[0].first, "Retry-After");
  place.reset();
  EXPECT_EQ(post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}}).status, 200);
}

TEST_F(AnswersTest, an_engine_that_stops_says_so) {
  engine->drain(std::chrono::milliseconds(0));
  EXPECT_EQ(post("/v1/completions", {{"prompt", "a"}}).status, 503);
}

TEST_F(AnswersTest, nothing_is_computed_for_a_client_that_has_left) {
  const Json body{{"prompt", "Once upon a time"}, {"max_tokens", 400}, {"n", 64}, {"temperature", 1}};
  const auto from = [&](const std::function<bool()>& gone, bool stream) {
    Json asked = body;
    asked["stream"] = stream;
    {  // a stream holds its place in the queue
      const Reply reply = Answers(*engine, setup)({"POST", "/v1/completions", asked.dump(), gone});
      if (stream) reply.stream([](const std::string&) { return false; });
    }
    engine->drain(std::chrono::seconds(20));
    return engine->figures();
  };
  EXPECT_EQ(from([] { return true; }, false).cancelled, 1u);
  engine.emplace(model, EngineOptions{.compute = nn::Compute::f32});
  EXPECT_EQ(from([] { return false; }, true).cancelled, 1u);
  engine.emplace(model, EngineOptions{.compute = nn::Compute::f32});
  EXPECT_EQ(from([] { return false; }, false).cancelled, 0u);
}

TEST_F(AnswersTest, a_further_turn_reads_what_is_new) {
  const std::string story = "Once upon a time there was a little girl who had a big red ball and a small dog";
  const auto cached = [](const Json& answer) {
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"].get<int64_t>();
  };
  const Json first = done("/v1/completions", {{"prompt", story}, {"max_tokens", 8}, {"temperature", 0}});
  EXPECT_EQ(cached(first), 0);
  const std::string longer = story + first["choices"][0]["text"].get<std::string>();
  const Json next{{"prompt", longer}, {"max_tokens", 8}, {"temperature", 0}, {"logprobs", 2}};
  const Json second = done("/v1/completions", next);
  EXPECT_GE(cached(second), first["usage"]["prompt_tokens"].get<int64_t>() - 1);
  engine.emplace(model, EngineOptions{.compute = nn::Compute::f32, .prefix_bytes = 0});
  const Json fresh = done("/v1/completions", next);
  EXPECT_EQ(cached(fresh), 0);
  EXPECT_EQ(second["choices"], fresh["choices"]);
}

TEST_F(AnswersTest, others_go_on_while_work_is_done_between_passes) {
  const auto place = engine->enter();
  std::promise<void> answered;
  engine->run(place, [&] {
    auto request = std::make_shared<generate::Request>();
    request->prompt.text = "Once upon a time", request->max_tokens = 5;
    engine->submit(place, request, [&](generate::Outcome outcome) {
      EXPECT_EQ(outcome.results.at(0).tokens.size(), 5u);
      answered.set_value();
    });
    auto over = answered.get_future();
    for (int i = 0; i < 100 && over.wait_for(std::chrono::seconds(0)) != std::future_status::ready; ++i)
      engine->step_others();
    EXPECT_EQ(over.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  });
}

// What an engine cannot be made with reaches its maker, not the engine's own thread.
TEST_F(AnswersTest, a_cache_that_loses_digits_is_refused_in_f32) {
  const auto small = std::make_shared<model::Model>(*model);
  small->int8_cache = true;
  EXPECT_THROW(Engine(small, EngineOptions{.compute = nn::Compute::f32}), UsageError);
}

}  // namespace
}  // namespace ken::server::answers_test_file
