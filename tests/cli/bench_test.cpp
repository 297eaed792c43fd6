// ken bench: floors are what they are said to be, rows hold their keys, wrong calls are named. No time is asserted.
#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"
#include "ken/cli/bench_against.h"
#include "ken/model/random.h"
#include "tests/fixtures.h"
#include "tests/program.h"
#include "tests/tiny.h"

namespace ken::cli::bench_test_file {
namespace {

constexpr Peaks peaks{.bytes = 1e6, .flops = 1e9};

fs::path folder() {
  static const fs::path path = test::scratch("bench");
  return path;
}

Bench bench_of(const model::Model& model, BenchOptions options = {}) {
  options.repeat = 1;
  return Bench(model, peaks, options);
}

std::vector<Json> rows_of(Bench& bench, const std::string& work) {
  std::vector<Json> rows;
  bench.measure(work, [&](const Measured& m) { rows.push_back(bench.row(m)); });
  return rows;
}

void expect_row(const Json& row) {
  for (const char* key : {"work", "shape", "type", "unit", "path"}) {
    ASSERT_TRUE(row.contains(key)) << row;
    EXPECT_FALSE(row[key].get<std::string>().empty()) << row;
  }
  for (const char* key : {"rows", "value", "floor", "ratio", "threads"}) {
    ASSERT_TRUE(row.contains(key)) << row;
    EXPECT_TRUE(std::isfinite(row[key].get<double>()) && row[key].get<double>() > 0) << row;
  }
  const double value = row["value"], floor = row["floor"], ratio = row["ratio"];
  EXPECT_NEAR(ratio, row["unit"] == "ms" ? floor / value : value / floor, 1e-9 * ratio) << row;
}

// What every token is multiplied with in test::tiny_model: two blocks, and the embedding as the output matrix.
double block_parameters(const model::Config& c) {
  const int64_t kv = c.n_kv_heads * c.d_head, q = c.n_heads * c.d_head;
  return double(c.n_layers * (2 * q * c.d_model + 2 * kv * c.d_model + 3 * c.d_ff * c.d_model));
}

TEST(BenchTest, the_weights_of_a_token_are_the_matrices_that_it_is_multiplied_with) {
  const auto model = test::tiny_model();
  const model::Config& c = model->config;
  ASSERT_TRUE(c.tied);
  const Weights w = read_weights(*model);
  EXPECT_EQ(w.output, double(c.vocab * c.d_model));
  EXPECT_EQ(w.parameters, block_parameters(c) + w.output);
  EXPECT_EQ(w.bytes, 4 * w.parameters);
  EXPECT_EQ(w.type, "f32");
}

TEST(BenchTest, tables_do_not_count_and_of_experts_as_many_as_are_used) {
  model::Config c = test::tiny_model()->config;
  c.arch = "mixtral", c.tied = false, c.vocab = 300, c.n_experts = 4, c.n_experts_used = 2;
  const Weights w = read_weights(*model::make_random(c, 1));
  const double expert = double(3 * c.d_ff * c.d_model), dense = block_parameters(c) / double(c.n_layers);
  EXPECT_EQ(w.parameters, double(c.n_layers) * (dense + expert + double(4 * c.d_model)) + 300.0 * double(c.d_model));
  const fs::path file = folder() / "q8.gguf";
  model::save_random(model::named_shape("llama-2m"), model::byte_tokenizer(model::named_shape("llama-2m")), 0, file,
                     io::DType(8));
  const Weights stored = read_weights(*model::load(file));
  EXPECT_EQ(stored.type, "q8_0");
  EXPECT_EQ(stored.bytes, stored.parameters * 34 / 32);
}

TEST(BenchTest, floors_are_bytes_over_bandwidth_and_products_over_their_peak) {
  const Weights w{.parameters = 1000, .output = 200, .bytes = 1100};
  EXPECT_DOUBLE_EQ(prefill_floor(w, peaks, 10), 2 * (800 * 10 + 200) / 1e9);
  EXPECT_DOUBLE_EQ(step_floor(w, peaks, 900), 2000 / 1e6);
  EXPECT_DOUBLE_EQ(train_floor(w, peaks, 10), 6 * 1000 * 10 / 1e9);
  const auto model = test::tiny_model();
  const model::Config& c = model->config;
  nn::KvCache cache = model::make_cache(*model, nn::Compute::fast);
  cache.extend(cache.open(), 1);
  const double element = double(cache.keys(0).element_size());
  EXPECT_EQ(cache.position_bytes(), 2 * c.n_layers * c.n_kv_heads * c.d_head * element);
}

TEST(BenchTest, every_work_gives_rows_with_their_keys) {
  const auto model = test::tiny_model();
  Bench bench = bench_of(*model, {.tokens = 40, .rows = {1, 3}});
  const std::map<std::string, std::string> own{
      {"decode", "loop_ms"}, {"samples", "times_one"}, {"twostream", "times_one"}, {"capture", "times_plain"},
      {"sampler", "share"},  {"train", "optimizer"},   {"lora", "peak_gb"}};
  for (const auto& work : Bench::works()) {
    const auto rows = rows_of(bench, work);
    EXPECT_EQ(rows.size(), work == "decode" ? 2u : 1u) << work;
    for (const Json& row : rows) {
      expect_row(row);
      EXPECT_TRUE(!own.count(work) || row.contains(own.at(work))) << row;
    }
  }
  const Json prefill = rows_of(bench, "prefill").at(0);
  EXPECT_DOUBLE_EQ(prefill.at("floor"), 40 / prefill_floor(bench.weights(), peaks, 40));
  EXPECT_EQ(rows_of(bench, "decode").at(1).at("rows"), 3);
  Bench longer = bench_of(*model, {.tokens = 40, .rows = {2}, .new_tokens = 70});
  EXPECT_EQ(rows_of(longer, "decode").at(0).at("new_tokens"), 70);
  const Json capture = rows_of(bench, "capture").at(0);
  for (const char* share : {"times_unused", "times_unused_step"})
    EXPECT_TRUE(capture.at(share) > 0.2 && capture.at(share) < 5) << capture;
}

TEST(BenchTest, lengths_fit_the_context_or_are_refused) {
  const auto model = test::tiny_model();
  EXPECT_EQ(bench_of(*model).prefill_tokens(), 128);
  EXPECT_THROW(bench_of(*model, {.tokens = 129}), UsageError);
  auto small = test::tiny_model();
  small->config.context = 100;
  EXPECT_THROW(bench_of(*small), Error);
}

fs::path script(const std::string& name, const std::string& body) {
  const fs::path path = folder() / name;
  write_text(path, "#!/bin/sh\n" + body + "\n");
  fs::permissions(path, fs::perms::owner_all);
  return path;
}

// What llama-bench prints, and beside it the arguments that it got.
const std::string prints =
    "echo \"$@\" > " + (fs::temp_directory_path() / "ken-test-bench").string() +
    "/arguments\n"
    "echo '[{\"n_prompt\": 0, \"n_gen\": 64, \"avg_ts\": 50.5}, {\"n_prompt\": 40, \"n_gen\": 0, \"avg_ts\": 900}]'";

TEST(BenchTest, another_program_runs_beside_it_on_the_same_file) {
  const auto model = test::tiny_model();
  const Bench bench = bench_of(*model, {.tokens = 40});
  const Against against{script("llama-bench", prints), "some model.gguf", folder(), 1};
  for (const auto& [work, theirs] : {std::pair{"decode", 50.5}, std::pair{"prefill", 900.0}}) {
    Json row;
    measure_against(against, work, bench, [&](const Measured& m) { row = bench.row(m); });
    expect_row(row);
    EXPECT_EQ(row["work"], std::string("against_") + work);
    EXPECT_EQ(row["against_value"], theirs);
    EXPECT_DOUBLE_EQ(row["times_against"], row["value"].get<double>() / theirs);
  }
  const std::string arguments = read_text(folder() / "arguments");
  EXPECT_EQ(arguments.rfind("-m some model.gguf -p 40 -n 0 -t ", 0), 0u) << arguments;
  EXPECT_NE(arguments.find("-o json"), std::string::npos);
}

TEST(BenchTest, another_program_that_fails_is_named) {
  const auto model = test::tiny_model();
  const Bench bench = bench_of(*model, {.tokens = 40});
  const auto said = [&](const fs::path& program) -> std::string {
    try {
      measure_against({program, "model.gguf", folder(), 1}, "prefill", bench, [](const Measured&) {});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(said(script("fails", "echo no such model >&2; exit 3")).find("exit code 3"), std::string::npos);
  EXPECT_NE(said(script("fails", "echo no such model >&2; exit 3")).find("no such model"), std::string::npos);
  EXPECT_NE(said(script("prose", "echo fast")).find("printed no run"), std::string::npos);
  EXPECT_NE(said(script("zero", "echo '[{\"n_prompt\": 40, \"n_gen\": 0, \"avg_ts\": 0}]'")).find("printed no run"),
            std::string::npos);
  EXPECT_NE(said(script("other", "echo '[3, {\"n_prompt\": \"40\"}, {}]'")).find("printed no run"), std::string::npos);
  EXPECT_THROW(find_program("/nowhere/llama-bench"), UsageError);
  EXPECT_THROW(find_program("no-program-of-this-name"), UsageError);
  EXPECT_EQ(find_program("sh").filename(), "sh");
}

test::Ran ken(const std::string& arguments) {
  return test::shell("TMPDIR=" + folder().string() + " " + test::program() + " bench " + arguments + " 2>&1");
}
void expect(const test::Ran& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.text;
  EXPECT_NE(result.text.find(part), std::string::npos) << result.text;
}

TEST(BenchTest, wrong_calls_say_what_to_give) {
  expect(ken("--shape llama-2m --work decod"), 2, "did you mean decode");
  expect(ken("--shape llama-2m --rows 1,0"), 2, "--rows");
  expect(ken("--shape llama-2m --rows 1,two"), 2, "--rows");
  expect(ken("--shape llama-2m --work decode --new-tokens 999999"), 2, "leaves no room for a prompt");
  expect(ken("--work decode"), 2, "give either a model's file or a --shape");
  expect(ken("almanac --shape llama-2m"), 2, "give either a model's file or a --shape");
  expect(ken("almanac --save x.gguf"), 2, "give its --shape");
  expect(ken("almanac --against sh"), 2, "needs a GGUF file");
  expect(ken("--shape llama-2m --against /nowhere/llama-bench"), 2, "is no program");
  expect(ken("--shape llama-2m --work capture --against sh"), 2, "with neither prefill nor decode");
  expect(ken("/nowhere.gguf"), 2, "/nowhere.gguf is no file");
}

TEST(BenchTest, a_shape_is_measured_and_leaves_no_file) {
  const auto ran = test::shell("TMPDIR=" + folder().string() + " " + test::program() +
                               " bench --shape llama-2m --type bf16 --work prefill --tokens 32 --repeat 1 --json "
                               "--threads 1 2>/dev/null");
  ASSERT_EQ(ran.code, 0);
  const Json row = Json::parse(ran.text);
  expect_row(row);
  EXPECT_EQ(row["shape"], "llama-2m");
  EXPECT_EQ(row["type"], "bf16");
  EXPECT_EQ(row["threads"], 1);
  for (const auto& entry : fs::directory_iterator(folder()))
    EXPECT_NE(entry.path().filename().string().rfind("ken-bench-", 0), 0u) << entry.path();
}

TEST(BenchTest, a_saved_shape_is_only_written_unless_works_are_named) {
  const std::string file = (folder() / "saved.gguf").string(), save = "--shape llama-2m --save " + file;
  const auto written = ken(save);
  expect(written, 0, "1967360 parameters of the shape llama-2m, random, in q8_0");
  EXPECT_EQ(written.text.find("prefill"), std::string::npos);
  expect(ken(save + " --work prefill --repeat 1 --against " + script("llama-bench", "exit 9").string()), 1,
         "exit code 9");
  EXPECT_TRUE(fs::exists(file));
}

}  // namespace
}  // namespace ken::cli::bench_test_file
