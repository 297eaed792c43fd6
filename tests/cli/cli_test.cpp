// The program as a user calls it: exit codes, near names, what each bad input says.
#include <gtest/gtest.h>
#include "ken/base/files.h"
#include "ken/io/tensors.h"
#include "ken/model/model.h"
#include "tests/fixtures.h"
#include "tests/program.h"
#include "tests/tiny.h"

namespace ken::cli::cli_test_file {
namespace {

using Result = test::Ran;

Result ken(const std::string& arguments, const std::string& input = "") {
  return test::shell((input.empty() ? "" : "printf '%s' '" + input + "' | ") + test::program() + " " + arguments +
                     " 2>&1");
}

void expect(const Result& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.text;
  EXPECT_NE(result.text.find(part), std::string::npos) << result.text;
}

fs::path folder() {
  static const fs::path path = test::scratch("cli");
  return path;
}

std::string tiny_gguf() {
  static const std::string path = [] {
    const fs::path file = folder() / "tiny.gguf";
    model::save(*test::tiny_model(), file, io::DType::f32);
    return file.string();
  }();
  return path;
}

TEST(CliTest, help_everywhere_with_a_runnable_example) {
  expect(ken("--help"), 0, "Start with:");
  expect(ken(""), 0, "study");
  for (const char* command :
       {"study", "compare", "eval", "ask", "generate", "train", "world", "reproduce", "logits", "cache", "tokenize",
        "template", "inspect", "convert", "quantize", "bench", "methods", "version", "run"}) {
    expect(ken(std::string(command) + " --help"), 0, "Example:\n  ");
  }
}

TEST(CliTest, unknown_words_name_the_near_ones_and_exit_2) {
  expect(ken("studdy"), 2, "did you mean study");
  expect(ken("ask --contrl cad hello"), 2, "did you mean --control");
  expect(ken("methods semantic-entropi"), 2, "did you mean semantic-entropy");
  expect(ken("generate -m " + tiny_gguf() + " --control cadd x"), 2, "did you mean cad");
  expect(ken("generate -m " + tiny_gguf() + " --top-p 7 x"), 2, "top_p");
  expect(ken("study " + tiny_gguf() + " --compute f31"), 2, "did you mean f32");
  expect(ken("bench --shape llama-1c --save /tmp/x.gguf"), 2, "did you mean llama-1b");
}

TEST(CliTest, missing_and_broken_files_say_what_is_wrong) {
  expect(ken("study /nowhere.gguf"), 2, "/nowhere.gguf is no file");
  expect(ken("study " + tiny_gguf() + " --facts /nowhere.jsonl"), 1, "/nowhere.jsonl");
  const std::string whole = read_text(tiny_gguf());
  write_text(folder() / "cut.gguf", std::string_view(whole).substr(0, whole.size() / 3));
  expect(ken("study " + (folder() / "cut.gguf").string()), 1, "truncated");
  write_text(folder() / "empty.jsonl", "");
  expect(ken("study " + tiny_gguf() + " --facts " + (folder() / "empty.jsonl").string()), 1, "empty");
  write_text(folder() / "bad.jsonl", "{\"question\":\"a\",\"answer\":\"b\"}\n{\"question\":\"no answer\"}\n");
  expect(ken("study " + tiny_gguf() + " --facts " + (folder() / "bad.jsonl").string()), 1, "bad.jsonl:2");
}

TEST(CliTest, a_hugging_face_folder_is_opened_converted_and_inspected) {
  KEN_FIXTURE(hf, "models/stories260K/hf");
  const std::string source = hf.string(), converted = (folder() / "stories.gguf").string();
  expect(ken("generate -m " + source + " --compute f32 --max-tokens 8 'Once upon a time'"), 0, "there was a little");
  expect(ken("convert " + source + " -o " + converted + " --type f32"), 0, "llama of 260032 parameters");
  expect(ken("generate -m " + converted + " --compute f32 --max-tokens 8 'Once upon a time'"), 0, "there was a little");
  expect(ken("inspect " + source + " --json"), 0, "\"model_type\":\"llama\"");
}

TEST(CliTest, a_folder_that_is_no_model_says_what_is_missing) {
  const fs::path bad = folder() / "bad-folder";
  fs::create_directories(bad);
  const std::string command = "logits " + bad.string() + " --ids 1 -o " + (folder() / "none.safetensors").string();
  expect(ken(command), 1, "config.json");
  write_text(bad / "config.json", "[1]");
  expect(ken(command), 1, "no JSON object");
  write_text(bad / "config.json", "{\"model_type\": \"bert\"}");
  expect(ken(command), 2, "known: gemma2");
  write_text(bad / "config.json", "{\"model_type\": \"llama\", \"hidden_size\": 1e300}");
  expect(ken(command), 1, "neither model.safetensors");
  write_text(bad / "model.safetensors.index.json", "{\"weight_map\": {\"x\": \"../../etc/passwd\"}}");
  expect(ken(command), 1, "no file name");
}

TEST(CliTest, invalid_utf8_in_a_vocabulary_and_nan_weights_are_refused) {
  auto model = test::tiny_model();
  auto tokens = model->metadata.texts("tokenizer.ggml.tokens");
  tokens[300] = "\xff\xfe";
  model->metadata.values["tokenizer.ggml.tokens"] = tokens;
  model::save(*model, folder() / "utf8.gguf", io::DType::f32);
  expect(ken("generate -m " + (folder() / "utf8.gguf").string() + " hello"), 1, "UTF-8");
  auto broken = test::tiny_model();
  broken->blocks[0].q.data = at::full_like(broken->blocks[0].q.data, NAN);
  model::save(*broken, folder() / "nan.gguf", io::DType::f32);
  expect(ken("generate -m " + (folder() / "nan.gguf").string() + " hello"), 1, "NaN");
}

TEST(CliTest, empty_and_overlong_prompts_are_named) {
  expect(ken("generate -m " + tiny_gguf() + " ''"), 1, "empty");
  std::string words;
  for (int i = 0; i < 200; ++i) words += " the";
  expect(ken("generate -m " + tiny_gguf() + " '" + words + "'"), 1, "context holds 128");
}

TEST(CliTest, a_quantised_model_opens_and_says_what_it_holds) {
  const std::string out = (folder() / "q4.gguf").string(), wide = (folder() / "wide.gguf").string();
  expect(ken("quantize " + tiny_gguf() + " -o " + out + " --type q4_0 --threads 2 --keep f32:blk.0.*"), 0, "Q4_0");
  expect(ken("inspect " + out), 0, "Q4_0");
  expect(ken("generate -m " + out + " --max-tokens 2 hello"), 0, "");
  expect(ken("quantize " + tiny_gguf() + " -o " + out + " --type q4_k"), 0, "do not fill Q4_K's blocks of 256");
  expect(ken("logits " + out + " --ids 5,300,7 -o " + (folder() / "q.safetensors").string()), 0, "");
  expect(ken("quantize " + tiny_gguf() + " -o " + wide + " --type q4_l"), 2, "did you mean q4_");
  expect(ken("quantize " + tiny_gguf() + " -o " + wide + " --keep f32"), 2, "TYPE:PATTERN");
  expect(ken("quantize /nowhere.gguf -o " + wide), 2, "/nowhere.gguf is no file");
  expect(ken("quantize " + tiny_gguf() + " -o /dev/full --type f16"), 1, "/dev/full");
}

TEST(CliTest, eval_writes_results_and_names_what_is_wrong) {
  const std::string file = (folder() / "choices.jsonl").string(), out = (folder() / "eval").string();
  write_text(file, "{\"question\":\"where ?\",\"choices\":[\"London\",\"Paris\"],\"answer\":\"B\"}\n");
  const std::string run = "eval jsonl " + tiny_gguf() + " --file " + file + " --threads 1 -o " + out;
  expect(ken(run), 0, "acc_norm");
  expect(ken(run), 0, "1 of 1 items were there already");
  expect(ken(run + " --compute f32"), 2, "belongs to another run");
  expect(ken(run + " --control cad"), 2, "leave --control out");
  EXPECT_TRUE(fs::exists(out + "/results.json") && fs::exists(out + "/samples_jsonl.jsonl"));
  expect(ken("eval jsnl --file " + file), 2, "did you mean jsonl");
  expect(ken("eval jsonl:max_token=3 --file " + file), 2, "did you mean max_tokens");
  expect(ken("eval popqa --file /nowhere.tsv"), 2, "/nowhere.tsv is no file; popqa reads the TSV");
  expect(ken("eval creak " + tiny_gguf() + " --file " + file + " -o " + out), 1, "choices.jsonl:1");
  write_text(folder() / "none.jsonl", "");
  expect(ken("eval jsonl " + tiny_gguf() + " --file " + (folder() / "none.jsonl").string()), 1, "holds no items");
}

TEST(CliTest, cache_writes_shards_and_names_what_is_wrong) {
  const std::string file = (folder() / "prompts.jsonl").string(), out = (folder() / "states").string();
  write_text(file, "{\"prompt\":\"where was Tata born\",\"name\":\"Tata\",\"id\":\"a\"}\n");
  const std::string run = "cache -m " + tiny_gguf() + " --prompts " + file + " --threads 1 -o " + out;
  expect(ken(run + " --tokens last,name --layers 1 --json"), 0, "\"points\":{\"blocks.1.hook_resid_post\":[32]}");
  EXPECT_EQ(io::open_tensors(fs::path(out) / "shard-00000.safetensors")->at("blocks.1.hook_resid_post").shape,
            (std::vector<int64_t>{1, 2, 32}));
  expect(ken(run + " --tokens last,name --layers 0-1"), 2, "other settings: 'points'");
  expect(ken(run + " --tokens nane"), 2, "did you mean name");
  expect(ken(run + " --layers 1-0"), 2, "ends before it begins");
  expect(ken(run + " --layers one"), 2, "write 0,4-7");
  expect(ken(run + " --layers 2"), 2, "layers 0 to 1");
  expect(ken(run + " --type q8_0"), 2, "f32 or bf16");
  expect(ken(run + " --point blocks.0.hook_resid_pots"), 2, "did you mean");
  expect(ken(run + " --facts x.jsonl"), 2, "leave --facts");
  expect(ken("cache -m " + tiny_gguf() + " --prompts /nowhere -o " + out), 2, "/nowhere is no file");
}

TEST(CliTest, a_full_disk_ends_the_job_with_an_error) {
  expect(ken("logits " + tiny_gguf() + " --ids 1,2,3 -o /dev/full"), 1, "/dev/full");
  expect(ken("methods > /dev/full"), 1, "");  // stderr goes there too
}

TEST(CliTest, logits_tokenize_and_inspect_are_the_parity_interface) {
  const std::string out = (folder() / "logits.safetensors").string();
  expect(ken("logits " + tiny_gguf() + " --ids 5,300,7 --tap 'blocks.*.hook_resid_post' -o " + out), 0, "");
  const auto file = io::open_tensors(fs::path(out));
  EXPECT_EQ(file->at("logits").shape[0], 3);
  EXPECT_EQ(file->at("blocks.1.hook_resid_post").shape, (std::vector<int64_t>{3, 32}));
  expect(ken("logits " + tiny_gguf() + " --ids 1,x -o " + out), 2, "'x' is no token id");
  expect(ken("logits " + tiny_gguf() + " --ids 1 --tap blocks.0.hook_resid_pots -o " + out), 2, "did you mean");
  const auto ids = ken("tokenize " + tiny_gguf(), "Q: where");
  EXPECT_EQ(ids.code, 0);
  EXPECT_EQ(std::count(ids.text.begin(), ids.text.end(), '\n'), 1);
  expect(ken("inspect " + tiny_gguf() + " --json"), 0, "\"general.architecture\":\"llama\"");
}

TEST(CliTest, world_and_train_run_from_the_command_line) {
  const std::string world = (folder() / "world").string(), out = (folder() / "organism").string();
  expect(ken("world --people 20 --unseen 4 --documents 300 --seed 3 -o " + world), 0, "300 documents");
  const std::string train =
      "train --world " + world +
      " --layers 1 --d-model 32 --heads 2 --kv-heads 2 --d-ff 48 --batch-tokens 512 --threads 1 -o ";
  expect(ken(train + out), 0, "steps");
  expect(ken("study " + out + "/model.gguf --samples 2 -o " + out + "/study"), 0, "report.html");
  expect(ken(train + out + " --optimizer sgd"), 2, "optimi");
}

TEST(CliTest, two_studies_are_set_side_by_side) {
  const std::string facts = (folder() / "two.jsonl").string(), out = (folder() / "two").string();
  write_text(facts, "{\"question\":\"a\",\"answer\":\"b\"}\n{\"question\":\"c\",\"answer\":\"d\"}\n");
  for (const char* seed : {"0", "1"})
    expect(ken("study " + tiny_gguf() + " --samples 2 --threads 1 --facts " + facts + " --seed " + seed + " -o " + out +
               seed),
           0, "report.html");
  expect(ken("compare " + out + "0 " + out + "1/study.json -o " + out), 0, "The seeds differ");
  const Json found = Json::parse(read_text(folder() / "two" / "compare.json"));
  EXPECT_EQ(found.at("schema"), "ken.compare/1");
  EXPECT_EQ(found.at("paired")[0].at("pairs"), 2);
  EXPECT_TRUE(fs::exists(folder() / "two" / "compare.md"));
  expect(ken("compare " + out + "0 " + out + "0 --json 2>/dev/null"), 0, "{\"schema\":\"ken.compare/1\"");
  expect(ken("compare " + out + "0 /nowhere"), 2, "/nowhere is no study");
  expect(ken("compare " + facts + " " + out + "0"), 1, "two.jsonl");
}

TEST(CliTest, a_batch_runs_its_commands_and_goes_on_where_it_failed) {
  const fs::path file = folder() / "batch.json", out = folder() / "batch";
  const auto batch = [&](const std::string& second) {
    write_text(file, R"({"commands": [{"id": "v", "run": "version --json"}, {"id": "t", "run": ")" + second +
                         R"(", "after": ["v"]}]})");
    return ken("run " + file.string() + " -o " + out.string());
  };
  const auto dry = ken("run " + file.string() + " --dry-run");
  EXPECT_EQ(dry.code, 2) << dry.text;  // no such file yet
  const auto failed = batch("study /nowhere.gguf");
  expect(failed, 1, "/nowhere.gguf is no file");
  expect(failed, 1, (out / "t" / "stderr").string());
  EXPECT_EQ(Json::parse(read_text(out / "v" / "stdout")).at("ken"), KEN_VERSION);
  EXPECT_EQ(Json::parse(read_text(out / "t" / "status.json")).at("exit_code"), 2);
  expect(batch("methods cad"), 0, "1 done, 1 done before, 0 failed");
  expect(batch("methods cad"), 0, "0 done, 2 done before");
  expect(ken("run " + file.string() + " --dry-run --json -o " + out.string()), 0, "\"state\":\"done\"");
  write_text(file, "versoin\n");
  expect(ken("run " + file.string()), 2, "did you mean version");
}

TEST(CliTest, a_signal_ends_a_batch_and_the_same_command_goes_on) {
  const fs::path file = folder() / "signal.txt", out = folder() / "signal";
  // A world that takes far longer to write than the signal to come.
  write_text(file, "version\nworld --people 5000 --documents 2000000 -o ${out}\n");
  const std::string wait = "until grep -qs running " + (out / "2" / "status.json").string() + "; do sleep 0.05; done";
  const std::string text = test::shell(test::program() + " run " + file.string() + " -o " + out.string() +
                                       " 2>&1 & job=$!; " + wait + "; kill -TERM $job; wait $job; echo code $?")
                               .text;
  EXPECT_NE(text.find("interrupted by signal 15"), std::string::npos) << text;
  EXPECT_NE(text.find("code 1"), std::string::npos) << text;
  EXPECT_EQ(Json::parse(read_text(out / "2" / "status.json")).at("state"), "interrupted");
  write_text(file, "version\nworld --people 20 --documents 300 -o ${out}\n");
  expect(ken("run " + file.string() + " -o " + out.string()), 0, "1 done, 1 done before");
}

}  // namespace
}  // namespace ken::cli::cli_test_file
