// The order of preference on a model whose answers are planted as what it says without help.
#include "ken/base/error.h"
#include "tests/methods/inside/story_facts.h"

namespace ken::preference_order_test_file {
namespace {

class PreferenceOrderTest : public test::StoryFacts {
 protected:
  void plant() {
    style.max_tokens = 4;
    add_facts(12);
    std::vector<generate::Request> requests;
    for (auto& fact : set.facts) requests.push_back(evidence::closed_book(fact, style));
    const auto said = evidence::greedy_answers(*model, requests, nn::Compute::f32);
    for (size_t i = 0; i < set.facts.size(); ++i) {
      set.facts[i].answers = {said[i].text};
      set.facts[i].relation = "same";
      set.facts[i].statement = set.facts[i].question + " " + said[i].text + " .";
    }
  }
};

TEST_F(PreferenceOrderTest, nine_cells_share_items_and_the_matrix_sums_to_one) {
  plant();
  const auto result = run("preference-order", {{"max_items", 40}});
  const Json& table = result.table;
  ASSERT_EQ(table.at("cells").size(), 9u);
  for (const Json& cell : table.at("cells")) {
    EXPECT_EQ(cell.at("accuracy").at("n"), table.at("items"));
    const double all = cell.at("accuracy").at("value").get<double>() + cell.at("violation").at("value").get<double>() +
                       cell.at("other").at("value").get<double>();
    EXPECT_LE(all, 1 + 1e-9);
    if (cell.at("gold") == "memory") {
      EXPECT_EQ(cell.at("violation").at("value"), 0.0);
    }
    // Without any source but memory every known fact is answered rightly.
    if (cell.at("assumption") == "absent" && cell.at("passage") == "absent") {
      EXPECT_EQ(cell.at("accuracy").at("value"), 1.0);
    }
  }
  EXPECT_TRUE(at::allclose(result.tensors.at("leak").sum(1), at::ones({3})));
}

TEST_F(PreferenceOrderTest, what_is_missing_is_named) {
  plant();
  EXPECT_THROW(run("preference-order", {{"assume", "Assume it."}}), UsageError);
  for (auto& fact : set.facts) fact.statement.clear();
  EXPECT_THROW(run("preference-order", {}), Error);
}

}  // namespace
}  // namespace ken::preference_order_test_file
