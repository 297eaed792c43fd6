// What every Control that taps a stream must keep: a row's answer does not depend on the rows beside it.
#pragma once
#include <gtest/gtest.h>

#include "tests/tiny.h"

namespace ken::test {

// Questions beside passages of unequal length.
inline std::vector<generate::Request> passage_requests(size_t count) {
  const auto facts = tiny_facts();
  std::vector<generate::Request> requests;
  for (const auto& item : facts.contexts)
    if (item.kind == "conflict" && requests.size() < count)
      requests.push_back(evidence::with_passage(item, world::prompt_style()));
  for (auto& request : requests) request.max_tokens = 6;
  return requests;
}

inline void expect_rows_do_not_lean_on_each_other(const model::Model& model, const generate::ControlSpec& control) {
  auto requests = passage_requests(4);
  for (auto& request : requests) request.controls = {control};
  const auto together = evidence::greedy_answers(model, requests, nn::Compute::f32);
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto alone = evidence::greedy_answers(model, {requests[i]}, nn::Compute::f32)[0];
    ASSERT_EQ(alone.tokens, together[i].tokens);
    for (size_t t = 0; t < alone.logprobs.size(); ++t)
      EXPECT_NEAR(alone.logprobs[t], together[i].logprobs[t], 1e-5 * (1 + std::abs(alone.logprobs[t])));
  }
}

// A file of this name for one test.
struct OneFile {
  explicit OneFile(const std::string& name) : path(fs::temp_directory_path() / name) {}
  ~OneFile() { fs::remove_all(path); }
  fs::path path;
};

// The tap of a control as it is called in a prefill of these rows, which it must not change.
inline at::Tensor tapped(model::Tap tap, const at::Tensor& x, model::Phase phase = model::Phase::prefill) {
  const at::Tensor before = x.clone();
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < x.size(0); ++i) positions.push_back(i);
  const auto y = tap.fn(x, {0, positions, phase, 0, model::Point::resid_post});
  EXPECT_TRUE(at::equal(x, before));
  return y ? *y : x;
}

}  // namespace ken::test
