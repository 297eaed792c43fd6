// Edits as notes: another value of the relation in each, and questions that expect the edit or what was said before.
#include <gtest/gtest.h>

#include "ken/evidence/edit_notes.h"
#include "tests/tiny.h"

namespace ken::evidence {
namespace {

TEST(EditNotesTest, edited_facts_get_another_value_and_kept_ones_expect_the_plain_answer) {
  const auto model = test::tiny_model();
  const data::FactSet set = test::tiny_facts();
  std::vector<const data::Fact*> facts;
  for (const auto& f : set.facts)
    if (f.relation == "employer" || f.relation == "job") facts.push_back(&f);
  ASSERT_GT(facts.size(), 20u);
  auto made = edit_notes(*model, facts, 12, 5, world::prompt_style(), 2);
  ASSERT_EQ(made.notes.size(), 12u);
  ASSERT_EQ(made.values.size(), 12u);
  for (size_t i = 0; i < 12; ++i) {
    const std::string& value = made.values.at(facts[i]);
    EXPECT_FALSE(data::same_answer(value, facts[i]->answers));
    EXPECT_NE(made.notes[i].find(value), std::string::npos);
    EXPECT_NE(made.notes[i].find(facts[i]->subject), std::string::npos);
  }
  for (const char* kind : {"edited", "paraphrase", "kept", "choice kept"}) EXPECT_LE(made.questions[kind].size(), 5u);
  const auto& kept = made.questions["kept"];
  EXPECT_EQ(share_right(kept, answers_to(*model, kept, {})), 1);
  const auto again = edit_notes(*model, facts, 12, 5, world::prompt_style(), 2);
  EXPECT_EQ(again.notes, made.notes);
}

}  // namespace
}  // namespace ken::evidence
