// Folders and files that are broken or made to break: each is opened or refused with ken's own error, and never with
// more memory than its size justifies.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>

#include "ken/base/error.h"
#include "ken/base/files.h"
#include "ken/base/json.h"
#include "ken/base/rng.h"
#include "ken/model/model.h"
#include "tests/fixtures.h"

namespace ken::model::hostile_test_file {
namespace {

fs::path references() {
  const char* source = std::getenv("KEN_SOURCE");
  return fs::path(source ? source : ".") / "tests/model/references";
}

// The error of opening and running a model; empty when it went well. Another exception than ken's fails the test.
std::string refusal(const fs::path& path) {
  try {
    const auto model = load(path);
    at::NoGradGuard no_gradients;
    forward(*model, pack({{{1, 2, 0}}}, model->config.vocab), {});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

int64_t peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

// A copy of a reference folder to break.
class HostileTest : public testing::Test {
 protected:
  void SetUp() override { peak = peak_megabytes(); }
  void TearDown() override {
    EXPECT_LE(peak_megabytes() - peak, 100) << "megabytes more";
    fs::remove_all(root);
  }
  fs::path folder(const std::string& name) {
    const fs::path copy = root / name;
    fs::remove_all(copy);
    fs::copy(references() / name / "hf", copy);
    return copy;
  }
  static Json config(const std::string& name) { return Json::parse(read_text(references() / name / "hf/config.json")); }
  fs::path root = test::scratch("hostile");
  int64_t peak = 0;
};

TEST_F(HostileTest, the_copies_are_sound) {
  for (const char* name : {"llama_linear", "gemma3_v5", "mixtral", "phi3_longrope", "smollm3_window"})
    EXPECT_EQ(refusal(folder(name)), "");
}

const std::vector<Json>& strange_values() {
  static const std::vector<Json> values{nullptr,
                                        true,
                                        -1,
                                        0,
                                        1,
                                        3,
                                        2147483648,
                                        9223372036854775807,
                                        1e300,
                                        -0.5,
                                        0.7,
                                        "abc",
                                        "silu",
                                        Json::array(),
                                        {1, "x", nullptr},
                                        Json::object(),
                                        {{"rope_type", "ntk"}},
                                        {{"full_attention", 3}}};
  return values;
}

// Every key of a config away, and with every strange value; keys inside of it, too.
void sweep_config(const fs::path& folder, const Json& whole, const Json::json_pointer& at) {
  for (const auto& [key, old] : whole.at(at).items()) {
    const auto here = at / key;
    Json broken = whole;
    broken.at(at).erase(key);
    write_text(folder / "config.json", broken.dump());
    refusal(folder);
    for (const Json& value : strange_values()) {
      broken = whole;
      broken.at(here) = value;
      write_text(folder / "config.json", broken.dump());
      EXPECT_NO_THROW(refusal(folder)) << here.to_string() << " " << value.dump();
    }
    if (old.is_object()) sweep_config(folder, whole, here);
  }
}

TEST_F(HostileTest, configs_with_keys_away_or_of_strange_values_are_opened_or_refused) {
  for (const char* name : {"gemma3_v5", "mixtral", "phi3_longrope", "smollm3_window"})
    sweep_config(folder(name), config(name), Json::json_pointer());
}

TEST_F(HostileTest, what_is_not_computed_is_refused_by_its_name) {
  const std::tuple<const char*, Json, const char*> cases[] = {
      {"llama_linear", {{"quantization_config", {{"quant_method", "gptq"}}}}, "quantization_config"},
      {"llama_linear", {{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}}, "rope type 'dynamic'"},
      {"llama_linear", {{"rope_scaling", {{"type", "linear"}}}}, "factor"},
      {"llama_linear", {{"rope_scaling", "linear"}}, "rope_scaling is string"},
      {"llama_linear", {{"hidden_act", "relu"}}, "activation 'relu'"},
      {"llama_linear", {{"tie_word_embeddings", "yes"}}, "tie_word_embeddings"},
      {"llama_linear", {{"num_hidden_layers", 4096}}, "blocks.2|layers.2"},
      {"llama_linear", {{"hidden_size", 1 << 20}}, "shape"},
      {"llama_linear", {{"model_type", "gpt_oss"}}, "gpt_oss"},
      {"mixtral", {{"num_local_experts", 1024}, {"num_hidden_layers", 4096}}, "experts"},
      {"gemma3_v5", {{"layer_types", {"full_attention", "chunked_attention"}}}, "chunked_attention"},
      {"gemma3_v5", {{"layer_types", {"full_attention"}}}, "1 attention windows for 4 layers"},
      {"gemma3_v5", {{"use_bidirectional_attention", true}}, "use_bidirectional_attention"},
      {"gemma3_v5", {{"query_pre_attn_scalar", -3}}, "query's scale"},
      {"gemma3_v5", {{"sliding_window", nullptr}}, "sliding_window"},
      {"smollm3_window", {{"no_rope_layers", {1, 2, 0}}}, "no_rope_layers"},
      {"phi3_longrope", {{"partial_rotary_factor", 0.4}}, "even"},
  };
  for (const auto& [name, change, wanted] : cases) {
    const fs::path copy = folder(name);
    Json broken = config(name);
    broken.update(change);
    write_text(copy / "config.json", broken.dump());
    const std::string error = refusal(copy), words = wanted;
    const size_t bar = words.find('|');
    const bool said = error.find(words.substr(0, bar)) != std::string::npos ||
                      (bar != std::string::npos && error.find(words.substr(bar + 1)) != std::string::npos);
    EXPECT_TRUE(said) << name << " " << change.dump() << ": " << error;
  }
}

TEST_F(HostileTest, configs_that_are_no_json_or_too_deep_are_refused) {
  const fs::path copy = folder("llama_linear");
  std::string deep = config("llama_linear").dump();
  deep.back() = ',';
  const std::string nested(200000, '[');
  for (const std::string& text : {std::string(), std::string("[]"), std::string("{"), std::string("\xff\xfe{}"),
                                  deep + "\"layer_types\":" + nested, std::string(2 << 20, ' ') + "{}"}) {
    write_text(copy / "config.json", text);
    EXPECT_NE(refusal(copy), "");
  }
}

// Tensors of a folder, to be written again with a change.
struct Tensors {
  explicit Tensors(const fs::path& path) : file(io::open_tensors(path)) {
    for (const auto& t : file->tensors) out.push_back({t.name, t.dtype, t.shape, t.bytes});
  }
  std::shared_ptr<const io::TensorFile> file;
  std::vector<io::TensorOut> out;
};

TEST_F(HostileTest, tensors_that_are_missing_or_of_another_shape_or_type_are_named) {
  const fs::path copy = folder("llama_linear");
  const Tensors sound(references() / "llama_linear/hf/model.safetensors");
  for (size_t i = 0; i < sound.out.size(); ++i) {
    auto broken = sound.out;
    broken.erase(broken.begin() + long(i));
    io::write_safetensors(copy / "model.safetensors", {}, broken);
    const std::string name = sound.out[i].name;
    if (name != "lm_head.weight") {  // without it the embedding is the output
      EXPECT_NE(refusal(copy).find(name), std::string::npos) << name << ": " << refusal(copy);
    }
    broken = sound.out;
    broken[i].shape = {1, int64_t(broken[i].bytes.size() / 4)};
    io::write_safetensors(copy / "model.safetensors", {}, broken);
    EXPECT_NE(refusal(copy).find(name), std::string::npos) << name << ": " << refusal(copy);
    broken = sound.out;
    broken[i].dtype = io::DType::i32;
    io::write_safetensors(copy / "model.safetensors", {}, broken);
    EXPECT_NE(refusal(copy).find(broken[i].shape.size() > 1 ? name : "holds no weights"), std::string::npos)
        << name << ": " << refusal(copy);
  }
}

TEST_F(HostileTest, an_index_names_files_of_its_folder_only) {
  const fs::path copy = folder("llama_linear");
  fs::copy(copy / "model.safetensors", root / "outside.safetensors");
  fs::rename(copy / "model.safetensors", copy / "model-1.safetensors");
  const auto index = [&](const Json& json) {
    write_text(copy / "model.safetensors.index.json", json.dump());
    return refusal(copy);
  };
  EXPECT_EQ(index({{"weight_map", {{"lm_head.weight", "model-1.safetensors"}}}}), "");
  for (const char* name : {"../outside.safetensors", "/etc/passwd", "a/../../outside.safetensors", "..", ".", "",
                           "model-1.safetensors/", "missing.safetensors", "config.json"})
    EXPECT_NE(index({{"weight_map", {{"lm_head.weight", name}}}}), "") << name;
  for (const Json& json : {Json(nullptr), Json({{"weight_map", nullptr}}), Json({{"weight_map", {1, 2}}}),
                           Json({{"weight_map", {{"a", 3}}}}), Json({{"weight_map", Json::object()}})})
    EXPECT_NE(index(json), "") << json.dump();
  fs::copy(copy / "model-1.safetensors", copy / "model-2.safetensors");
  EXPECT_NE(index({{"weight_map", {{"a", "model-1.safetensors"}, {"b", "model-2.safetensors"}}}}), "");
}

TEST_F(HostileTest, files_cut_at_every_64th_are_refused) {
  const fs::path copy = folder("llama_linear"), gguf = root / "model.gguf";
  const auto cut = [](const std::string& bytes, int part) { return bytes.substr(0, bytes.size() * size_t(part) / 64); };
  for (const char* file : {"config.json", "model.safetensors"}) {
    const std::string bytes = read_text(copy / file);
    for (int part = 0; part < 64; ++part) {
      write_text(copy / file, cut(bytes, part));
      EXPECT_NE(refusal(copy), "") << file << " " << part;
    }
    write_text(copy / file, bytes);
  }
  const std::string bytes = read_text(references() / "llama_linear/model.gguf");
  for (int part = 0; part < 64; ++part) {
    write_text(gguf, cut(bytes, part));
    EXPECT_NE(refusal(gguf), "") << part;
  }
}

const uint64_t extremes[] = {0,           1, 1u << 31, uint64_t{1} << 32, (uint64_t{1} << 63) - 1, uint64_t{1} << 63,
                             ~uint64_t{0}};

TEST_F(HostileTest, gguf_counts_shapes_types_and_offsets_at_their_extremes_are_refused) {
  const std::string sound = read_text(references() / "llama_linear/model.gguf");
  const fs::path file = root / "model.gguf";
  const auto refused = [&](size_t at, uint64_t value, size_t width) {
    std::string bytes = sound;
    if (std::memcmp(&bytes[at], &value, width) == 0) return true;
    std::memcpy(&bytes[at], &value, width);
    write_text(file, bytes);
    return !refusal(file).empty();
  };
  const size_t tensor = sound.find("blk.0.attn_q.weight") + std::strlen("blk.0.attn_q.weight");
  for (const uint64_t value : extremes) {
    for (const size_t place : {size_t{8}, size_t{16}, tensor + 4, tensor + 12, tensor + 24})
      EXPECT_TRUE(refused(place, value, 8)) << place << " " << value;
    EXPECT_TRUE(refused(0, value, 4) && refused(4, value, 4) && refused(tensor, value, 4)) << value;
  }
  EXPECT_TRUE(refused(tensor + 20, 255, 4)) << "an unknown type";
  EXPECT_TRUE(refused(tensor + 24, 32, 8)) << "bytes of another tensor";
}

TEST_F(HostileTest, gguf_headers_with_a_wrong_byte_are_opened_or_refused) {
  const std::string sound = read_text(references() / "mixtral/model.gguf");
  const fs::path file = root / "model.gguf";
  Rng rng(7);
  for (int i = 0; i < 1500; ++i) {
    std::string bytes = sound;
    bytes[rng.below(4096)] = char(rng.below(256));
    write_text(file, bytes);
    EXPECT_NO_THROW(refusal(file)) << i;
  }
}

TEST_F(HostileTest, gguf_tensors_that_are_missing_misshapen_or_unknown_are_named) {
  const fs::path file = root / "model.gguf";
  for (const char* name : {"mixtral", "gptneox", "phi3_longrope"}) {
    const Tensors sound(references() / name / "model.gguf");
    const auto error = [&](const std::vector<io::TensorOut>& tensors) {
      io::write_gguf(file, sound.file->metadata, tensors);
      return refusal(file);
    };
    ASSERT_EQ(error(sound.out), "");
    for (size_t i = 0; i < sound.out.size(); ++i) {
      auto broken = sound.out;
      broken.erase(broken.begin() + long(i));
      const std::string tensor = sound.out[i].name;
      if (tensor != "output.weight") {
        EXPECT_NE(error(broken), "") << tensor;
      }
      broken = sound.out;
      broken[i].shape.insert(broken[i].shape.begin(), 1);
      EXPECT_NE(error(broken).find(tensor), std::string::npos) << tensor << ": " << error(broken);
    }
    auto more = sound.out;
    more.push_back(more.back());
    more.back().name = "blk.0.attn_sinks.weight";
    EXPECT_NE(error(more).find("attn_sinks"), std::string::npos);
  }
}

TEST_F(HostileTest, vocabularies_that_contradict_themselves_are_opened_or_refused) {
  const fs::path file = root / "model.gguf";
  const Tensors sound(references() / "llama_linear/model.gguf");
  std::vector<std::string> pieces, broken;
  for (int i = 0; i < 48; ++i) pieces.push_back(std::string(1, char('a' + i % 26)) + std::to_string(i));
  for (int i = 0; i < 48; ++i)
    broken.push_back(std::string("\xff\xc3\xed\xa0\x80", size_t(1 + i % 5)) + std::to_string(i));
  const std::vector<io::MetaValue> tokens{pieces,
                                          broken,
                                          std::vector<std::string>(48, ""),
                                          std::vector<std::string>(1000, "x"),
                                          std::vector<std::string>(),
                                          std::string("text"),
                                          int64_t{3}};
  const std::vector<io::MetaValue> numbers{std::vector<int64_t>(48, 1), std::vector<int64_t>(3, -9),
                                           std::vector<double>(48, 1e300), std::string("text")};
  const std::vector<io::MetaValue> merges{std::vector<std::string>{"a b", " ", "", "a", "\xff \xfe"}, int64_t{1}};
  const std::vector<io::MetaValue> ids{int64_t{-1}, int64_t{1} << 40, uint64_t{1} << 63, std::string("1"), true};
  for (const char* kind : {"gpt2", "llama", "t5", "bert", "nobody's"})
    for (const auto& list : tokens) {
      io::Metadata metadata = sound.file->metadata;
      metadata.values["tokenizer.ggml.model"] = std::string(kind);
      metadata.values["tokenizer.ggml.tokens"] = list;
      const auto with = [&](const char* key, const std::vector<io::MetaValue>& values) {
        for (const auto& value : values) {
          io::Metadata more = metadata;
          more.values[key] = value;
          io::write_gguf(file, more, sound.out);
          EXPECT_NO_THROW(refusal(file)) << kind << " " << key;
        }
      };
      with("tokenizer.ggml.token_type", numbers), with("tokenizer.ggml.scores", numbers);
      with("tokenizer.ggml.merges", merges), with("tokenizer.ggml.bos_token_id", ids);
      with("tokenizer.ggml.eos_token_id", ids), with("tokenizer.ggml.pre", {std::string("\xff"), int64_t{1}});
    }
}

}  // namespace
}  // namespace ken::model::hostile_test_file
