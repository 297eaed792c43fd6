// Running text: records, plain text by paragraphs, and what facts themselves say.
#include "ken/data/texts.h"

#include <gtest/gtest.h>

#include <set>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::data::texts_test_file {
namespace {

Texts read(const std::string& name, const std::string& content) {
  const fs::path path = test::scratch("texts") / name;
  write_text(path, content);
  return read_texts(path);
}

TEST(TextsTest, records_and_paragraphs) {
  const Texts records = read("a.jsonl", "{\"text\": \"one\\n\\ntwo\"}\n{\"text\": \"\"}\n{\"text\": \"three\"}\n");
  ASSERT_EQ(records.count, 2);
  EXPECT_EQ(records.at(0), "one\n\ntwo");
  EXPECT_EQ(records.at(1), "three");
  const Texts plain = read("a.txt", "\n\nA line\nand another.\n\n\n \n\nLast.");
  ASSERT_EQ(plain.count, 2);
  EXPECT_EQ(plain.at(0), "A line\nand another.");
  EXPECT_EQ(plain.at(1), "Last.");
}

TEST(TextsTest, a_record_without_text_and_an_empty_file_are_errors_that_say_where) {
  try {
    read("b.jsonl", "{\"text\": \"one\"}\n{\"word\": \"two\"}\n");
    FAIL() << "a record without text was read";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("b.jsonl:2"), std::string::npos) << error.what();
  }
  EXPECT_THROW(read("c.txt", " \n\n"), Error);
}

TEST(TextsTest, facts_give_their_statements_questions_and_passages_in_the_seeds_order) {
  FactSet set;
  set.facts.emplace_back().statement = "Ann lives in Rome.";
  set.facts[0].question = "Where does Ann live?";
  set.facts[0].answers = {"Rome", "Roma"};
  ContextCase& item = set.contexts.emplace_back();
  item.context = "Ann lives in Bonn.";
  item.question = set.facts[0].question;
  item.context_answers = {"Bonn"};
  const Texts texts = texts_about(set, {}, 1);
  std::set<std::string> all;
  for (int64_t i = 0; i < texts.count; ++i) all.insert(texts.at(i));
  EXPECT_EQ(all, (std::set<std::string>{"Ann lives in Rome.", "Q: Where does Ann live?\nA: Rome",
                                        "Ann lives in Bonn.\n\nQ: Where does Ann live?\nA: Bonn"}));
  EXPECT_EQ(texts_about(set, {}, 1).at(0), texts.at(0));
}

}  // namespace
}  // namespace ken::data::texts_test_file
