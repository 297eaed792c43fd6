// Every family: a folder as Hugging Face writes it, read; the same model through GGUF, the cache, hooks and gradients.
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "ken/base/files.h"
#include "ken/base/rng.h"
#include "ken/model/arch.h"
#include "ken/nn/autograd.h"
#include "tests/fixtures.h"

namespace ken::model::families_test_file {
namespace {

double distance(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

Tensor logits_of(const Model& model, const std::vector<int32_t>& ids) {
  at::NoGradGuard no_gradients;
  return forward(model, pack({{ids}}, model.config.vocab), {.logits = ForwardOptions::Logits::all}).logits;
}

const std::vector<int32_t> prompt{1, 17, 30, 5, 22, 41, 8, 3, 60, 2, 9, 33};

// config.json's that are small, and different from the families' defaults where a mistake would show.
const std::map<std::string, Json>& configs() {
  static const Json common{
      {"hidden_size", 32},     {"num_hidden_layers", 4},  {"num_attention_heads", 4},      {"num_key_value_heads", 2},
      {"head_dim", 8},         {"intermediate_size", 48}, {"max_position_embeddings", 64}, {"vocab_size", 64},
      {"rms_norm_eps", 0.003}, {"rope_theta", 5000.0}};
  const auto with = [](const Json& more) {
    Json json = common;
    json.update(more);
    return json;
  };
  const Json llama3{{"rope_type", "llama3"},
                    {"factor", 8.0},
                    {"low_freq_factor", 1.0},
                    {"high_freq_factor", 4.0},
                    {"original_max_position_embeddings", 16}};
  const Json longrope{{"type", "longrope"}, {"short_factor", {1.0, 1.1, 1.3}}, {"long_factor", {2.0, 3.0, 4.0}}};
  static const std::map<std::string, Json> all{
      {"llama",
       with({{"model_type", "llama"}, {"attention_bias", true}, {"mlp_bias", true}, {"rope_scaling", llama3}})},
      {"mistral", with({{"model_type", "mistral"}, {"sliding_window", 5}})},
      {"mixtral", with({{"model_type", "mixtral"}, {"num_local_experts", 4}, {"num_experts_per_tok", 2}})},
      {"qwen2", with({{"model_type", "qwen2"}, {"tie_word_embeddings", true}})},
      {"qwen3", with({{"model_type", "qwen3"}})},
      {"gemma2", with({{"model_type", "gemma2"},
                       {"sliding_window", 5},
                       {"query_pre_attn_scalar", 8},
                       {"attn_logit_softcapping", 5.0},
                       {"final_logit_softcapping", 6.0}})},
      {"gemma3", with({{"model_type", "gemma3_text"},
                       {"num_hidden_layers", 7},
                       {"sliding_window", 5},
                       {"query_pre_attn_scalar", 8}})},
      {"gpt2",
       {{"model_type", "gpt2"},
        {"n_embd", 32},
        {"n_layer", 3},
        {"n_head", 4},
        {"n_positions", 64},
        {"vocab_size", 64},
        {"layer_norm_epsilon", 0.002},
        {"activation_function", "gelu_new"}}},
      {"gptneox", with({{"model_type", "gpt_neox"},
                        {"num_key_value_heads", 4},
                        {"rotary_pct", 0.5},
                        {"hidden_act", "gelu"},
                        {"layer_norm_eps", 0.002}})},
      {"phi3", with({{"model_type", "phi3"},
                     {"partial_rotary_factor", 0.75},
                     {"rope_scaling", longrope},
                     {"original_max_position_embeddings", 16}})},
      {"olmo2", with({{"model_type", "olmo2"}})},
      {"smollm3", with({{"model_type", "smollm3"}})}};
  return all;
}

// Random weights under the names and in the shapes that the family's files have: parts of fused tensors share one.
void write_folder(const fs::path& folder, const Json& json) {
  fs::create_directories(folder);
  write_text(folder / "config.json", json.dump());
  const Arch& arch = arch_of_hf(json);
  Config config = usual_hf_config(arch.hf_keys ? arch.hf_keys(json) : json, arch);
  if (arch.from_hf) arch.from_hf(json, config);
  const auto shapes = frame(config);
  std::map<std::string, Tensor> tensors;
  Rng rng(11);
  const auto put = [&](const std::string& name, std::vector<int64_t> shape, double scale, double middle) {
    if (tensors.count(name)) return;
    Tensor x = at::empty(shape, at::kFloat);
    for (int64_t i = 0; i < x.numel(); ++i) x.data_ptr<float>()[i] = float(middle + scale * rng.normal());
    tensors.emplace(name, x);
  };
  const auto source_of = [&](const std::string& name) {
    Source source = usual_hf_source(name);
    if (arch.hf_source) arch.hf_source(config, name, source);
    return source;
  };
  for (auto& [name, w] : shapes->matrices()) {
    const Source source = source_of(name);
    const int64_t rows = source.total ? source.total : w->out;
    put(source.name, source.transposed ? std::vector{w->in, rows} : std::vector{rows, w->in}, 0.3, 0);
    if (w->bias.defined()) put(source.name.substr(0, source.name.rfind('.')) + ".bias", {rows}, 0.3, 0);
  }
  for (auto& [name, g] : shapes->gains())
    put(source_of(name).name, {g->numel()}, 0.3, config.norm_plus_one || name.ends_with(".b") ? 0 : 1);
  std::vector<io::TensorOut> out;
  for (const auto& [name, x] : tensors)
    out.push_back({name,
                   io::DType::f32,
                   x.sizes().vec(),
                   {reinterpret_cast<const std::byte*>(x.data_ptr<float>()), size_t(x.numel()) * 4}});
  io::write_safetensors(folder / "model.safetensors", {}, out);
}

// One family's folder with random weights, for as long as the object lives.
struct Family {
  explicit Family(const std::string& name) : folder(test::scratch("families-" + name)) {
    write_folder(folder / "hf", configs().at(name));
    model = load(folder / "hf");
  }
  ~Family() { fs::remove_all(folder); }
  fs::path folder;
  std::shared_ptr<Model> model;
};

double bound(const Tensor& logits) { return 1e-5 * logits.abs().max().item<double>(); }

bool folder_is_read(const Family& f) { return at::isfinite(logits_of(*f.model, prompt)).all().item<bool>(); }

bool gguf_says_the_same(const Family& f) {
  save(*f.model, f.folder / "model.gguf", io::DType::f32);
  const auto again = load(f.folder / "model.gguf");
  const Tensor direct = logits_of(*f.model, prompt);
  return distance(logits_of(*again, prompt), direct) <= bound(direct);
}

bool cache_gives_what_one_pass_gives(const Family& f) {
  const Tensor whole = logits_of(*f.model, prompt);
  at::NoGradGuard no_gradients;
  nn::KvCache cache = make_cache(*f.model, nn::Compute::f32);
  const int id = cache.open();
  std::vector<Tensor> rows;
  for (const int32_t token : prompt)
    rows.push_back(forward(*f.model, pack({{{token}, id}}, f.model->config.vocab, &cache), {.cache = &cache}).logits);
  return distance(at::cat(rows), whole) <= bound(whole);
}

// Every point that the family has is offered; zeros put in its place change the result, and attention under a tap that
// only looks does not.
bool hooks_read_and_replace(const Family& f) {
  at::NoGradGuard no_gradients;
  const Tensor plain = logits_of(*f.model, prompt);
  const Batch batch = pack({{prompt}}, f.model->config.vocab);
  const auto with = [&](const std::string& point, const TapFn& fn) {
    const TapPlan plan(f.model->config, {{point, fn}});
    return forward(*f.model, batch, {.taps = &plan, .logits = ForwardOptions::Logits::all}).logits;
  };
  const auto look = [](const Tensor&, const Site&) -> std::optional<Tensor> { return std::nullopt; };
  if (distance(with("blocks.*.attn.hook_pattern", look), plain) > 4 * bound(plain)) return false;
  const auto zero = [](const Tensor& x, const Site&) -> std::optional<Tensor> { return at::zeros_like(x); };
  for (const char* point : {"hook_embed", "blocks.0.hook_resid_pre", "blocks.1.attn.hook_q", "blocks.1.attn.hook_rot_k",
                            "blocks.1.attn.hook_z", "blocks.1.hook_attn_out", "blocks.1.attn.hook_pattern",
                            "blocks.1.hook_mlp_out", "blocks.2.hook_resid_post", "ln_final.hook_normalized"})
    if (distance(with(point, zero), plain) <= bound(plain)) return false;
  return true;
}

// The gradient of a loss reaches every matrix and every gain.
bool gradients_reach_everything(const Family& f) {
  const auto m = load(f.folder / "hf");
  std::vector<Tensor> leaves;
  for (auto& [name, w] : m->matrices()) leaves.push_back(w->data = w->data.clone().requires_grad_());
  for (auto& [name, g] : m->gains()) leaves.push_back(*g = g->clone().requires_grad_());
  const Tensor logits = forward(*m, pack({{prompt}}, m->config.vocab), {.logits = ForwardOptions::Logits::all}).logits;
  const Tensor loss = at::log_softmax(logits, -1).select(1, 3).mean();
  for (const auto& gradient : torch::autograd::grad({loss}, leaves, {}, c10::nullopt, false, true))
    if (!gradient.defined() || gradient.abs().max().item<double>() == 0) return false;
  return true;
}

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const auto& [name, config] : configs()) result.push_back(name);
  return result;
}

class FamiliesTest : public testing::TestWithParam<std::string> {
 protected:
  Family family{GetParam()};
};

TEST_P(FamiliesTest, folder_is_read) { EXPECT_TRUE(folder_is_read(family)); }
TEST_P(FamiliesTest, gguf_says_the_same_as_the_folder) { EXPECT_TRUE(gguf_says_the_same(family)); }
TEST_P(FamiliesTest, the_cache_gives_what_one_pass_gives) { EXPECT_TRUE(cache_gives_what_one_pass_gives(family)); }
TEST_P(FamiliesTest, hooks_read_and_replace) { EXPECT_TRUE(hooks_read_and_replace(family)); }
TEST_P(FamiliesTest, gradients_reach_everything) { EXPECT_TRUE(gradients_reach_everything(family)); }

INSTANTIATE_TEST_SUITE_P(Families, FamiliesTest, testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

// docs/models.md holds what these checks say today; KEN_WRITE_DOCS=1 writes it.
TEST(FamiliesTableTest, docs_say_what_the_checks_say) {
  std::string table =
      "| family | `model_type` | GGUF | Hugging Face folder | hooks | cache | train |\n|---|---|---|---|---|---|---|\n";
  const auto mark = [](bool good) { return good ? "yes" : "**no**"; };
  for (const Arch* arch : Registry<Arch>::get().all()) {
    ASSERT_TRUE(configs().count(arch->card.id)) << arch->card.id << " has no config here";
    const Family f(arch->card.id);
    table += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", arch->card.title, fmt::join(arch->model_types, ", "),
                         mark(gguf_says_the_same(f)), mark(folder_is_read(f)), mark(hooks_read_and_replace(f)),
                         mark(cache_gives_what_one_pass_gives(f)), mark(gradients_reach_everything(f)));
  }
  const char* source = std::getenv("KEN_SOURCE");
  const fs::path page = fs::path(source ? source : ".") / "docs/models.md";
  std::string text = read_text(page);
  const size_t begin = text.find("| family |"), end = text.find("\n\n", begin);
  ASSERT_NE(begin, std::string::npos);
  const std::string written = text.substr(begin, end == std::string::npos ? end : end + 1 - begin);
  if (std::getenv("KEN_WRITE_DOCS")) return write_text(page, text.replace(begin, written.size(), table));
  EXPECT_EQ(written, table) << "run this test with KEN_WRITE_DOCS=1";
}

}  // namespace
}  // namespace ken::model::families_test_file
