// One model of every architecture with its prompts: the fixtures, and the folders of references/ for the rest.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ken/model/model.h"
#include "tests/fixtures.h"

namespace ken::test {

struct Architecture {
  const char *name, *weights;
  bool reference = false;  // of references/, not a fixture
};

inline const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all{{"llama", "hf"},
                                             {"llama", "model-q8_0.gguf"},
                                             {"llama3_rope_tied", "hf"},
                                             {"stories260K", "model.gguf"},
                                             {"mistral", "hf"},
                                             {"qwen2", "hf"},
                                             {"qwen3", "hf"},
                                             {"gemma2", "hf"},
                                             {"gpt2", "hf"},
                                             {"gemma3", "hf", true},
                                             {"gptneox", "hf", true},
                                             {"mixtral", "hf", true},
                                             {"olmo2", "hf", true},
                                             {"phi3", "hf", true},
                                             {"phi3_longrope", "hf", true},
                                             {"smollm3", "hf", true}};
  return all;
}

class ArchitectureTest : public testing::TestWithParam<Architecture> {
 protected:
  using Tensor = at::Tensor;
  void SetUp() override {
    const auto weights = file(GetParam().weights);
    if (!weights) {
      if (fixtures_required()) FAIL() << GetParam().name << " is missing; set KEN_FIXTURES";
      GTEST_SKIP() << GetParam().name << " not found; set KEN_FIXTURES to the fixtures folder";
    }
    model = model::load(*weights);
    reference = io::open_tensors(*file("expected.safetensors"));
    for (int p = 0; reference->find(fmt::format("p{}.tokens", p)); ++p) {
      const Tensor ids = expected(fmt::format("p{}.tokens", p));
      prompts.emplace_back(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel());
    }
    // Longrope turns a sequence by its length, so that a cache which grows past the original context holds keys that
    // one pass would have turned otherwise: such a prompt is cut short.
    if (!model->config.rope_long_factors.empty())
      for (auto& prompt : prompts)
        prompt.resize(std::min(prompt.size(), size_t(std::max<int64_t>(1, model->config.rope_original))));
  }
  Tensor expected(const std::string& name) const {
    const io::TensorInfo& info = reference->at(name);
    const auto type = info.dtype == io::DType::i64 ? at::kLong : at::kFloat;
    return at::from_blob(const_cast<std::byte*>(info.bytes.data()), info.shape, at::TensorOptions().dtype(type))
        .clone();
  }
  const std::vector<int32_t>& longest() const { return prompts.back(); }
  model::Batch batch() const { return model::pack({{longest()}}, model->config.vocab); }
  Tensor logits_of(const model::Batch& batch, const std::vector<model::Tap>& taps = {}) const {
    const model::TapPlan plan(model->config, taps);
    return model::forward(*model, batch, {.taps = &plan, .logits = model::ForwardOptions::Logits::all}).logits;
  }
  // The points that a family lacks are refused by name (see HooksTest).
  std::vector<std::string> points() const {
    const model::Config& c = model->config;
    std::vector<std::string> result;
    for (const auto& name : model::point_names()) {
      const bool inner = name.ends_with("mlp.hook_pre") || name.ends_with("mlp.hook_post"),
                 linear = name.ends_with("mlp.hook_pre_linear");
      if (c.parallel && name.ends_with("hook_resid_mid")) continue;
      if (c.n_experts > 0 && (inner || linear)) continue;
      if (!c.gated && linear) continue;
      result.push_back(name);
    }
    return result;
  }

  at::NoGradGuard no_gradients;
  std::shared_ptr<model::Model> model;
  std::shared_ptr<const io::TensorFile> reference;
  std::vector<std::vector<int32_t>> prompts;

 private:
  static std::optional<std::filesystem::path> file(const char* name) {
    const Architecture& a = GetParam();
    if (!a.reference) return fixture(fmt::format("models/{}/{}", a.name, name));
    const char* source = std::getenv("KEN_SOURCE");
    return std::filesystem::path(source ? source : ".") / "tests/model/references" / a.name / name;
  }
};

inline std::string architecture_name(const testing::TestParamInfo<Architecture>& info) {
  return fmt::format("{}_{}", info.param.name, info.index);
}

}  // namespace ken::test
