// Activations as files: equal to an activation cache's, the same bytes after a stop, and clear errors.
#include "ken/readout/capture.h"

#include <gtest/gtest.h>

#include <cstring>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::readout::capture_test_file {
namespace {

Tensor tensor_of(const io::TensorFile& file, const std::string& name) {
  const auto& info = file.at(name);
  const auto type = info.dtype == io::DType::bf16  ? at::kBFloat16
                    : info.dtype == io::DType::i64 ? at::kLong
                    : info.dtype == io::DType::f32 ? at::kFloat
                                                   : at::kBool;
  Tensor x = at::empty(info.shape, type);
  std::memcpy(x.data_ptr(), info.bytes.data(), info.bytes.size());
  return x;
}

class CaptureTest : public testing::Test {
 protected:
  CaptureTest() : folder(test::scratch("capture")), model(test::tiny_model()) {
    const auto facts = test::tiny_facts();
    prompts = prompts_of(facts, world::prompt_style(), true);
    prompts.resize(11);
    options.points = {"hook_embed", "blocks.*.hook_resid_post", "blocks.1.attn.hook_z", "blocks.*.mlp.hook_post",
                      "blocks.0.attn.hook_k"};
    options.block = 4;
  }
  ~CaptureTest() override { fs::remove_all(folder); }
  Json run(const std::string& name = "out") { return capture(*model, prompts, options, folder / name); }
  std::shared_ptr<const io::TensorFile> shard(int number, const std::string& name = "out") const {
    return io::open_tensors(folder / name / fmt::format("shard-{:05}.safetensors", number));
  }
  // What a cache of one prompt's own pass holds.
  Tensor direct(const std::string& text, const std::string& point) const {
    at::NoGradGuard no_gradients;
    model::ActivationCache cache;
    const model::TapPlan plan(model->config, cache.taps({point}));
    model::forward(*model, model::pack({{model::prompt_ids(*model, text)}}, model->config.vocab), {.taps = &plan});
    return cache.at(point);
  }
  std::map<std::string, std::string> bytes(const std::string& name) const {
    std::map<std::string, std::string> result;
    for (const auto& entry : fs::directory_iterator(folder / name))
      result[entry.path().filename().string()] = read_text(entry.path());
    return result;
  }
  fs::path folder;
  std::shared_ptr<model::Model> model;
  std::vector<CapturePrompt> prompts;
  CaptureOptions options;
};

TEST_F(CaptureTest, every_point_at_named_tokens_is_what_an_activation_cache_holds) {
  options.tokens = {"answer", "last", "subject"};
  const Json index = run();
  EXPECT_EQ(index.at("shards").size(), 3u);
  EXPECT_EQ(index.at("points").size(), 7u);
  EXPECT_EQ(index.at("points").at("blocks.1.attn.hook_z"), Json::array({4, 8}));
  EXPECT_TRUE(read_json(folder / "out" / "index.json", 1 << 20, "test") == index);
  for (size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(index.at("shards")[i / 4].at("ids")[i % 4], prompts[i].id);
    const auto file = shard(int(i / 4));
    const std::string question = prompts[i].text.substr(0, prompts[i].answer);
    const int64_t before = int64_t(model::prompt_ids(*model, question).size()) - 1,
                  last = int64_t(model::prompt_ids(*model, prompts[i].text).size()) - 1;
    EXPECT_LT(before, last);
    for (const auto& [point, width] : index.at("points").items()) {
      const Tensor stored = tensor_of(*file, point)[int64_t(i % 4)], rows = direct(prompts[i].text, point);
      EXPECT_TRUE(at::equal(stored[0], rows[before])) << point;
      EXPECT_TRUE(at::equal(stored[1], rows[last])) << point;
      // the subject's last token ends where the subject ends
      const size_t end = prompts[i].text.find(prompts[i].words.at("subject")) + prompts[i].words.at("subject").size();
      const int64_t subject = int64_t(model::prompt_ids(*model, prompts[i].text.substr(0, end)).size()) - 1;
      EXPECT_TRUE(at::equal(stored[2], rows[subject])) << point;
    }
    EXPECT_TRUE(tensor_of(*file, "found").all().item<bool>());
  }
}

TEST_F(CaptureTest, all_tokens_come_with_their_ids_and_offsets) {
  options.tokens = {"all"};
  run();
  int64_t item = 0;
  for (int s = 0; s < 3; ++s) {
    const auto file = shard(s);
    const Tensor offsets = tensor_of(*file, "offsets"), ids = tensor_of(*file, "token_ids");
    for (int64_t i = 0; i + 1 < offsets.size(0); ++i, ++item) {
      const int64_t begin = offsets[i].item<int64_t>(), n = offsets[i + 1].item<int64_t>() - begin;
      const auto own = model::prompt_ids(*model, prompts[size_t(item)].text);
      ASSERT_EQ(n, int64_t(own.size()));
      for (int64_t t = 0; t < n; ++t) EXPECT_EQ(ids[begin + t].item<int64_t>(), own[size_t(t)]);
      for (const char* point : {"blocks.0.hook_resid_post", "blocks.1.attn.hook_z", "blocks.0.attn.hook_k"})
        EXPECT_TRUE(at::equal(tensor_of(*file, point).narrow(0, begin, n), direct(prompts[size_t(item)].text, point)));
    }
  }
  EXPECT_EQ(item, 11);
}

TEST_F(CaptureTest, a_stopped_run_goes_on_and_ends_with_the_same_bytes) {
  for (const char* token : {"answer", "all"}) {
    options.tokens = {token};
    const std::string whole = fmt::format("whole-{}", token), stopped = fmt::format("stopped-{}", token);
    run(whole);
    options.progress = [](std::string_view, size_t done, size_t, std::string_view) {
      if (done >= 8) throw Error("stopped");
    };
    EXPECT_THROW(run(stopped), Error);
    EXPECT_FALSE(fs::exists(folder / stopped / "shard-00002.safetensors"));
    EXPECT_FALSE(read_json(folder / stopped / "index.json", 1 << 20, "test").at("complete").get<bool>());
    write_text(folder / stopped / "shard-00002.safetensors.1.0.tmp", "torn");
    const auto before = fs::last_write_time(folder / stopped / "shard-00001.safetensors");
    options.progress = {};
    run(stopped);
    EXPECT_EQ(fs::last_write_time(folder / stopped / "shard-00001.safetensors"), before);  // kept, not made again
    EXPECT_EQ(bytes(stopped), bytes(whole));
  }
}

TEST_F(CaptureTest, blocks_are_bounded_by_their_bytes) {
  options.tokens = {"all"};
  options.points = {"blocks.0.hook_resid_post"};
  options.block = 1000;
  const int64_t row = model->config.d_model * 4;
  options.block_bytes = 40 * row;
  const Json index = run();
  EXPECT_GT(index.at("shards").size(), 3u);
  for (size_t s = 0; s < index.at("shards").size(); ++s)
    EXPECT_LE(tensor_of(*shard(int(s)), "blocks.0.hook_resid_post").size(0), 40);
}

TEST_F(CaptureTest, bf16_rounds_once_and_layers_choose_among_a_points) {
  options.dtype = io::DType::bf16;
  options.points = {"blocks.*.hook_resid_post", "hook_embed"};
  options.layers = {1};
  const Json index = run();
  EXPECT_EQ(index.at("points").size(), 2u);
  const Tensor stored = tensor_of(*shard(0), "blocks.1.hook_resid_post");
  EXPECT_EQ(stored.scalar_type(), at::kBFloat16);
  const std::string question = prompts[0].text.substr(0, prompts[0].answer);
  const Tensor rows = direct(question, "blocks.1.hook_resid_post");
  EXPECT_TRUE(at::equal(stored[0][0], rows[rows.size(0) - 1].to(at::kBFloat16)));
}

TEST_F(CaptureTest, prompts_come_from_records_or_lines) {
  write_text(folder / "p.jsonl",
             "{\"prompt\": \"the capital is Oslo .\", \"answer\": \"Oslo .\", \"place\": \"capital\", \"id\": 7}\n"
             "{\"prompt\": \"nothing here\", \"place\": \"capital\"}\n");
  prompts = read_prompts(folder / "p.jsonl");
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[0].id, "7");
  EXPECT_EQ(prompts[0].answer, std::string("the capital is").size());
  EXPECT_EQ(prompts[1].answer, std::string::npos);
  options.points = {"hook_embed"};
  options.tokens = {"answer", "place"};
  run();
  const Tensor found = tensor_of(*shard(0), "found"), values = tensor_of(*shard(0), "hook_embed");
  EXPECT_TRUE(found[0].all().item<bool>() && found[1][0].item<bool>());
  EXPECT_FALSE(found[1][1].item<bool>());
  EXPECT_EQ(values[1][1].abs().max().item<float>(), 0);
  write_text(folder / "p.txt", "one line\n\nanother\r\n");
  prompts = read_prompts(folder / "p.txt");
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[1].text, "another");
  EXPECT_EQ(prompts[1].id, "3");
}

TEST_F(CaptureTest, what_cannot_be_is_refused) {
  const auto refused = [&](const std::string& words) {
    try {
      run();
      ADD_FAILURE() << "accepted: " << words;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  const CaptureOptions good = options;
  run();
  options.tokens = {"last"};
  refused("other settings");
  options = good, options.tokens = {"sabject"};
  refused("did you mean subject");
  options = good, options.tokens = {"all", "last"};
  refused("'all' alone");
  options = good, options.points = {"blocks.*.attn.hook_pattern"};
  refused("a square a prompt");
  options = good, options.points = {"blocks.*.hook_resid_pst"};
  refused("did you mean");
  options = good, options.layers = {2};
  refused("layers 0 to 1");
  options = good, options.dtype = io::DType::f16;
  refused("f32 or bf16");
  options = good;
  write_text(folder / "out" / "shard-00001.safetensors", read_text(folder / "out" / "shard-00000.safetensors"));
  refused("delete it");
  fs::remove(folder / "out" / "index.json");
  refused("without an index.json");
}

}  // namespace
}  // namespace ken::readout::capture_test_file
