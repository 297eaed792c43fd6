// How the almanac speaks: statements and questions of every relation, instructions, the marker words of documents.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "ken/world/vocabulary.h"

namespace ken::world {

// Words around the subject. A statement goes on with its value and " .", a question ends with " ?".
struct Pattern {
  std::string before, after;
};

struct Phrases {
  std::string_view id;
  std::vector<Pattern> statements, questions;    // English; the last of each is held out
  std::vector<Pattern> statements2, questions2;  // second language; all occur in documents
};
// Relations that are no person's own, numbered after those that are; then questions that take several facts.
enum Background : int {
  country = relation_count,
  office,
  mayor,
  mayor_in,  // of a city in a year
  flower_colour,
  flower_city,
  ship_port,
  ship_year,
  gem_colour,
  gem_country,
  report_year,
  report_authors,
  work_city,
  work_country,
  birth_country
};
inline constexpr int first_hop = work_city, hop_count = 3;
const Phrases& phrases(int relation);

inline constexpr int trained_statements = 7, trained_questions = 3, trained_instructions = 4;
// The last of each is held out.
inline constexpr std::array<std::string_view, 5> context_instructions = {
    "use only the context", "answer from the context", "trust the text above", "rely on the text",
    "use the text above"};
inline constexpr std::array<std::string_view, 5> memory_instructions = {"use only prior knowledge",
                                                                        "answer from memory", "ignore the text above",
                                                                        "rely on prior knowledge", "use only memory"};

// Whether passage and memory agree, asked for in the place of an instruction; answered yes or no.
inline constexpr std::array<std::string_view, 2> comparisons = {"does the text agree with memory",
                                                                "is the text above right"};
// Text corrects itself: after a sentence, and (P = the person) after a passage.
inline constexpr std::string_view right_remark = "that is right .", wrong_remark = "that is wrong .",
                                  right_about = "what is said of P is right .",
                                  wrong_about = "what is said of P is wrong .";
// The form that an instruction asks for; only documents for tuning hold these instructions.
struct Format {
  std::string_view id, instruction;
};
inline constexpr std::array<Format, 4> formats = {{{"short", "answer in one word"},
                                                   {"sentence", "answer in a sentence"},
                                                   {"twice", "answer two times"},
                                                   {"polite", "answer with a gentle word"}}};
inline constexpr std::string_view second_copy = " and ", polite_end = " my dear";

std::string statement_text(const Pattern& pattern, std::string_view subject, std::string_view value);
std::string question_text(const Pattern& pattern, std::string_view subject);

// Every word of the templates, instructions and markers above, each once; words like "Q:" also as "Q" and ":".
std::vector<std::string> language_words();

}  // namespace ken::world
