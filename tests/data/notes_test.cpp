// Notes: read from a file, found by words and by names, followed from one to the next.
#include "ken/data/notes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "ken/base/error.h"
#include "ken/base/files.h"

namespace ken::data::notes_test_file {
namespace {

const std::vector<std::string> texts{
    "Ada Lovelace was born in Turin .", "Ada Lovelace works as painter .", "the birthplace of Alan Turing is Rome .",
    "Ada Byron was born in Oslo .",     "Turin lies in Spain .",           "the port of Rome is Ostia ."};

TEST(NotesTest, names_are_words_with_a_capital_but_a_questions_first) {
  EXPECT_EQ(names_in("Where was Ada Lovelace-King born?", true), (std::set<std::string>{"Ada", "Lovelace", "King"}));
  EXPECT_EQ(names_in("Turin lies in Spain .", false), (std::set<std::string>{"Spain", "Turin"}));
  EXPECT_TRUE(names_in("in which year ?", true).empty());
}

TEST(NotesTest, the_nearest_by_words_may_speak_of_others_those_by_names_do_not) {
  const Notes notes(texts);
  const std::string question = "where was Alan Turing born ?";
  const auto by_names = notes.nearest(question, 3, true);
  ASSERT_EQ(by_names, (Notes::Found{2}));
  EXPECT_EQ(notes.joined(by_names), texts[2] + " ");
  EXPECT_EQ(notes.nearest(question, 3, false).size(), 3u);  // "was born" is said of Ada
  EXPECT_EQ(notes.nearest("where was Ada Lovelace born ?", 2, true), (Notes::Found{0, 1}));
  EXPECT_TRUE(notes.nearest("where was Grace Hopper born ?", 3, true).empty());
  EXPECT_EQ(notes.nearest("where was Ada Lovelace born ?", 1, true), (Notes::Found{0}));
}

TEST(NotesTest, a_further_note_holds_a_name_that_the_found_ones_brought) {
  const Notes notes(texts);
  const std::string question = "in which country was Ada Lovelace born ?";
  EXPECT_EQ(notes.further(question, {0}, 2, true), (Notes::Found{0, 4}));  // Turin
  EXPECT_EQ(notes.further(question, {1}, 2, true), (Notes::Found{1}));     // no name but hers
  EXPECT_EQ(notes.further(question, {0}, 2, false).size(), 3u);
}

TEST(NotesTest, no_notes_find_nothing) {
  const Notes none({});
  EXPECT_TRUE(none.empty());
  EXPECT_TRUE(none.nearest("where was Ada born ?", 3, true).empty());
}

TEST(NotesTest, files_hold_lines_or_records_and_at_least_one_note) {
  const fs::path file = fs::temp_directory_path() / fmt::format("ken-notes-{}.txt", ::getpid());
  write_text(file, "one note .\n\n  \nanother .");
  EXPECT_EQ(read_notes(file), (std::vector<std::string>{"one note .", "another ."}));
  write_text(file, "{\"text\": \"one note .\"}\n{\"text\": \"another .\"}\n");
  EXPECT_EQ(read_notes(file), (std::vector<std::string>{"one note .", "another ."}));
  write_text(file, "{\"note\": \"one\"}\n");
  EXPECT_THROW(read_notes(file), Error);
  write_text(file, "\n \n");
  EXPECT_THROW(read_notes(file), Error);
  fs::remove(file);
}

}  // namespace
}  // namespace ken::data::notes_test_file
