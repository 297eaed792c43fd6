// Contrast pairs for stories260K: prompts that differ in one word after which the model goes on with another word.
#pragma once
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/readout/contrast.h"
#include "tests/fixtures.h"

namespace ken::readout {

class StoryPairs : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = test::fixture("models/stories260K/model.gguf");
    if (!path) {
      if (test::fixtures_required()) FAIL() << "fixture models/stories260K is missing; set KEN_FIXTURES";
      GTEST_SKIP() << "fixture models/stories260K not found; set KEN_FIXTURES to the fixtures folder";
    }
    model = model::load(*path);
    file = test::scratch("story-pairs") / "pairs.jsonl";
    write_text(file, pairs());
  }
  // Every prompt with the word that follows it; neighbours whose words differ make a pair.
  std::string pairs() const {
    const std::vector<std::string> words = {"dog",  "cat",  "bird", "car", "tree", "hat",  "book", "cake",
                                            "fish", "ball", "toy",  "box", "bear", "boat", "girl", "boy",
                                            "mom",  "dad",  "frog", "bee", "sun",  "bed",  "cup",  "day",
                                            "park", "rain", "duck", "cow", "pig",  "king"};
    std::vector<std::string> prompts;
    for (const char* pattern : {"The {} wanted to", "She saw a {} and", "One day, a {} was", "The big {} said"})
      for (const auto& word : words) {
        prompts.push_back(pattern);
        prompts.back().replace(prompts.back().find("{}"), 2, word);
      }
    std::vector<generate::Request> requests(prompts.size());
    for (size_t i = 0; i < prompts.size(); ++i) requests[i].prompt.text = prompts[i], requests[i].max_tokens = 1;
    const auto next = generate::generate(*model, requests, {.compute = nn::Compute::f32, .progress = {}, .what = ""});
    std::string lines;
    for (size_t i = 0; i < prompts.size(); ++i)
      for (size_t j = i + 1; j < std::min(prompts.size(), i + 8); ++j) {
        const bool same_length = generate::prompt_ids(*model, prompts[i], nullptr).size() ==
                                 generate::prompt_ids(*model, prompts[j], nullptr).size();
        if (!same_length || next[i][0].text == next[j][0].text || next[i][0].text.empty() || next[j][0].text.empty())
          continue;
        const auto one = [&](size_t a, size_t b) {
          lines += Json({{"clean", prompts[a]},
                         {"corrupt", prompts[b]},
                         {"answer", next[a][0].text},
                         {"corrupt_answer", next[b][0].text}})
                       .dump() +
                   "\n";
        };
        one(i, j);
        one(j, i);
      }
    return lines;
  }
  AnalysisResult run(const char* id, Json params) const {
    const auto& entry = Registry<AnalysisEntry>::get().at("analysis", id);
    params["file"] = file.string();
    params.emplace("max_pairs", 24);
    params.emplace("least_gap", 0.1);
    const data::FactSet none;
    return entry.run({*model, none, {}, 1}, resolve_params(entry.card, params));
  }
  static double value(const Json& number) { return number.at("value").is_null() ? NAN : number["value"].get<double>(); }

  std::shared_ptr<model::Model> model;
  fs::path file;
};

}  // namespace ken::readout
