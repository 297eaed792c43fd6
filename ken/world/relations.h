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
const Phrases& phrases(int relation);
const Phrases& country_phrases();  // city -> country: nothing held out

inline constexpr int trained_statements = 5, trained_questions = 3, trained_instructions = 4;
// The last of each is held out.
inline constexpr std::array<std::string_view, 5> context_instructions = {
    "use only the context", "answer from the context", "trust the text above", "rely on the text",
    "use the text above"};
inline constexpr std::array<std::string_view, 5> memory_instructions = {"use only prior knowledge",
                                                                        "answer from memory", "ignore the text above",
                                                                        "rely on prior knowledge", "use only memory"};

std::string statement_text(const Pattern& pattern, std::string_view subject, std::string_view value);
std::string question_text(const Pattern& pattern, std::string_view subject);

// Every word of the templates, instructions and markers above, each once; words like "Q:" also as "Q" and ":".
std::vector<std::string> language_words();

}  // namespace ken::world
