// Reading a benchmark's file in a test: the text goes to a file, the entry reads it.
#pragma once
#include <gtest/gtest.h>

#include "ken/tasks/task.h"
#include "tests/fixtures.h"

namespace ken::tasks {

inline Items read_text_as(const std::string& id, const std::string& text, const Json& params = Json::object()) {
  const auto folder = test::scratch("task-" + id);
  write_text(folder / "file.jsonl", text);
  const TaskEntry& entry = Registry<TaskEntry>::get().at("task", id);
  return entry.read({folder / "file.jsonl", resolve_params(entry.card, params), data::PromptStyle{}});
}

inline void expect_refused(const std::string& id, const std::string& text, const std::string& part) {
  try {
    read_text_as(id, text);
    FAIL() << "accepted: " << text;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

inline Json scored(const std::string& id, const Item& item, const std::vector<double>& logprobs,
                   const std::vector<int64_t>& tokens = {}) {
  std::vector<evidence::OptionScore> scores;
  for (size_t i = 0; i < logprobs.size(); ++i) {
    const size_t bytes = i < item.options.size() ? item.options[i].size() : 1;
    scores.push_back({logprobs[i], tokens.empty() ? 1 : tokens[i], false, bytes});
  }
  const auto score = Registry<TaskEntry>::get().at("task", id).score;
  return (score ? score : score_choice)(item, scores);
}

}  // namespace ken::tasks
