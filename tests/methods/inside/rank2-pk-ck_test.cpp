// The interaction of two sources as their three answers tell it, and what the plane's analysis refuses.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/instructed.h"
#include "tests/tiny.h"

namespace ken::readout::rank2_pk_ck_test_file {
namespace {

using evidence::Interaction;
using evidence::interaction_of;

TEST(Rank2Test, three_answers_tell_the_interaction) {
  EXPECT_EQ(interaction_of("Paris", "paris", "the Paris"), Interaction::supportive);
  EXPECT_EQ(interaction_of("Paris", "Paris", "Rome"), Interaction::noise);
  EXPECT_EQ(interaction_of("Paris", "Rome", "Rome"), Interaction::conflicting);
  EXPECT_EQ(interaction_of("Paris", "Rome", "Paris"), Interaction::conflicting);
  EXPECT_EQ(interaction_of("Paris", "unknown", "Paris"), Interaction::irrelevant);
  EXPECT_EQ(interaction_of("Paris", "Rome", "Oslo"), Interaction::complementary);
}

TEST(Rank2Test, facts_without_instructions_need_their_text) {
  const auto model = test::tiny_model();
  data::FactSet set = test::tiny_facts();
  std::erase_if(set.contexts, [](const auto& item) { return item.intent == "memory"; });
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "rank2-pk-ck");
  try {
    entry.run({*model, set, world::prompt_style(), 1}, resolve_params(entry.card, Json::object()));
    FAIL() << "facts without an instruction were accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("memory_instruction"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ken::readout::rank2_pk_ck_test_file
