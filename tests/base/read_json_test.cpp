// JSON files of hostile shapes: the same values as the usual parser gives, in linear time and bounded depth.
#include "ken/base/read_json.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::read_json_test_file {
namespace {

struct File {
  fs::path path = test::scratch("read-json") / "file.json";
  Json read(const std::string& text) const {
    write_text(path, text);
    return read_json(path, size_t{1} << 26, "test");
  }
};

TEST(ReadJsonTest, values_are_those_of_the_usual_parser) {
  const std::string text =
      R"({"b": [1, -2, 3.5, 1e300, 18446744073709551615, null, true, "\u00e9\n"], "a": {"x": {}, "y": [[], [{}]]}, "": 0})";
  EXPECT_EQ(File().read(text), Json::parse(text));
  EXPECT_EQ(File().read(text).dump(), Json::parse(text).dump());
}

TEST(ReadJsonTest, what_is_no_object_is_refused) {
  for (const char* text : {"", "[]", "3", "{", "{\"a\":1,}", "{\"a\":1}x", "{\"a\":\"\xff\"}", "nul"})
    EXPECT_THROW(File().read(text), Error) << text;
  EXPECT_THROW(read_json(test::scratch("read-json-missing") / "none.json", 100, "test"), Error);
}

TEST(ReadJsonTest, depth_and_twin_keys_are_bounded) {
  const auto nested = [](size_t depth) { return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}"; };
  EXPECT_NO_THROW(File().read(nested(63)));
  EXPECT_THROW(File().read(nested(64)), Error);
  EXPECT_THROW(File().read("{\"a\":" + std::string(1000000, '[')), Error);
  EXPECT_THROW(File().read(R"({"x": {"a": 1, "b": 2, "a": 3}})"), Error);
}

// A parser that looks through an object for each key needs minutes for this one.
TEST(ReadJsonTest, an_object_of_a_million_keys_is_read) {
  std::string text = "{";
  for (int i = 0; i < 1000000; ++i) text += fmt::format("{}\"key{}\":{}", i ? "," : "", i, i);
  EXPECT_EQ(File().read(text + "}").size(), 1000000u);
}

}  // namespace
}  // namespace ken::read_json_test_file
