// The forward pass against logits and residuals that other implementations computed: in one pass, token by token
// through the cache, in chunks, and as rows of one mixed batch. Fixtures are transformers' and llama.cpp's own results;
// references/ holds those of its forward.py for families and settings that have no fixture.
#include <gtest/gtest.h>

#include <set>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/model/model.h"
#include "tests/fixtures.h"

namespace ken::model::parity_test_file {
namespace {

constexpr double logit_bound = 2e-4, residual_bound = 1e-4;

Tensor expected(const io::TensorFile& file, const std::string& name) {
  const io::TensorInfo& info = file.at(name);
  const auto type = info.dtype == io::DType::i64 ? at::kLong : at::kFloat;
  return at::from_blob(const_cast<std::byte*>(info.bytes.data()), info.shape, at::TensorOptions().dtype(type)).clone();
}

std::vector<int32_t> ids_of(const Tensor& tokens) {
  return {tokens.data_ptr<int64_t>(), tokens.data_ptr<int64_t>() + tokens.numel()};
}

double distance(const Tensor& a, const Tensor& b) { return (a.to(at::kFloat) - b).abs().max().item<double>(); }

struct Case {
  const char *name, *weights, *expected;
  bool reference = false;  // of references/, not a fixture
};

std::optional<fs::path> found(const Case& c, const char* file) {
  if (!c.reference) return test::fixture(fmt::format("models/{}/{}", c.name, file));
  const char* source = std::getenv("KEN_SOURCE");
  return fs::path(source ? source : ".") / "tests/model/references" / c.name / file;
}

class ParityTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto weights = found(GetParam(), GetParam().weights);
    if (!weights) {
      if (test::fixtures_required()) FAIL() << GetParam().name << " is missing; set KEN_FIXTURES";
      GTEST_SKIP() << GetParam().name << " not found; set KEN_FIXTURES to the fixtures folder";
    }
    model = load(*weights);
    reference = io::open_tensors(*found(GetParam(), GetParam().expected));
    for (int p = 0; reference->find(fmt::format("p{}.tokens", p)); ++p)
      prompts.push_back(ids_of(expected(*reference, fmt::format("p{}.tokens", p))));
  }
  Tensor logits_of(size_t p) { return expected(*reference, fmt::format("p{}.logits", p)); }
  size_t longest() const { return prompts.size() - 1; }
  // Longrope turns a sequence by its length, so a cache that grows past the original context holds keys that one pass
  // would have turned otherwise (transformers' cache, too).
  bool outgrows_the_cache(size_t p) const {
    return !model->config.rope_long_factors.empty() && int64_t(prompts[p].size()) > model->config.rope_original;
  }

  at::NoGradGuard no_gradients;
  std::shared_ptr<Model> model;
  std::shared_ptr<const io::TensorFile> reference;
  std::vector<std::vector<int32_t>> prompts;
  ForwardOptions all{.logits = ForwardOptions::Logits::all};
};

TEST_P(ParityTest, one_pass_gives_the_reference_logits_and_residuals) {
  for (size_t p = 0; p < prompts.size(); ++p) {
    const Batch batch = pack({{prompts[p]}}, model->config.vocab);
    ActivationCache cache;
    const TapPlan plan(model->config,
                       cache.taps({"blocks.*.hook_resid_pre", "blocks.*.hook_resid_post", "ln_final.hook_normalized",
                                   "blocks.*.attn.hook_out", "blocks.*.mlp.hook_out"}));
    all.taps = &plan;
    EXPECT_LE(distance(forward(*model, batch, all).logits, logits_of(p)), logit_bound) << "prompt " << p;
    const auto compare = [&](const std::string& theirs, const std::string& ours) {
      if (reference->find(theirs)) {
        EXPECT_LE(distance(cache.at(ours), expected(*reference, theirs)), residual_bound) << theirs;
      }
    };
    compare(fmt::format("p{}.resid.0", p), "blocks.0.hook_resid_pre");
    for (int64_t l = 0; l < model->config.n_layers; ++l) {
      compare(fmt::format("p{}.resid.{}", p, l + 1), point_name(Point::resid_post, l));
      compare(fmt::format("p{}.attn_out.{}", p, l), point_name(Point::attn_raw, l));
      compare(fmt::format("p{}.mlp_out.{}", p, l), point_name(Point::mlp_raw, l));
    }
    compare(fmt::format("p{}.final_norm", p), "ln_final.hook_normalized");
  }
}

TEST_P(ParityTest, token_by_token_and_in_chunks_of_seven_through_the_cache) {
  for (size_t step : {size_t{1}, size_t{7}}) {
    nn::KvCache cache = make_cache(*model, nn::Compute::f32);
    all.cache = &cache;
    for (size_t p = 0; p < prompts.size(); ++p) {
      if (outgrows_the_cache(p)) continue;
      const int id = cache.open();
      std::vector<Tensor> logits;
      for (size_t i = 0; i < prompts[p].size(); i += step) {
        const std::vector<int32_t> chunk(prompts[p].begin() + long(i),
                                         prompts[p].begin() + long(std::min(prompts[p].size(), i + step)));
        logits.push_back(forward(*model, pack({{chunk, id}}, model->config.vocab, &cache), all).logits);
      }
      EXPECT_LE(distance(at::cat(logits), logits_of(p)), logit_bound) << "prompt " << p << " by " << step;
      cache.close(id);
    }
    EXPECT_EQ(cache.blocks_used(), 0);
  }
}

TEST_P(ParityTest, rows_of_one_mixed_batch_prefilled_decoded_and_uncached) {
  nn::KvCache cache = make_cache(*model, nn::Compute::f32);
  all.cache = &cache;
  const size_t long_one = outgrows_the_cache(longest()) ? longest() - 1 : longest();
  const auto& prompt = prompts[long_one];
  const std::vector<int32_t> head(prompt.begin(), prompt.end() - 1);
  const int decoding = cache.open(), prefilling = cache.open();
  forward(*model, pack({{head, decoding}}, model->config.vocab, &cache), all);
  const Batch batch =
      pack({{prompts[0], prefilling}, {{prompt.back()}, decoding}, {prompts[longest()]}}, model->config.vocab, &cache);
  EXPECT_EQ(batch.phases[1], Phase::decode);
  const Tensor logits = forward(*model, batch, all).logits, whole = logits_of(longest()), cached = logits_of(long_one);
  const int64_t first = int64_t(prompts[0].size());
  EXPECT_LE(distance(logits.narrow(0, 0, first), logits_of(0)), logit_bound);
  EXPECT_LE(distance(logits.narrow(0, first, 1), cached.narrow(0, cached.size(0) - 1, 1)), logit_bound);
  EXPECT_LE(distance(logits.narrow(0, first + 1, whole.size(0)), whole), logit_bound);
}

// What GGUF cannot say is refused; what is written says the same.
TEST_P(ParityTest, written_as_gguf_and_read_again_it_gives_the_reference_logits_or_is_refused) {
  const auto info = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = info->name();
  std::replace(name.begin(), name.end(), '/', '-');
  const fs::path file = test::scratch(name) / "model.gguf";
  try {
    save(*model, file, io::DType::f32);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("GGUF"), std::string::npos) << error.what();
    return;
  }
  const auto again = load(file);
  for (size_t p = 0; p < prompts.size(); ++p)
    EXPECT_LE(distance(forward(*again, pack({{prompts[p]}}, model->config.vocab), all).logits, logits_of(p)),
              logit_bound)
        << "prompt " << p;
  fs::remove_all(file.parent_path());
}

TEST_P(ParityTest, plain_attention_under_a_score_tap_agrees_to_1e_6_relative) {
  const Batch batch = pack({{prompts[longest()]}}, model->config.vocab);
  const Tensor plain = forward(*model, batch, all).logits;
  const TapPlan plan(model->config,
                     {{"blocks.*.attn.hook_pattern", [](const Tensor&, const Site&) { return std::nullopt; }}});
  all.taps = &plan;
  const Tensor tapped = forward(*model, batch, all).logits;
  EXPECT_LE(distance(tapped, plain), 2e-5 * plain.abs().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(
    Fixtures, ParityTest,
    testing::Values(
        Case{"llama", "model.gguf", "expected_gguf.safetensors"}, Case{"llama", "model.gguf", "expected.safetensors"},
        Case{"llama", "model-q8_0.gguf", "expected_q8_0.safetensors"},
        Case{"llama3_rope_tied", "model.gguf", "expected_gguf.safetensors"},
        Case{"llama3_rope_tied", "model.gguf", "expected.safetensors"},
        Case{"stories260K", "model.gguf", "expected_gguf.safetensors"},
        Case{"stories260K", "model.gguf", "expected.safetensors"}, Case{"llama", "hf", "expected.safetensors"},
        Case{"llama3_rope_tied", "hf", "expected.safetensors"},
        Case{"llama_bf16_sharded", "hf", "expected.safetensors"},
        Case{"mistral", "model.gguf", "expected_gguf.safetensors"}, Case{"mistral", "hf", "expected.safetensors"},
        Case{"qwen2", "model.gguf", "expected_gguf.safetensors"}, Case{"qwen2", "hf", "expected.safetensors"},
        Case{"qwen3", "model.gguf", "expected_gguf.safetensors"}, Case{"qwen3", "hf", "expected.safetensors"},
        Case{"gemma2", "model.gguf", "expected_gguf.safetensors"}, Case{"gemma2", "hf", "expected.safetensors"},
        Case{"gemma2_qscalar", "hf", "expected.safetensors"}, Case{"gpt2", "model.gguf", "expected_gguf.safetensors"},
        Case{"gpt2", "hf", "expected.safetensors"}, Case{"gpt2", "hf_hub_names", "expected.safetensors"}),
    [](const auto& info) { return fmt::format("{}_{}", info.param.name, info.index); });

// Every folder of references/, and every GGUF file in one.
const std::vector<Case>& references() {
  static std::set<std::string> names;
  static std::vector<Case> cases;
  if (!cases.empty()) return cases;
  const fs::path root = *found({"", "", "", true}, "");
  if (!fs::exists(root)) return cases;
  for (const auto& entry : fs::directory_iterator(root))
    if (fs::exists(entry.path() / "expected.safetensors")) names.insert(entry.path().filename().string());
  for (const auto& name : names)
    for (const char* weights : {"hf", "model.gguf", "experts.gguf"})
      if (const Case c{name.c_str(), weights, "expected.safetensors", true}; fs::exists(*found(c, weights)))
        cases.push_back(c);
  return cases;
}

INSTANTIATE_TEST_SUITE_P(References, ParityTest, testing::ValuesIn(references()), [](const auto& info) {
  const std::string weights = info.param.weights;
  return fmt::format("{}_{}", info.param.name, weights.substr(0, weights.find('.')));
});

TEST(ReferencesTest, each_family_without_a_fixture_is_judged_from_a_folder_and_from_gguf) {
  std::set<std::string> judged;
  for (const Case& c : references()) judged.insert(fmt::format("{} {}", c.name, c.weights));
  for (const char* family : {"mixtral", "gemma3", "gptneox", "phi3", "phi3_longrope", "olmo2", "smollm3"})
    for (const char* weights : {"hf", "model.gguf"})
      EXPECT_TRUE(judged.count(fmt::format("{} {}", family, weights))) << family << " " << weights;
}

}  // namespace
}  // namespace ken::model::parity_test_file
