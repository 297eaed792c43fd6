// Edits as notes: another value of the relation in each, and questions that expect the edit or what was said before.
#include <gtest/gtest.h>

#include "ken/evidence/edit_notes.h"
#include "tests/tiny.h"

namespace ken::evidence::edit_notes_test_file {
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

TEST(EditNotesTest, tells_apart_what_is_found_and_what_is_read) {
  const auto model = test::tiny_model();
  const data::FactSet set = test::tiny_facts();
  EditNotes made;
  made.notes = {"Ada Bow was born in Turin .", "Ada Low is a painter .", "the home of Eve Low is Oslo ."};
  Expected home{closed_book(set.facts[0], world::prompt_style()), {"Oslo"}, made.notes[2]};
  home.request.prompt.question = "where was Eve Low born ?";
  made.questions["edited"] = {home};
  EXPECT_EQ(notes_found(made, "edited", 1, true), 1);
  EXPECT_EQ(notes_found(made, "edited", 3, false), 1);
  made.questions["edited"][0].note = made.notes[0];
  EXPECT_EQ(notes_found(made, "edited", 3, true), 0);  // another's name
  Expected beside = home;
  beside.request.prompt.text = beside.request.prompt.beside(home.note + " use it");
  beside.answers = {answers_to(*model, {beside}, {})[0].text};
  EXPECT_EQ(share_right_beside_note(*model, {{home.request, beside.answers, home.note}}, "use it"), 1);
}

}  // namespace
}  // namespace ken::evidence::edit_notes_test_file
