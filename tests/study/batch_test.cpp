// Batch files: the three forms, what they become, and what is said about a bad one.
#include "ken/study/batch.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"

namespace ken::study::batch_test_file {
namespace {

using Words = std::vector<std::string>;

Batch parse(std::string_view text, const fs::path& out = "d") {
  static const Words commands{"study", "train", "world", "compare", "run"};
  return parse_batch(text, "jobs/night.json", out, commands);
}

Words ids(const Batch& batch) {
  Words all;
  for (const Job& job : batch.jobs) all.push_back(job.id);
  return all;
}

void expect_refused(std::string_view text, const std::string& part) {
  try {
    parse(text);
    ADD_FAILURE() << "taken: " << text;
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what() << "\nshould say: " << part;
  }
}

std::string commands(const std::string& list) { return "{\"commands\": [" + list + "]}"; }

TEST(BatchTest, a_document_names_values_and_orders_its_commands) {
  const Batch batch = parse(R"({"name": "night", "let": {"model": "almanac", "n": 3, "path": "${dir}/${model}"},
    "commands": [{"id": "b", "run": "study ${model} --samples ${n} -o ${out}", "after": ["a"]},
                 {"id": "a", "run": ["world", "-o", "${path}"]}]})",
                            "");
  EXPECT_EQ(batch.name, "night");
  EXPECT_EQ(batch.out, "runs/night");
  ASSERT_EQ(ids(batch), (Words{"a", "b"}));
  EXPECT_EQ(batch.jobs[0].args, (Words{"world", "-o", "runs/night/almanac"}));
  EXPECT_EQ(batch.jobs[1].args, (Words{"study", "almanac", "--samples", "3", "-o", "runs/night/b"}));
  EXPECT_EQ(batch.jobs[1].after, std::vector<size_t>{0});
}

TEST(BatchTest, for_makes_one_command_of_each_combination) {
  const Batch batch = parse(commands(R"(
    {"id": "w", "run": "world --seed ${seed} -o ${out}", "for": {"seed": [1, 2], "size": ["a/b", "c"]}},
    {"id": "one", "run": "study ${dir}/w-seed=${seed}-size=c", "for": {"seed": [2]}, "after": ["w-seed=${seed}-size=c"]},
    {"id": "all", "run": "compare x y", "after": ["w"]})"));
  EXPECT_EQ(ids(batch), (Words{"w-seed=1-size=a_b", "w-seed=1-size=c", "w-seed=2-size=a_b", "w-seed=2-size=c",
                               "one-seed=2", "all"}));
  EXPECT_EQ(batch.jobs[2].args, (Words{"world", "--seed", "2", "-o", "d/w-seed=2-size=a_b"}));
  EXPECT_EQ(batch.jobs[4].args[1], "d/w-seed=2-size=c");
  EXPECT_EQ(batch.jobs[4].after, std::vector<size_t>{3});
  EXPECT_EQ(batch.jobs[5].after, (std::vector<size_t>{0, 1, 2, 3}));
}

TEST(BatchTest, lines_are_commands_and_their_numbers_the_ids) {
  const Batch text = parse("# tonight\n\nken world -o ${out}\nstudy --facts 'my facts.jsonl' # the long one\n");
  EXPECT_EQ(ids(text), (Words{"3", "4"}));
  EXPECT_EQ(text.jobs[0].args, (Words{"world", "-o", "d/3"}));
  const Batch lines = parse("{\"id\": \"w\", \"run\": \"world\"}\n\n{\"run\": \"study\", \"after\": [\"w\"]}\n");
  EXPECT_EQ(ids(lines), (Words{"w", "3"}));
  EXPECT_EQ(ids(parse("{\"run\": \"study\"}")), Words{"1"});
  EXPECT_EQ(text.name, "night");
}

TEST(BatchTest, a_value_is_not_cut_and_not_looked_at_again) {
  const Batch batch = parse(R"({"let": {"q": "a 'b $${out}"}, "commands": [{"run": "study ${q} $${q} $5"}]})");
  EXPECT_EQ(batch.jobs[0].args, (Words{"study", "a 'b ${out}", "${q}", "$5"}));
}

TEST(BatchTest, unknown_words_name_the_near_ones_and_the_place) {
  expect_refused("study\nstuddy -o x\n", "night.json:2: unknown command 'studdy'; did you mean study?");
  expect_refused(commands(R"({"id": "a", "runn": "study"})"), "commands[0]: unknown key 'runn'; did you mean run?");
  expect_refused(R"({"commandz": []})", "did you mean commands?");
  expect_refused(commands(R"({"id": "recall", "run": "study"}, {"id": "b", "run": "study", "after": ["recal"]})"),
                 "commands[1] (b): after: unknown id 'recal'; did you mean recall?");
  expect_refused(R"({"let": {"model": "m"}, "commands": [{"run": "study ${modle}"}]})", "did you mean model?");
}

TEST(BatchTest, broken_rules_are_named) {
  expect_refused("", "holds no command");
  expect_refused("{\"commands\": [", "no valid JSON");
  expect_refused("[1]", "must be an object");
  expect_refused(commands(R"({"id": "a", "run": "study"}, {"id": "a", "run": "train"})"), "the id 'a' is taken by");
  expect_refused(commands(R"({"id": "a", "run": "study", "for": {"x": [1, 1]}})"), "'a-x=1' is taken");
  expect_refused(commands(R"({"id": "a", "run": "study", "after": ["c"]}, {"id": "b", "run": "study", "after": ["a"]},
                             {"id": "c", "run": "study", "after": ["b"]})"),
                 "a -> c -> b -> a wait for each other");
  expect_refused(commands(R"({"id": "a", "run": "study", "after": ["a"]})"), "a -> a");
  expect_refused(commands(R"({"id": "../a", "run": "study"})"), "the id '../a'");
  expect_refused(commands(R"({"id": "a/b", "run": "study"})"), "holds '/'");
  expect_refused(commands(R"({"id": "a"})"), "has no \"run\"");
  expect_refused(commands(R"({"run": "  "})"), "the command is empty");
  expect_refused(commands(R"({"run": ["study", "a\u0000b"]})"), "NUL");
  expect_refused(commands(R"({"run": ["study", ["x"]]})"), "run[1] must be a text");
  expect_refused(commands(R"({"run": "run other.json"})"), "a batch starts no other batch");
  expect_refused(commands(R"({"run": "study ${x"})"), "does not close it");
  expect_refused(commands(R"({"run": "study 'x"})"), "commands[0]: the command 'study 'x' has an open '");
  expect_refused(commands(R"({"run": "study", "for": {"x": []}})"), "for.x is empty");
  expect_refused(commands(R"({"run": "study", "for": {"out": [1]}})"), "'out' is set by ken");
  expect_refused(R"({"let": {"x": 1}, "commands": [{"run": "study", "for": {"x": [1]}}]})", "has a value already");
}

TEST(BatchTest, a_batch_has_a_bound) {
  std::string list;
  for (int i = 0; i < 100; ++i) list += (i ? "," : "") + std::to_string(i);
  const std::string axis = "[" + list + "]";
  expect_refused(commands("{\"run\": \"study\", \"for\": {\"a\": " + axis + ", \"b\": " + axis + "}}"),
                 "more than 4096");
  expect_refused(std::string(100000, '['), "nested deeper");
}

}  // namespace
}  // namespace ken::study::batch_test_file
