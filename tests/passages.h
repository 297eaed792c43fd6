// Facts with statements and contradicting passages in the words of a small story model.
#pragma once
#include "ken/data/facts.h"
#include "ken/data/prompts.h"

namespace ken::test {

inline data::PromptStyle story_style() {
  data::PromptStyle style;
  style.question = "{question}";
  style.context = "{context} {instruction} {question}";
  style.stop = {"."};
  style.max_tokens = 4;
  return style;
}

// 90 facts "the THING is COLOUR", and of each a passage that says another colour, for each intent.
inline data::FactSet story_facts() {
  const std::vector<std::string> colours = {"red", "blue", "green", "big", "sad", "happy"},
                                 things = {"ball", "dog",  "cat",  "bird", "car", "tree", "hat", "book",
                                           "cake", "fish", "boat", "doll", "bed", "sun",  "toy"};
  data::FactSet set;
  set.name = "stories";
  for (size_t i = 0; i < colours.size() * things.size(); ++i) {
    const std::string &colour = colours[i % colours.size()], &thing = things[i / colours.size()];
    data::Fact fact;
    fact.id = thing + "." + colour;
    fact.subject = thing;
    fact.relation = "colour";
    fact.question = "Lily saw a " + thing + ". The " + thing + " was";
    fact.answers = {colour};
    fact.exposure = int64_t(i);
    fact.group = fact.id;
    fact.statement = "The " + thing + " was " + colour + ".";
    set.facts.push_back(fact);
    const std::string other = colours[(i + 1) % colours.size()];
    for (const char* intent : {"none", "context", "memory"}) {
      data::ContextCase item;
      item.id = fact.id + "." + intent;
      item.fact = fact.id;
      item.kind = "conflict";
      item.intent = intent;
      item.instruction = item.intent == "none" ? "" : "Look.";
      item.context = "The " + thing + " was " + other + ".";
      item.context_answers = {other};
      item.question = fact.question;
      item.answers = fact.answers;
      item.group = fact.group;
      set.contexts.push_back(item);
    }
  }
  return set;
}

}  // namespace ken::test
