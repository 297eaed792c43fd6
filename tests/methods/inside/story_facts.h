// Facts about girls and what they saw, asked of the stories260K fixture: every answer is what the model happens to say,
// so a test may decide which answers are right.
#pragma once
#include <gtest/gtest.h>

#include <map>

#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "tests/fixtures.h"

namespace ken::test {

class StoryFacts : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = fixture("models/stories260K/model.gguf");
    if (!path) {
      if (fixtures_required()) FAIL() << "fixture models/stories260K is missing; set KEN_FIXTURES";
      GTEST_SKIP() << "fixture models/stories260K not found; set KEN_FIXTURES to the fixtures folder";
    }
    model = model::load(*path);
    style.question = "{question} She";
    style.context = "{context} {instruction} {question} She";
    style.stop = {"."};
  }
  static std::vector<std::string> girls() { return {"Lily", "Mia", "Anna", "Sue", "Lucy", "Amy"}; }
  static std::vector<std::string> things() {
    return {"ball", "dog",  "cat",  "bird", "car",  "tree", "hat",  "book", "cake", "fish",
            "cup",  "frog", "boat", "duck", "doll", "bear", "flag", "star", "bug",  "box"};
  }
  void add_facts(size_t count) {
    for (const auto& girl : girls())
      for (size_t i = 0; i < count; ++i) {
        data::Fact fact;
        fact.id = girl + "." + things()[i];
        fact.subject = girl;
        fact.question = girl + " saw a big " + things()[i] + ".";
        fact.group = girl + things()[i];
        set.facts.push_back(fact);
      }
    std::vector<generate::Request> requests;
    for (const auto& fact : set.facts) requests.push_back(evidence::closed_book(fact, style));
    for (const auto& answer : evidence::greedy_answers(*model, requests, nn::Compute::f32))
      greedy.push_back(answer.text);
  }
  // Labels that the last letters of a text tell: endings are dealt out to 0 and 1 so that both are as frequent.
  static std::vector<int> labels_by_ending(const std::vector<std::string>& texts) {
    const auto ending = [](const std::string& text) {
      return text.substr(text.size() - std::min<size_t>(2, text.size()));
    };
    std::map<std::string, int> count, label;
    for (const auto& text : texts) ++count[ending(text)];
    std::vector<std::pair<int, std::string>> order;
    for (const auto& [name, n] : count) order.emplace_back(-n, name);
    std::sort(order.begin(), order.end());
    int ones = 0, zeros = 0;
    for (const auto& [n, name] : order) {
      label[name] = ones < zeros;
      (ones < zeros ? ones : zeros) -= n;
    }
    std::vector<int> result;
    for (const auto& text : texts) result.push_back(label[ending(text)]);
    return result;
  }
  // A passage beside each fact; what it says, and whether it agrees, follows from `conflict`.
  void add_passages(bool conflict) {
    for (const auto& fact : set.facts) {
      data::ContextCase item;
      item.id = fact.id + (conflict ? ".conflict" : ".agree");
      item.fact = fact.id;
      item.kind = conflict ? "conflict" : "agree";
      item.context_answers = {conflict ? "red" : "sun"};
      item.context = "It was the " + item.context_answers[0] + " of the day.";
      item.intent = "none";
      item.question = fact.question;
      item.answers = fact.answers;
      item.group = fact.group;
      item.context_subject = fact.subject;
      set.contexts.push_back(item);
    }
  }
  readout::AnalysisResult run(const std::string& id, const Json& params) {
    const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", id);
    return entry.run({*model, set, style, 1}, resolve_params(entry.card, params));
  }
  std::shared_ptr<model::Model> model;
  data::PromptStyle style;
  data::FactSet set;
  std::vector<std::string> greedy;  // of each fact
};

}  // namespace ken::test
