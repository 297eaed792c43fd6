// Invented references, on a small model: which records exist is planted by how stable its replies are.
#include "ken/base/error.h"
#include "ken/evidence/names.h"
#include "tests/methods/inside/story_facts.h"

namespace ken::hallucinated_references_test_file {
namespace {

using evidence::names_in;
using evidence::shared_names;
using Names = std::set<std::string>;

TEST(NamesTest, of_a_list_are_its_parts_and_a_sentence_is_none) {
  EXPECT_EQ(names_in("AUTHORS: Ada Lovelace, Alan M. Turing and Kurt Hilbert", true),
            (Names{"lovelace", "turing", "hilbert"}));
  EXPECT_EQ(names_in("Ada Lovelace & Ada Byron", false), (Names{"ada", "lovelace", "byron"}));
  EXPECT_EQ(names_in("There is no paper that bears this title.", true), Names{});
  EXPECT_TRUE(names_in("unknown", true).empty());
  EXPECT_TRUE(names_in("", true).empty());
}

TEST(NamesTest, share_what_both_hold_of_what_either_holds) {
  EXPECT_DOUBLE_EQ(shared_names({"a", "b"}, {"b", "c"}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(shared_names({"a"}, {"a"}), 1);
  EXPECT_DOUBLE_EQ(shared_names({}, {}), 0);  // two refusals do not agree on an author
}

class HallucinatedReferencesTest : public test::StoryFacts {
 protected:
  void records(size_t count) {
    style.max_tokens = 4;
    add_facts(count);
    for (size_t i = 0; i < set.facts.size(); ++i) set.facts[i].extra["exists"] = i % 2 == 0;
  }
  Json quick(const Json& more = {}) {
    Json params{{"DQ1", "{subject} is here."}, {"DQ2", "{question} She {answer}."}, {"DQ3", "{titles}: {number}."}};
    params.update(more.is_null() ? Json::object() : more);
    return params;
  }
  std::vector<double> scores(const readout::AnalysisResult& result, const std::string& name) {
    const auto& t = result.tensors.at(name);
    return {t.data_ptr<double>(), t.data_ptr<double>() + t.numel()};
  }
};

TEST_F(HallucinatedReferencesTest, stable_replies_find_the_records_that_exist) {
  records(8);
  const Json params = quick({{"overlap", "words"}, {"temperature", 0.5}});
  const auto overlap = scores(run("hallucinated-references", params), "IQ");
  auto order = overlap;
  std::sort(order.begin(), order.end());
  const double middle = order[order.size() / 2];
  ASSERT_LT(order.front(), middle);
  for (size_t i = 0; i < overlap.size(); ++i) set.facts[i].extra["exists"] = overlap[i] >= middle;
  const Json iq = run("hallucinated-references", params).table["scores"]["IQ"];
  EXPECT_EQ(iq["auroc"]["value"], 1.0);
  EXPECT_EQ(iq["false_discovery"][0]["hallucinated"], 0.0);
  EXPECT_GT(iq["mean_grounded"].get<double>(), iq["mean_hallucinated"].get<double>());
}

TEST_F(HallucinatedReferencesTest, less_noise_brings_more_agreement_whether_records_exist_or_not) {
  records(4);
  const auto mean = [&](double temperature) {
    const Json iq = run("hallucinated-references", quick({{"temperature", temperature}, {"overlap", "words"}}))
                        .table["scores"]["IQ"];
    return std::pair(iq["mean_grounded"].get<double>(), iq["mean_hallucinated"].get<double>());
  };
  const auto cold = mean(0.001), warm = mean(1.5);
  EXPECT_GT(std::min(cold.first, cold.second), 0.95);
  EXPECT_LT(std::max(warm.first, warm.second), 0.6);
}

TEST_F(HallucinatedReferencesTest, every_curve_ends_at_the_share_of_invented_records) {
  records(4);
  const Json table = run("hallucinated-references", quick()).table;
  for (const char* name : {"IQ", "DQ1", "DQ2", "DQ3", "DQ", "IQ + DQ", "IQ + DQ, ranks"}) {
    const Json& curve = table["scores"][name]["false_discovery"];
    EXPECT_EQ(curve.back()["kept"], 1.0);
    EXPECT_EQ(curve.back()["hallucinated"], 0.5);
  }
  EXPECT_EQ(table["records"].size(), 24u);
  EXPECT_EQ(table["records"][0]["replies"].size(), 3u);
}

TEST_F(HallucinatedReferencesTest, an_exposure_says_what_exists_and_one_class_alone_is_an_error) {
  records(4);
  for (auto& fact : set.facts) fact.extra = Json::object(), fact.exposure = fact.subject == "Lily" ? 0 : 3;
  EXPECT_THROW(run("hallucinated-references", quick()), Error);  // four invented records, five are needed
  for (auto& fact : set.facts) fact.exposure = fact.subject == "Lily" || fact.subject == "Mia" ? 0 : 3;
  EXPECT_EQ(run("hallucinated-references", quick()).table["grounded"], 16);
}

}  // namespace
}  // namespace ken::hallucinated_references_test_file
