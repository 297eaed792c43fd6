// A whole study on a tiny random model: resume gives the same bytes, a foreign folder is refused, user facts work.
#include "ken/study/study.h"

#include <gtest/gtest.h>

#include "ken/data/prompt_choice.h"
#include "ken/study/figures.h"
#include "ken/study/rows.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::study::study_test_file {
namespace {

StudyOptions options(const fs::path& out) {
  return {.out = out, .compute = nn::Compute::f32, .samples = 3, .levers = {{"cad", Json::object(), "alpha", {0, 1}}}};
}

TEST(StudyTest, a_study_cut_at_any_row_resumes_to_the_same_bytes) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  const auto style = world::prompt_style();
  const auto whole = test::scratch("study-whole"), cut = test::scratch("study-cut");
  run_study(*model, facts, style, options(whole));
  const std::string rows = read_text(whole / "rows.jsonl"), study = read_text(whole / "study.json");
  for (double share : {0.1, 0.5, 0.9}) {
    fs::remove_all(cut);
    fs::create_directories(cut);
    write_text(cut / "rows.jsonl", std::string_view(rows).substr(0, size_t(share * double(rows.size()))));
    run_study(*model, facts, style, options(cut));
    EXPECT_EQ(read_text(cut / "rows.jsonl"), rows) << share;
    EXPECT_EQ(read_text(cut / "study.json"), study) << share;
  }
}

TEST(StudyTest, a_folder_of_another_study_is_refused) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  const auto out = test::scratch("study-other");
  write_text(out / "rows.jsonl", "{\"stage\":\"header\"}\n");
  EXPECT_THROW(run_study(*model, facts, world::prompt_style(), options(out)), UsageError);
}

TEST(StudyTest, facts_without_passages_give_a_study_without_the_conflict_section) {
  const auto model = test::tiny_model();
  const auto out = test::scratch("study-user");
  write_text(out / "facts.jsonl",
             "{\"question\":\"where was Ada born ?\",\"answer\":\"London\"}\n{\"question\":\"who "
             "?\",\"answers\":[\"Bob\",\"Robert\"]}\n");
  const auto facts = data::read_facts(out / "facts.jsonl");
  const auto result = run_study(*model, facts, data::PromptStyle{}, options(out / "study"));
  EXPECT_TRUE(result.study.at("conflict").is_null());
  EXPECT_TRUE(result.study.at("levers").empty());
  EXPECT_EQ(result.study.at("findings").at(0).at("id"), "knows-nothing");
  const std::string page = read_text(out / "study" / "report.html");
  EXPECT_NE(page.find("ken.study/2"), std::string::npos);
}

// A study in each form: the same facts through a template, and with examples; both forms stand in the study.
TEST(StudyTest, a_chat_model_and_a_base_model_are_asked_in_their_own_ways) {
  const auto facts = test::tiny_facts();
  const auto study_of = [&](const model::Model& model, const std::string& name) {
    const auto style = data::choose_style(model.metadata, model.tokenizer, {}, &facts);
    auto result = run_study(model, facts, style, options(test::scratch("study-" + name)));
    EXPECT_GT(result.questions, 100u);
    return result.study;
  };
  const auto chat = test::tiny_chat_model(), base = test::tiny_base_model();
  chat->config.context = base->config.context = 512;  // room for examples
  const Json through_template = study_of(*chat, "chat"), with_examples = study_of(*base, "few-shot");
  EXPECT_EQ(through_template.at("prompt").at("form"), "chat");
  EXPECT_EQ(through_template.at("prompt").at("system"), data::short_answer);
  EXPECT_EQ(with_examples.at("prompt").at("form"), "few-shot");
  EXPECT_EQ(with_examples.at("prompt").at("examples").at("value"), 5);
  EXPECT_EQ(with_examples.at("prompt").at("label"), "asked with 5 examples");
  EXPECT_FALSE(through_template.at("conflict").is_null());
}

TEST(StudyTest, another_way_of_asking_is_another_study) {
  const auto model = test::tiny_base_model();
  model->config.context = 512;
  const auto facts = test::tiny_facts();
  const auto out = test::scratch("study-way");
  const auto style = [&](const data::PromptChoice& choice) {
    return data::choose_style(model->metadata, model->tokenizer, choice, &facts);
  };
  auto few = facts;
  few.facts.resize(4);
  few.contexts.clear();
  few.claims.clear();
  run_study(*model, few, style({}), options(out));
  EXPECT_THROW(run_study(*model, few, style({.prompt = "plain"}), options(out)), UsageError);
  EXPECT_THROW(run_study(*model, few, style({.seed = 5}), options(out)), UsageError);  // other examples
}

TEST(StudyTest, popularity_falls_in_powers_of_ten) {
  const auto model = test::tiny_base_model();
  const auto out = test::scratch("study-popularity");
  std::string text = "id\tsubj\tprop\tquestion\tpossible_answers\ts_pop\n";
  for (int i = 0; i < 12; ++i)
    text += fmt::format("{0}\tS{0}\tborn\twhere was S{0} born ?\t[\"Rome\"]\t{1}\n", i,
                        i < 4   ? 0
                        : i < 8 ? 50 + i
                                : 4000 + i);
  write_text(out / "popqa.tsv", text);
  const auto facts = data::read_facts(out / "popqa.tsv");
  const auto result = run_study(*model, facts, data::PromptStyle{}, options(out / "study"));
  const Json& bands = result.study.at("recall").at("by_exposure");
  ASSERT_EQ(bands.size(), 3u);
  EXPECT_EQ(bands[0].at("label"), "popularity 0");
  EXPECT_EQ(bands[1].at("label"), "10-99");
  EXPECT_EQ(bands[2].at("label"), "1000-9999");
  EXPECT_EQ(facts_in("popularity 0"), "facts of popularity 0");
  EXPECT_EQ(facts_in("10-99"), "facts of popularity 10-99");
}

TEST(StudyTest, an_organisms_figures_have_their_names_and_lie_between_their_bounds) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  const auto style = world::prompt_style();
  const auto out = test::scratch("study-figures");
  const Json figures = organism_figures(*model, facts, style, run_study(*model, facts, style, options(out)).rows);
  for (const char* name : {"recall_16plus", "recall_0", "type_valid", "read_2_distractors", "conflict_context",
                           "conflict_memory", "intent_context", "intent_memory", "slope_held_out", "reversal_untrained",
                           "l2_gap", "seqprob_auroc", "conflict_probe_best", "conflict_probe_answer",
                           "conflict_probe_embed", "conflict_probe_unknown", "truefalse_heldout"}) {
    ASSERT_TRUE(figures.contains(name)) << name;
    if (!figures.at(name).is_null()) {
      EXPECT_LE(std::abs(figures.at(name).get<double>()), 1) << name;
    }
  }
  EXPECT_LT(figures.at("recall_0").get<double>(), 0.3);  // random weights know nothing
}

TEST(StudyTest, data_cannot_end_the_reports_script) {
  const std::string page = report_html({{"text", "</script><b>"}});
  EXPECT_EQ(page.find("</script><b>"), std::string::npos);
  EXPECT_NE(page.find("\\u003c/script>\\u003cb>"), std::string::npos);
}

TEST(StudyTest, an_empty_fact_set_is_an_error) {
  const auto model = test::tiny_model();
  EXPECT_THROW(run_study(*model, {}, data::PromptStyle{}, options(test::scratch("study-empty"))), Error);
}

TEST(RowFileTest, rows_after_the_last_whole_block_and_torn_lines_are_cut) {
  const auto folder = test::scratch("rows");
  const Json header{{"stage", "header"}};
  {
    RowFile file(folder / "rows.jsonl", header, {2, 2});
    file.append({{{"id", 1}}, {{"id", 2}}});
  }
  append_text(folder / "rows.jsonl", "{\"id\":3}\n{\"id\":");
  RowFile file(folder / "rows.jsonl", header, {2, 2});
  EXPECT_EQ(file.finished_blocks(), 1u);
  EXPECT_EQ(file.rows().size(), 2u);
  file.append({{{"id", 3}}, {{"id", 4}}});
  EXPECT_EQ(read_text(folder / "rows.jsonl"),
            "{\"stage\":\"header\"}\n{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{\"id\":4}\n");
}

TEST(RowFileTest, a_header_beside_leaves_nothing_but_rows_in_the_file) {
  const auto folder = test::scratch("rows-beside");
  const fs::path rows = folder / "rows.jsonl", beside = folder / "header.json";
  RowFile(rows, {{"seed", 1}}, {1, 1}, beside).append({{{"id", 1}}});
  append_text(rows, "{\"id\":");
  RowFile file(rows, {{"seed", 1}}, {1, 1}, beside);
  EXPECT_EQ(file.finished_blocks(), 1u);
  EXPECT_EQ(read_text(rows), "{\"id\":1}\n");
  EXPECT_THROW(RowFile(rows, {{"seed", 2}}, {1, 1}, beside), UsageError);
  fs::remove(beside);
  EXPECT_THROW(RowFile(rows, {{"seed", 1}}, {1, 1}, beside), UsageError);
}

}  // namespace
}  // namespace ken::study::study_test_file
