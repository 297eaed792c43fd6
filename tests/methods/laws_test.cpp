// Laws that every registered method keeps, whatever it does.
#include <gtest/gtest.h>

#include <set>

#include "ken/evidence/evidence.h"
#include "ken/model/edit.h"
#include "ken/readout/analysis.h"
#include "ken/study/catalog.h"
#include "ken/tasks/claim.h"
#include "ken/tasks/task.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::laws_test_file {
namespace {

using at::Tensor;

TEST(LawsTest, every_card_says_what_it_is_with_a_paper_and_an_example) {
  for (const auto& entry : study::catalog()) {
    const Card& c = *entry.card;
    EXPECT_FALSE(c.title.empty() || c.paper.empty() || c.sentence.empty() || c.family.empty()) << c.id;
    EXPECT_EQ(c.example.rfind("ken ", 0), 0u) << c.id;
    for (const Param& p : c.params) EXPECT_FALSE(p.meaning.empty()) << c.id << "." << p.name;
    const bool directed = c.direction == "higher is surer" || c.direction == "lower is surer";
    EXPECT_EQ(directed, entry.kind == "estimator") << c.id;
    EXPECT_TRUE(entry.kind != "control" || !c.null_setting.is_null()) << c.id;
  }
}

TEST(LawsTest, the_registry_and_the_files_name_the_same_methods_each_with_a_claim_a_test_and_a_page) {
  const fs::path root = std::getenv("KEN_SOURCE") ? std::getenv("KEN_SOURCE") : ".";
  std::set<std::string> files, registered;
  for (const auto& file : fs::recursive_directory_iterator(root / "ken" / "methods")) {
    const std::string stem = file.path().stem().string();
    if (file.path().extension() != ".cpp" || stem.ends_with("_claim")) continue;
    const std::string family = file.path().parent_path().filename().string();
    files.insert(family + "/" + stem);
    EXPECT_TRUE(fs::exists(file.path().parent_path() / (stem + "_claim.cpp"))) << stem;
    EXPECT_TRUE(fs::exists(root / "tests" / "methods" / family / (stem + "_test.cpp"))) << stem;
    EXPECT_TRUE(fs::exists(root / "docs" / "methods" / family / (stem + ".md"))) << stem;
    EXPECT_NE(Registry<tasks::ClaimEntry>::get().find(stem), nullptr) << stem;
  }
  for (const auto& entry : study::catalog())
    if (entry.kind != "architecture" && entry.kind != "format" && entry.kind != "task")
      registered.insert(entry.card->family + "/" + entry.card->id);
  EXPECT_EQ(files, registered);
}

TEST(LawsTest, each_file_of_tasks_registers_a_benchmark_with_a_test_and_says_what_it_reads) {
  const fs::path root = std::getenv("KEN_SOURCE") ? std::getenv("KEN_SOURCE") : ".";
  std::set<std::string> files, registered;
  for (const auto& file : fs::directory_iterator(root / "ken" / "tasks")) {
    const std::string stem = file.path().stem().string();
    if (file.path().extension() == ".cpp" && !fs::exists(root / "ken" / "tasks" / (stem + ".h"))) files.insert(stem);
  }
  for (const auto* task : Registry<tasks::TaskEntry>::get().all()) {
    registered.insert(task->card.id);
    EXPECT_EQ(task->card.family, "tasks") << task->card.id;
    EXPECT_FALSE(task->file.empty()) << task->card.id;
    EXPECT_EQ(task->score == nullptr, task->metrics.empty()) << task->card.id;
    EXPECT_TRUE(fs::exists(root / "tests" / "tasks" / (task->card.id + "_test.cpp"))) << task->card.id;
  }
  EXPECT_EQ(files, registered);
}

TEST(LawsTest, a_bad_parameter_is_named_with_the_near_one) {
  for (const auto& entry : study::catalog()) {
    if (entry.card->params.empty()) continue;
    const Param& first = entry.card->params[0];
    try {
      resolve_params(*entry.card, {{first.name + "x", first.standard}});
      FAIL() << entry.card->id << " took an unknown parameter";
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find("did you mean " + first.name), std::string::npos) << error.what();
    }
    EXPECT_THROW(resolve_params(*entry.card, {{first.name, Json::array()}}), UsageError) << entry.card->id;
  }
}

TEST(LawsTest, leaving_a_scope_restores_the_weights_bit_for_bit) {
  const auto model = test::tiny_model();
  for (const auto& [name, matrix] : model->matrices()) {
    const Tensor before = nn::dense(*matrix).clone();
    {
      const auto low =
          model::WeightEdit::low_rank(*model, name, at::randn({2, matrix->in}), at::randn({matrix->out, 2}));
      const auto whole = model::WeightEdit::replace(*model, name, at::zeros({matrix->out, matrix->in}));
      EXPECT_FALSE(at::equal(nn::dense(*matrix), before)) << name;
    }
    EXPECT_TRUE(at::equal(nn::dense(*matrix), before)) << name;
    EXPECT_FALSE(matrix->low_a.defined()) << name;
  }
}

TEST(LawsTest, logits_agree_for_batches_of_1_3_and_16_and_for_1_and_2_threads) {
  const auto model = test::tiny_model();
  at::NoGradGuard no_gradients;
  std::vector<model::Row> rows;
  for (int i = 0; i < 16; ++i) rows.push_back({std::vector<int32_t>(size_t(3 + i % 5), 300 + i)});
  for (const auto compute : {nn::Compute::f32, nn::Compute::fast}) {
    const auto run = [&](size_t n, int threads) {
      at::set_num_threads(threads);
      const std::vector<model::Row> some(rows.begin(), rows.begin() + long(n));
      return model::forward(*model, model::pack(some, model->config.vocab), {.compute = compute})
          .logits.select(0, 0)
          .clone();
    };
    const Tensor one = run(1, 1);
    const double bound = 1e-5 * one.abs().max().item<double>();
    for (size_t n : {1, 3, 16})
      for (int threads : {1, 2})
        EXPECT_LE((run(n, threads) - one).abs().max().item<double>(), bound) << n << " rows, " << threads << " threads";
  }
}

TEST(LawsTest, an_estimator_reads_only_what_it_declared) {
  evidence::Evidence empty;
  const evidence::Needs nothing;
  const evidence::View view(empty, nothing);
  EXPECT_THROW(view.greedy(), Error);
  EXPECT_THROW(view.samples(), Error);
  for (const auto* entry : Registry<evidence::EstimatorEntry>::get().all()) {
    const Json params = resolve_params(entry->card, Json::object());
    EXPECT_THROW(entry->score(view, params), Error) << entry->card.id;
  }
}

TEST(LawsTest, no_method_names_the_world) {
  const fs::path root = std::getenv("KEN_SOURCE") ? std::getenv("KEN_SOURCE") : ".";
  for (const auto& file : fs::recursive_directory_iterator(root / "ken" / "methods")) {
    if (file.path().extension() != ".cpp" || file.path().stem().string().ends_with("_claim")) continue;
    const std::string text = read_text(file.path());
    for (const char* word : {"almanac", "ken/world", "birth_city", "engineer"})
      EXPECT_EQ(text.find(word), std::string::npos) << file.path() << " names " << word;
  }
}

}  // namespace
}  // namespace ken::laws_test_file
