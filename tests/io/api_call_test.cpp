#include "ken/io/api_call.h"

#include <gtest/gtest.h>

namespace ken::io::api_call_test_file {
namespace {

const CallLimits limits;

std::string wrong_field(Call (*read)(const Json&, const CallLimits&), const std::string& body) {
  try {
    read(call_body(body), limits);
  } catch (const CallError& error) {
    EXPECT_NE(std::string(error.what()), "");
    return error.field;
  }
  return "nothing is wrong";
}

TEST(ApiCallTest, a_completion_as_openai_and_lm_eval_send_it) {
  const Call call = completion_call(call_body(R"({"model": "m", "prompt": [[1, 2, 3], [4]], "max_tokens": 1,
    "temperature": 0, "logprobs": 1, "echo": true, "seed": 1234, "stop": null})"),
                                    limits);
  ASSERT_EQ(call.prompts.size(), 2u);
  EXPECT_EQ(call.prompts[0].tokens, (std::vector<int32_t>{1, 2, 3}));
  EXPECT_TRUE(call.echo && call.logprobs);
  EXPECT_EQ(call.top_logprobs, 1);
  EXPECT_EQ(call.seed, 1234u);
  EXPECT_EQ(call.max_tokens, 1);
}

TEST(ApiCallTest, one_prompt_is_a_text_a_list_of_it_or_its_tokens) {
  EXPECT_EQ(completion_call(call_body(R"({"prompt": "a b"})"), limits).prompts[0].text, "a b");
  EXPECT_EQ(completion_call(call_body(R"({"prompt": ["a", "b"]})"), limits).prompts[1].text, "b");
  EXPECT_EQ(completion_call(call_body(R"({"prompt": [5, 6]})"), limits).prompts[0].tokens.size(), 2u);
  EXPECT_EQ(completion_call(call_body(R"({"prompt": ["a", [7]]})"), limits).prompts[1].tokens.size(), 1u);
}

TEST(ApiCallTest, a_chat_with_parts_and_a_developer) {
  const Call call = chat_call(call_body(R"({"messages": [{"role": "developer", "content": "brief"},
    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
    "stream": true, "stream_options": {"include_usage": true}, "max_completion_tokens": 7})"),
                              limits);
  EXPECT_EQ(call.messages[0].role, "system");
  EXPECT_EQ(call.messages[1].content, "ab");
  EXPECT_TRUE(call.stream && call.usage);
  EXPECT_EQ(call.max_tokens, 7);
}

TEST(ApiCallTest, what_ken_adds) {
  const Call call = completion_call(call_body(R"({"prompt": "a", "ken": {"controls": ["cad:alpha=1", {"name": "vector",
    "strength": 2}], "confidence": "margin", "context": "one", "abstain_under": 0.5, "source": true}})"),
                                    limits);
  ASSERT_EQ(call.ken.controls.size(), 2u);
  EXPECT_TRUE(call.ken.controls[0].params.is_null());
  EXPECT_EQ(call.ken.controls[1].name, "vector");
  EXPECT_EQ(call.ken.controls[1].params.at("strength"), 2);
  EXPECT_EQ(call.ken.confidence[0].name, "margin");
  EXPECT_EQ(call.ken.documents, std::vector<std::string>{"one"});
  EXPECT_EQ(call.ken.abstain_under, 0.5);
}

TEST(ApiCallTest, a_wrong_field_is_named) {
  const auto field = [](const std::string& body) { return wrong_field(completion_call, body); };
  EXPECT_EQ(field(R"({})"), "prompt");
  EXPECT_EQ(field(R"({"prompt": []})"), "prompt");
  EXPECT_EQ(field(R"({"prompt": ""})"), "prompt");
  EXPECT_EQ(field(R"({"prompt": [[]]})"), "prompt[0]");
  EXPECT_EQ(field(R"({"prompt": [1, "a"]})"), "prompt[1]");
  EXPECT_EQ(field(R"({"prompt": [-1]})"), "prompt[0]");
  EXPECT_EQ(field(R"({"prompt": [1.5]})"), "prompt[0]");
  EXPECT_EQ(field(R"({"prompt": [3000000000]})"), "prompt[0]");
  EXPECT_EQ(field(R"({"prompt": "a", "n": 0})"), "n");
  EXPECT_EQ(field(R"({"prompt": "a", "n": 1e300})"), "n");
  EXPECT_EQ(field(R"({"prompt": "a", "n": 3, "best_of": 2})"), "best_of");
  EXPECT_EQ(field(R"({"prompt": "a", "temperature": "hot"})"), "temperature");
  EXPECT_EQ(field(R"({"prompt": "a", "top_p": 0})"), "top_p");
  EXPECT_EQ(field(R"({"prompt": "a", "stop": [""]})"), "stop");
  EXPECT_EQ(field(R"({"prompt": "a", "logit_bias": {"x": 1}})"), "logit_bias");
  EXPECT_EQ(field(R"({"prompt": "a", "logit_bias": {"5": 101}})"), "logit_bias.5");
  EXPECT_EQ(field(R"({"prompt": "a", "logprobs": 21})"), "logprobs");
  EXPECT_EQ(field(R"({"prompt": "a", "stream": 1})"), "stream");
  EXPECT_EQ(field(R"({"prompt": "a", "stream": true, "echo": true})"), "echo");
  EXPECT_EQ(field(R"({"prompt": "a", "suffix": "b"})"), "suffix");
  EXPECT_EQ(field(R"({"prompt": "a", "ken": {"contrls": []}})"), "ken.contrls");
  EXPECT_EQ(field(R"({"prompt": "a", "ken": {"controls": [{"alpha": 1}]}})"), "ken.controls[0].name");
  EXPECT_EQ(field(R"({"prompt": "a", "ken": {"controls": [{"name": "cad", "alpha": [1]}]}})"), "ken.controls[0].alpha");
  EXPECT_EQ(field(R"({"prompt": "a", "ken": {"abstain_under": 2}})"), "ken.abstain_under");
  EXPECT_EQ(field(R"({"prompt": "a", "ken": 3})"), "ken");
  EXPECT_EQ(wrong_field(chat_call, R"({"messages": []})"), "messages");
  EXPECT_EQ(wrong_field(chat_call, R"({"messages": [{"role": "tool", "content": "a"}]})"), "messages[0].role");
  EXPECT_EQ(wrong_field(chat_call, R"({"messages": [{"role": "user"}]})"), "messages[0].content");
  EXPECT_EQ(wrong_field(chat_call, R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})"),
            "messages[0].content[0]");
  EXPECT_EQ(wrong_field(chat_call, R"({"messages": [{"role": "user", "content": "a"}], "top_logprobs": 2})"),
            "top_logprobs");
  EXPECT_EQ(wrong_field(embedding_call, R"({"input": "a", "encoding_format": "hex"})"), "encoding_format");
}

TEST(ApiCallTest, a_body_that_is_no_object) {
  EXPECT_THROW(call_body(""), CallError);
  EXPECT_THROW(call_body("{\"a\": 1"), CallError);
  EXPECT_THROW(call_body("[1]"), CallError);
  EXPECT_THROW(call_body("{\"a\": \"\xff\"}"), CallError);
}

}  // namespace
}  // namespace ken::io::api_call_test_file
