// The shapes of tokenizer.json that model families have, on small vocabularies (tokenizer_shapes.json), against the ids
// that Hugging Face's tokenizers give: its JavaScript implementation 0.2.0, and where that one differs from the Rust
// one (behaviours of Split, Metaspace's split, single_word, \w) a second implementation of the Rust one's rules.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/base/files.h"
#include "ken/text/hf_tokenizer.h"
#include "ken/text/json_fields.h"
#include "tests/fixtures.h"
#include "tests/text/vocabularies.h"

namespace ken::text::tokenizer_json_test_file {
namespace {

using namespace ken;
using Ids = std::vector<int32_t>;

// Shapes share vocabularies: "@name" stands for one.
const Json& shapes() {
  static const Json list = [] {
    const char* source = std::getenv("KEN_SOURCE");
    Json file = Json::parse(read_text(fs::path(source ? source : ".") / "tests/text/tokenizer_shapes.json"));
    for (Json& shape : file["shapes"])
      for (const char* key : {"vocab", "merges"})
        if (Json& value = shape["tokenizer"]["model"][key]; value.is_string())
          value = file["vocabularies"][value.get<std::string>().substr(1)][key];
        else
          shape["tokenizer"]["model"].erase(key);
    return file["shapes"];
  }();
  return list;
}

std::shared_ptr<const text::Tokenizer> tokenizer_of(const Json& json) {
  return text::tokenizer_from_gguf(text::tokenizer_metadata(json, Json::object()));
}

const Json& shape(const std::string& name) {
  for (const Json& one : shapes())
    if (one["name"] == name) return one;
  throw Error("no shape " + name);
}

TEST(TokenizerJsonTest, EveryShapeGivesHuggingFacesIds) {
  ASSERT_GE(shapes().size(), 30);
  for (const Json& one : shapes()) {
    const auto tokenizer = tokenizer_of(one["tokenizer"]);
    for (const Json& test : one["cases"]) {
      const std::string text = test[0];
      EXPECT_EQ(tokenizer->encode(text, true), test[1].get<Ids>()) << one["name"] << ": '" << text << "'";
    }
  }
}

// What `ken convert` writes: the steps survive in keys of their own.
TEST(TokenizerJsonTest, AGgufFileOfItCutsTextAlike) {
  const auto file = test::scratch("tokenizer-json") / "vocabulary.gguf";
  for (const Json& one : shapes()) {
    io::write_gguf(file, text::tokenizer_metadata(one["tokenizer"], Json::object()), {});
    const auto tokenizer = text::tokenizer_from_gguf(io::open_tensors(file)->metadata);
    for (const Json& test : one["cases"])
      EXPECT_EQ(tokenizer->encode(test[0].get<std::string>(), true), test[1].get<Ids>()) << one["name"];
  }
}

TEST(TokenizerJsonTest, SpansCoverTheTextInEveryShape) {
  Rng rng(7);
  for (const Json& one : shapes()) {
    const auto tokenizer = tokenizer_of(one["tokenizer"]);
    for (int i = 0; i < 300; ++i) {
      const std::string text = i % 2 ? test::random_text(rng) : test::random_bytes(rng);
      size_t end = 0;
      const auto pieces = tokenizer->encode_with_offsets(text);
      for (const auto& piece : pieces) {
        ASSERT_EQ(piece.begin, end) << one["name"];
        ASSERT_GE(piece.end, piece.begin) << one["name"];
        end = piece.end;
      }
      ASSERT_TRUE(pieces.empty() || end == text.size()) << one["name"];
    }
  }
}

TEST(TokenizerJsonTest, LosslessShapesGiveTheTextBack) {
  Rng rng(8);
  int lossless = 0;
  for (const Json& one : shapes()) {
    if (!one["lossless"].get<bool>()) continue;
    ++lossless;
    const auto tokenizer = tokenizer_of(one["tokenizer"]);
    for (int i = 0; i < 500; ++i) {
      const std::string text = test::random_text(rng);
      if (text.find("\xe2\x96\x81") != text.npos) continue;
      std::string decoded = tokenizer->decode(tokenizer->encode(text));
      if (tokenizer->add_space_prefix && decoded.size() > text.size()) decoded.erase(0, 1);
      ASSERT_EQ(decoded, text) << one["name"];
    }
  }
  EXPECT_GE(lossless, 15);
}

TEST(TokenizerJsonTest, ComposedTextHasTheOffsetsOfWhatWasGiven) {
  const auto pieces = tokenizer_of(shape("qwen2")["tokenizer"])->encode_with_offsets("cafe\u0301 the");
  ASSERT_EQ(pieces.size(), 2);
  EXPECT_EQ(pieces[0].end, 6);
  EXPECT_EQ(pieces[1].end, 10);
}

TEST(TokenizerJsonTest, AModelWithoutATypeIsKnownByWhatItHolds) {
  for (const std::string name : {"gpt2", "t5", "bert-uncased"}) {
    Json json = shape(name)["tokenizer"];
    json["model"].erase("type");
    const Json& test = shape(name)["cases"][0];
    EXPECT_EQ(tokenizer_of(json)->encode(test[0].get<std::string>(), true), test[1].get<Ids>()) << name;
  }
}

TEST(TokenizerJsonTest, PlainShapesNeedNoKeysOfKen) {
  for (const std::string name : {"llama3", "gpt2", "smollm2", "olmo2", "cl100k-removed-inverted"}) {
    const auto metadata = text::tokenizer_metadata(shape(name)["tokenizer"], Json::object());
    for (const auto& [key, value] : metadata.values)
      EXPECT_TRUE(!key.starts_with("tokenizer.ken.") || key == "tokenizer.ken.whole_words") << name << ": " << key;
  }
}

TEST(TokenizerJsonTest, WhatIsNotSupportedIsNamed) {
  const auto expect_error = [](Json json, const std::string& named) {
    try {
      tokenizer_of(json);
      ADD_FAILURE() << named << " was accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
  };
  Json json = shape("gpt2")["tokenizer"];
  json["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
  expect_error(json, "UnicodeScripts");
  json = shape("gpt2")["tokenizer"];
  json["normalizer"] = {{"type", "Unheard"}};
  expect_error(json, "Unheard");
  json["model"]["type"] = "WordLevel";
  expect_error(json, "WordLevel");
  json = shape("t5")["tokenizer"];
  json["model"]["vocab"][3] = "a";
  expect_error(json, "entry 3");
  json = shape("t5")["tokenizer"];
  json["model"]["unk_id"] = 99;
  expect_error(json, "99");
  json = shape("gpt2")["tokenizer"];
  json["added_tokens"][0]["id"] = 1 << 20;
  expect_error(json, "1048576");
  json = shape("split-previous")["tokenizer"];
  json["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Sideways";
  expect_error(json, "Sideways");
  EXPECT_TRUE(parse_json(std::string(100, '[') + std::string(100, ']')).is_discarded());
}

}  // namespace
}  // namespace ken::text::tokenizer_json_test_file
