// Language-specific knowledge on a small model: the language in which a fact is answered rightly is planted.
#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/readout/clusters.h"
#include "tests/methods/inside/story_facts.h"

namespace ken::lsk_test_file {
namespace {

TEST(ClustersTest, of_three_directions_are_found_and_a_point_goes_to_the_nearest) {
  std::vector<std::vector<double>> points;
  Rng rng(1);
  for (int i = 0; i < 60; ++i) {
    std::vector<double> p{0.05 * rng.normal(), 0.05 * rng.normal(), 0.05 * rng.normal()};
    p[size_t(i) % 3] += 1;
    for (double& x : p) x *= 1 + i;  // lengths say nothing
    points.push_back(p);
  }
  const auto found = readout::cluster_directions(points, 3, 7);
  ASSERT_EQ(found.centres.size(), 3u);
  for (size_t i = 3; i < points.size(); ++i) EXPECT_EQ(found.of[i], found.of[i % 3]);
  EXPECT_EQ(found.nearest(std::vector<double>{0.1, 2, 0.1}), found.of[1]);
  for (const auto& c : found.centres) EXPECT_NEAR(c[0] * c[0] + c[1] * c[1] + c[2] * c[2], 1, 1e-9);
}

TEST(ClustersTest, are_no_more_than_different_points_and_need_a_direction) {
  EXPECT_EQ(readout::cluster_directions({{1, 0}, {2, 0}, {0, 1}}, 5, 1).centres.size(), 2u);
  EXPECT_THROW(readout::cluster_directions({{1, 0}, {0, 0}}, 2, 1), Error);
  EXPECT_THROW(readout::cluster_directions({}, 2, 1), Error);
}

class LskTest : public test::StoryFacts {
 protected:
  // Facts of three girls are known in "other" alone, those of the other three in the dominant language alone.
  void plant() {
    style.max_tokens = 4;
    add_facts(20);
    for (size_t i = 0; i < set.facts.size(); ++i) {
      auto& fact = set.facts[i];
      const bool other = i / 20 < 3;
      const std::string question = "Then " + fact.question;
      std::vector<generate::Request> both{evidence::closed_book(fact, style),
                                          evidence::request_of(style, {data::ask(style, question), ""})};
      const auto said = evidence::greedy_answers(*model, both, nn::Compute::f32);
      fact.answers = {other ? "nothing of this kind" : said[0].text};
      fact.variants = {{"other", question, {other ? said[1].text : "nothing of this kind"}}};
      fact.extra["language"] = other ? "other" : "dominant";
    }
  }
  static double value(const Json& number) { return number.at("value").get<double>(); }
};

TEST_F(LskTest, topics_known_in_one_language_are_asked_in_it) {
  plant();
  const Json table = run("lsk", {{"languages", "other"}, {"clusters", 40}}).table, &accuracy = table["accuracy"];
  EXPECT_DOUBLE_EQ(value(accuracy["always dominant"]), 0.5);
  EXPECT_DOUBLE_EQ(value(accuracy["always other"]), 0.5);
  EXPECT_DOUBLE_EQ(value(accuracy["oracle"]), 1);
  EXPECT_GT(value(accuracy["routed"]), 0.85);  // a question begins with its girl, which clusters tell
  EXPECT_LT(value(accuracy["shuffled map"]), 0.7);
  EXPECT_NEAR(table["relative_gain"].get<double>(), value(accuracy["routed"]) / 0.5 - 1, 1e-9);
  // What is right is what is routed to the planted language.
  const Json& by = table["recovery"]["routed_to_its_language"];
  EXPECT_NEAR(value(accuracy["routed"]), (value(by["dominant"]) + value(by["other"])) / 2, 1e-9);
  for (const Json& cluster : table["map"])
    EXPECT_EQ(cluster["expert"], cluster["accuracy"][1] > cluster["accuracy"][0] ? "other" : "dominant");
}

TEST_F(LskTest, one_cluster_asks_everything_in_the_better_language) {
  plant();
  for (size_t i = 0; i < set.facts.size(); i += 20) set.facts[i].answers = set.facts[i].variants[0].answers;
  for (auto& fact : set.facts) fact.variants[0].answers = {"nothing of this kind"};
  const Json accuracy = run("lsk", {{"languages", "other"}, {"clusters", 1}}).table["accuracy"];
  EXPECT_EQ(value(accuracy["routed"]), value(accuracy["always dominant"]));
  EXPECT_EQ(value(accuracy["always other"]), 0);
}

}  // namespace
}  // namespace ken::lsk_test_file
