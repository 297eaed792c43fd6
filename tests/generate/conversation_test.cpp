// Conversations: only what is new is read, answers are those of a conversation read at once, its end is an error.
#include "ken/generate/conversation.h"

#include <gtest/gtest.h>

#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::generate::conversation_test_file {
namespace {

std::shared_ptr<const data::Chat> chat_of(const model::Model& model) {
  return std::make_shared<const data::Chat>(model.metadata, model.tokenizer);
}

ConversationOptions options(int64_t max_tokens = 5) { return {.max_tokens = max_tokens, .compute = nn::Compute::f32}; }

TEST(ConversationTest, a_turn_reads_what_is_new_and_answers_as_if_it_had_read_all) {
  const auto model = test::tiny_chat_model();
  const auto chat = chat_of(*model);
  Conversation kept(*model, chat, options());
  std::vector<data::Message> messages;
  int64_t before = 0;
  for (const char* text : {"where was he born ?", "who works there ?", "and in which town ?"}) {
    const Turn turn = kept.say(text);
    messages.push_back({"user", text});
    const std::string whole = chat->render(messages);
    const auto ids = chat->tokens()->encode(whole);
    const auto fresh =
        generate(*model, {{.prompt = {whole, "", chat->tokens()}, .max_tokens = 5, .ends = chat->ends()}},
                 {.compute = nn::Compute::f32})[0][0];
    EXPECT_EQ(turn.answer.tokens, fresh.tokens) << text;
    EXPECT_EQ(turn.used, int64_t(ids.size() + fresh.tokens.size()));
    // The answer's text may be cut into other tokens than were generated; the turns before it are never read again.
    EXPECT_LE(turn.read, int64_t(ids.size()) - std::max<int64_t>(0, before)) << text;
    before = int64_t(ids.size()) - 1;
    messages.push_back({"assistant", turn.answer.text});
  }
}

TEST(ConversationTest, a_reset_forgets_what_was_said_but_not_the_system_message) {
  const auto model = test::tiny_chat_model();
  auto with_system = options();
  with_system.system = "be brief";
  Conversation conversation(*model, chat_of(*model), with_system);
  const Turn first = conversation.say("where was he born ?");
  conversation.say("who works there ?");
  conversation.reset();
  const Turn again = conversation.say("where was he born ?");
  EXPECT_EQ(again.answer.tokens, first.answer.tokens);
  EXPECT_EQ(again.used, first.used);
}

TEST(ConversationTest, without_a_template_the_text_is_written_on) {
  const auto model = test::tiny_base_model();
  Conversation conversation(*model, nullptr, options());
  const Turn first = conversation.say("where was he");
  const std::string written = "where was he" + model->tokenizer->decode(first.answer.tokens) + " born";
  const Turn second = conversation.say(" born");
  EXPECT_EQ(second.answer.tokens,
            generate(*model, {{.prompt = {written, ""}, .max_tokens = 5}}, {.compute = nn::Compute::f32})[0][0].tokens);
}

TEST(ConversationTest, the_contexts_end_cuts_the_answer_and_then_refuses_the_message) {
  const auto model = test::tiny_chat_model();  // 128 positions
  Conversation conversation(*model, chat_of(*model), options(1000));
  const Turn turn = conversation.say("where was he born ?");
  EXPECT_LE(turn.used, 128);
  try {
    for (int i = 0; i < 3; ++i) conversation.say("where was he born ?");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the model's context holds 128"), std::string::npos) << error.what();
  }
  EXPECT_THROW(conversation.say(""), UsageError);
}

}  // namespace
}  // namespace ken::generate::conversation_test_file
