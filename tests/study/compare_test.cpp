// Two studies side by side, on studies written by hand: what is matched, tested, paired, warned of and said.
#include "ken/study/compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>

#include "ken/base/error.h"
#include "ken/io/records.h"
#include "ken/stats/compare.h"
#include "ken/stats/stats.h"
#include "tests/fixtures.h"

namespace ken::study::compare_test_file {
namespace {

Json share(int64_t hits, int64_t n, const char* metric = "accuracy") {
  return stats::to_json(stats::proportion(hits, n, metric));
}
Json measured(double value, double low, double high, const char* metric = "auroc") {
  return stats::to_json(stats::Number{value, 100, low, high, metric});
}

Json study_of(int64_t overall, int64_t rare, double auroc) {
  return {{"schema", "ken.study/1"},
          {"model", {{"name", "m"}, {"sha256", std::to_string(overall)}, {"compute", "f32"}}},
          {"facts", {{"name", "f"}, {"source", ""}, {"relations", {"birth", "job"}}}},
          {"seed", "0"},
          {"recall",
           {{"overall", share(overall, 400)},
            {"by_exposure", {{{"label", "1-2"}, {"accuracy", share(rare, 100)}}}},
            {"examples", {{{"id", "x"}, {"confidence", measured(0.5, 0, 1)}}}}}},
          {"certainty", {{"scores", {{{"id", "entropy"}, {"auroc", measured(auroc, auroc - 0.02, auroc + 0.02)}}}}}},
          {"findings", Json::array()}};
}

StudyData data(const Json& study, const Json& header = nullptr) { return {"p", study, header, {}}; }

const Json& number(const Json& comparison, const std::string& path) {
  for (const Json& item : comparison.at("numbers"))
    if (item.at("path") == path) return item;
  throw Error("no number " + path);
}

TEST(CompareTest, numbers_are_matched_by_path_and_label_and_tested) {
  const Json c = compare(data(study_of(200, 20, 0.80)), data(study_of(240, 45, 0.90)));
  ASSERT_EQ(c.at("numbers").size(), 3u);  // examples repeat rows
  const Json& overall = number(c, "recall.overall");
  EXPECT_EQ(overall.at("test"), "two proportions");
  EXPECT_NEAR(overall.at("difference"), 0.1, 1e-12);
  EXPECT_DOUBLE_EQ(overall.at("p"), stats::two_proportions(200, 400, 240, 400));
  const Json& rare = number(c, "recall.by_exposure[1-2].accuracy");
  EXPECT_EQ(rare.at("label"), "by exposure 1-2, accuracy");
  EXPECT_EQ(rare.at("section"), "recall");
  EXPECT_TRUE(rare.at("beyond_chance"));
  EXPECT_EQ(number(c, "certainty.scores[entropy].auroc").at("test"), "intervals");
  EXPECT_EQ(c.at("tested"), 3);
  EXPECT_EQ(c.at("beyond_chance"), 3);
}

TEST(CompareTest, p_values_are_corrected_over_all_tested_numbers) {
  const Json c = compare(data(study_of(200, 20, 0.80)), data(study_of(230, 20, 0.80)));
  const double p = number(c, "recall.overall").at("p");
  EXPECT_LT(p, 0.05);
  EXPECT_NEAR(number(c, "recall.overall").at("p_holm"), 3 * p, 1e-12);
  EXPECT_FALSE(number(c, "recall.overall").at("beyond_chance"));
  EXPECT_EQ(c.at("findings")[0].at("text"), "None of the 3 tested numbers differs beyond chance.");
}

TEST(CompareTest, a_study_equals_itself) {
  const Json c = compare(data(study_of(200, 20, 0.8)), data(study_of(200, 20, 0.8)));
  EXPECT_EQ(c.at("beyond_chance"), 0);
  for (const Json& item : c.at("numbers")) EXPECT_EQ(item.at("p"), 1) << item;
  EXPECT_NE(c.at("warnings").dump().find("the same model"), std::string::npos);
}

TEST(CompareTest, unknown_sections_lists_and_tables_are_found_by_their_form) {
  Json a = study_of(200, 20, 0.8), b = a;
  for (Json* study : {&a, &b}) {
    (*study)["bias"] = {
        {"groups", {{{"label", "north"}, {"gap", share(3, 10)}}, {{"label", "south"}, {"gap", share(4, 10)}}}}};
    (*study)["map"] = {{"columns", {"x", "y"}},
                       {"rows", {"r1", "r2"}},
                       {"table", {{share(1, 9), share(2, 9)}, {share(3, 9), share(4, 9)}}}};
    (*study)["curve"] = {{{"coverage", measured(0.251, NAN, NAN)}, {"risk", share(1, 10)}}};
  }
  std::reverse(b["bias"]["groups"].begin(), b["bias"]["groups"].end());
  b["extra"] = share(1, 2);
  a["bias"]["only"] = share(1, 2);
  const Json c = compare(data(a), data(b));
  EXPECT_EQ(number(c, "bias.groups[south].gap").at("difference"), 0);  // by label, not by place
  EXPECT_EQ(number(c, "map.table[r2][x]").at("a").at("value"), share(3, 9).at("value"));
  EXPECT_TRUE(number(c, "curve[coverage=0.25].risk").at("curve"));
  EXPECT_TRUE(number(c, "curve[coverage=0.25].risk").at("p").is_null());
  EXPECT_EQ(c.at("only_in_a"), Json({"bias.only"}));
  EXPECT_EQ(c.at("only_in_b"), Json({"extra"}));
}

TEST(CompareTest, what_cannot_be_tested_is_not) {
  Json a = study_of(200, 20, 0.8), b = study_of(390, 20, 0.8);
  a["recall"]["overall"] = share(0, 0);  // null
  b["recall"]["by_exposure"][0]["accuracy"]["metric"] = "other";
  const Json c = compare(data(a), data(b));
  EXPECT_TRUE(number(c, "recall.overall").at("p").is_null());
  EXPECT_TRUE(number(c, "recall.by_exposure[1-2].accuracy").at("test").is_null());
  EXPECT_NE(c.at("warnings").dump().find("1 numbers have another metric"), std::string::npos);
  EXPECT_EQ(c.at("tested"), 1);
  for (Json* study : {&a, &b}) (*study)["certainty"]["scores"][0]["auroc"]["n"] = 2;  // bootstraps of two say nothing
  b["certainty"]["scores"][0]["auroc"]["value"] = 0.1;
  EXPECT_EQ(compare(data(a), data(b)).at("tested"), 0);
  a["recall"]["overall"]["n"] = -1;
  EXPECT_THROW(compare(data(a), data(b)), Error);
  a["recall"]["overall"] = share(0, 0);
  a["recall"]["overall"]["ci"] = "wide";
  EXPECT_THROW(compare(data(a), data(b)), Error);
}

TEST(CompareTest, other_facts_seeds_and_arithmetic_are_warned_of) {
  Json a = study_of(200, 20, 0.8), b = study_of(240, 20, 0.8);
  EXPECT_TRUE(compare(data(a), data(b)).at("warnings").empty());
  b["seed"] = "1";
  b["model"]["compute"] = "fast";
  const std::string said =
      compare(data(a, {{"facts", "aa"}, {"samples", 3}}), data(b, {{"facts", "bb"}, {"samples", 4}}))
          .at("warnings")
          .dump();
  for (const char* part :
       {"The facts differ", "other contents", "The seeds differ", "The arithmetic differs", "samples a question"})
    EXPECT_NE(said.find(part), std::string::npos) << said;
}

Asked recalled(int id, bool right, int64_t exposure = 1) {
  Asked asked;
  asked.stage = "recall";
  asked.id = asked.question = asked.text = "q" + std::to_string(id);
  asked.right = right;
  asked.exposure = exposure;
  asked.answer = right ? "yes" : "no";
  return asked;
}

// 400 questions, the first 100 of exposure 1; A and B right where the functions say so.
std::pair<StudyData, StudyData> asked_twice(const std::function<bool(int)>& a, const std::function<bool(int)>& b) {
  std::array<int64_t, 4> hits{};
  std::vector<Asked> rows_a, rows_b;
  for (int i = 0; i < 400; ++i) {
    rows_a.push_back(recalled(i, a(i), i < 100 ? 1 : 9));
    rows_b.push_back(recalled(i, b(i), i < 100 ? 1 : 9));
    hits[0] += a(i);
    hits[1] += b(i);
    hits[2] += i < 100 && a(i);
    hits[3] += i < 100 && b(i);
  }
  std::reverse(rows_b.begin(), rows_b.end());  // paired by id, not by place
  return {{"a", study_of(hits[0], hits[2], 0.8), nullptr, rows_a},
          {"b", study_of(hits[1], hits[3], 0.8), nullptr, rows_b}};
}

TEST(CompareTest, the_same_questions_are_paired_and_their_test_sees_more) {
  const auto [a, b] = asked_twice([](int i) { return i % 2 == 0; }, [](int i) { return i % 2 == 0 || i % 20 == 1; });
  const Json c = compare(a, b);
  const Json& pair = c.at("paired")[0];
  EXPECT_EQ(pair.at("pairs"), 400);
  EXPECT_EQ(pair.at("both"), 200);
  EXPECT_EQ(pair.at("only_a"), 0);
  EXPECT_EQ(pair.at("only_b"), 20);
  EXPECT_EQ(pair.at("examples").at("only_b").size(), 3u);
  const Json& overall = number(c, "recall.overall");
  EXPECT_EQ(overall.at("test"), "McNemar");
  EXPECT_DOUBLE_EQ(overall.at("p"), stats::mcnemar_exact(0, 20));
  EXPECT_TRUE(overall.at("beyond_chance"));
  EXPECT_GT(stats::two_proportions(200, 400, 220, 400), 0.05);
  EXPECT_EQ(pair.at("p_holm"), overall.at("p_holm"));
  EXPECT_EQ(c.at("paired")[1].at("path"), "recall.by_exposure[1-2].accuracy");
  EXPECT_EQ(c.at("paired")[1].at("pairs"), 100);
  EXPECT_EQ(c.at("tested"), 4);  // three numbers, and the relation, which has no number in these studies
}

TEST(CompareTest, equal_ids_of_other_questions_do_not_pair) {
  auto [a, b] = asked_twice([](int) { return true; }, [](int) { return false; });
  for (Asked& asked : b.rows) asked.text += " ?";
  EXPECT_TRUE(compare(a, b).at("paired").empty());
  EXPECT_EQ(number(compare(a, b), "recall.overall").at("test"), "two proportions");
}

TEST(CompareTest, conflicts_pair_by_whose_answer_is_given) {
  auto [a, b] = asked_twice([](int) { return true; }, [](int) { return true; });
  for (int i = 0; i < 12; ++i) {
    Asked asked = recalled(1000 + i, true);
    asked.stage = "context";
    asked.kind = "conflict";
    asked.intent = "none";
    asked.followed = "memory";
    a.rows.push_back(asked);
    asked.followed = "context";
    b.rows.push_back(asked);
  }
  const Json c = compare(a, b);
  const auto found = std::find_if(c.at("paired").begin(), c.at("paired").end(),
                                  [](const Json& p) { return p.at("label") == "conflict: answers from context"; });
  ASSERT_NE(found, c.at("paired").end());
  EXPECT_EQ(found->at("only_b"), 12);
  EXPECT_TRUE(found->at("beyond_chance"));
}

TEST(CompareTest, findings_speak_plainly_and_the_pages_show_all) {
  const auto [a, b] =
      asked_twice([](int i) { return i % 4 == 0; }, [](int i) { return i % 4 == 0 || (i < 100 && i % 4 == 1); });
  const Json c = compare(a, b);
  const std::string text = compare_text(c), page = compare_markdown(c);
  for (const std::string* shown : {&text, &page}) {
    EXPECT_NE(shown->find("B answers 25.0 points more of facts seen 1-2 times rightly: 50.0 % against 25.0 %."),
              std::string::npos)
        << *shown;
    EXPECT_NE(shown->find("only B answers 25 rightly and only A 0"), std::string::npos) << *shown;
  }
  EXPECT_NE(text.find("* by exposure 1-2, accuracy"), std::string::npos) << text;
  EXPECT_LT(text.find("by exposure 1-2, accuracy"), text.find("overall  ")) << text;  // the larger difference first
  EXPECT_NE(page.find("scores entropy, auroc"), std::string::npos);
}

TEST(CompareTest, folders_and_files_are_read_and_bad_ones_named) {
  const auto folder = test::scratch("compare");
  write_text(folder / "study.json", study_of(2, 1, 0.8).dump());
  const Json row{{"stage", "recall"}, {"id", "1"}, {"question", "who ?"}, {"right", true}, {"exposure", 3}};
  write_text(folder / "rows.jsonl",
             "{\"stage\":\"header\",\"facts\":\"aa\"}\n" + io::jsonl_line(row) + "{\"stage\":\"lever\"}\n");
  for (const fs::path& path : {folder, folder / "study.json"}) {
    const StudyData read = read_study(path);
    ASSERT_EQ(read.rows.size(), 1u);
    EXPECT_EQ(read.rows[0].exposure, 3);
    EXPECT_EQ(read.header.at("facts"), "aa");
  }
  EXPECT_THROW(read_study(folder / "nowhere"), UsageError);
  write_text(folder / "rows.jsonl", "{\"stage\":\"recall\",\"id\":1}\n");
  EXPECT_THROW(read_study(folder), Error);
  write_text(folder / "study.json", "{\"schema\":\"other\"}");
  EXPECT_THROW(read_study(folder), UsageError);
  write_text(folder / "study.json", std::string(100000, '['));
  EXPECT_THROW(read_study(folder), Error);
}

}  // namespace
}  // namespace ken::study::compare_test_file
