// Records: each format by its content, and errors that name the line.
#include "ken/io/records.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::io::records_test_file {
namespace {

std::string refusal(std::string_view text) {
  try {
    parse_records(text, "file");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}
void expect_refusal(std::string_view text, std::string_view reason) {
  const std::string found = refusal(text);
  EXPECT_NE(found.find(reason), std::string::npos) << "expected '" << reason << "' in: " << found;
}

TEST(RecordsTest, JsonlKeepsTheLinesAndPassesOverBlankOnes) {
  const auto records = parse_records("\xef\xbb\xbf{\"a\": 1}\r\n\n  \n {\"b\": [\"}\\\"\", {}]} \n", "file");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].fields.dump(), R"({"a":1})");
  EXPECT_EQ(records[1].fields.dump(), R"({"b":["}\"",{}]})");
  EXPECT_EQ(records[1].line, 4u);
}

TEST(RecordsTest, AJsonArrayGivesItsObjectsWithTheirFirstLines) {
  const auto records = parse_records("\n[\n {\"z\": 1,\n  \"a\": \"],[\"},\n {}\n]\n", "file");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].fields.dump(), R"({"z":1,"a":"],["})") << "fields keep their order";
  EXPECT_EQ(records[0].line, 3u);
  EXPECT_EQ(records[1].line, 5u);
  EXPECT_TRUE(parse_records("[]", "file").empty());
  EXPECT_TRUE(parse_records(" \n", "file").empty());
}

TEST(RecordsTest, CsvFollowsRfc4180) {
  const auto records = parse_records("id,\"the text\"\r\n1,\"a \"\"b\"\", c\nd\"\r\n\r\n2,5\" disk\r\n3,", "file.txt");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].fields.dump(), R"({"id":"1","the text":"a \"b\", c\nd"})");
  EXPECT_EQ(records[0].line, 2u);
  EXPECT_EQ(records[1].line, 5u);
  EXPECT_EQ(records[1].fields["the text"], "5\" disk");
  EXPECT_EQ(records[2].fields["the text"], "");
}

TEST(RecordsTest, TsvIsToldFromCsvByItsFirstRow) {
  const auto records = parse_records("id\tsaid, then\n1\t\"[\"\"x\"\", \"\"y\"\"]\"\n", "file.csv");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].fields.dump(), R"({"id":"1","said, then":"[\"x\", \"y\"]"})");
}

TEST(RecordsTest, BadJsonNamesItsLine) {
  expect_refusal("{\"a\": 1}\n{\"a\": }\n", "file:2:");
  expect_refusal("{\"a\": 1}\n[1]\n", "file:2: expected one JSON object a line");
  expect_refusal("{\"a\": 1} {\"b\": 2}\n", "file:1: expected one JSON object a line");
  expect_refusal("{\"a\": 1}\n{\"a\": 1", "file:2: no valid JSON");
  expect_refusal("{\n \"a\": 1\n}\n", "put a document of many lines into an array");
  expect_refusal("{\"a\": NaN}\n", "file:1: no valid JSON");
  expect_refusal("{\"a\": 1, \"a\": 2}\n", "appears twice");
  expect_refusal("[{\"a\": 1},\n {\"a\":\n 1e999}]", "file:2: no valid JSON");
  expect_refusal("[{\"a\": 1}\n {\"a\": 2}]", "file:2: expected ',' or ']'");
  expect_refusal("[{\"a\": 1},\n]", "file:2: expected a JSON object");
  expect_refusal("[1]", "file:1: expected a JSON object");
  expect_refusal("[{\"a\": 1},\n", "truncated");
  expect_refusal("[{\"a\": 1}]\n\n{}", "file:3: expected nothing after");
}

TEST(RecordsTest, BadRowsNameTheirLine) {
  expect_refusal("a,b\n1,2\n1\n", "file:3: the row has 1 fields, but the first row names 2 columns");
  expect_refusal("a,b\n1,2,3\n", "file:2:");
  expect_refusal("a,a\n1,2\n", "two columns are named 'a'");
  expect_refusal("a,b\n1,\"x\ny\n", "file:2: a quoted field that opens here is not closed");
  expect_refusal("a,b\n\"x\"y,2\n", "file:2: text follows a closing quote");
}

TEST(RecordsTest, InvalidUtf8NamesItsByte) {
  expect_refusal("{\"a\": \"x\"}\n{\"a\": \"\xe9\"}\n", "file:2: the byte 0xe9 at offset 18 is not UTF-8");
  for (const std::string_view bad : {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                                     "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    expect_refusal("a\n" + std::string(bad), "not UTF-8");
  }
  EXPECT_EQ(refusal("a\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xee\x80\x80"), "no error");
}

TEST(RecordsTest, OtherFormatsAreRefusedWithTheConversion) {
  expect_refusal("PAR1\x15\x04", "to_json");
  expect_refusal("\x1f\x8b\x08", "gunzip");
  expect_refusal("\xff\xfe{", "UTF-16");
  expect_refusal("version https://git-lfs.github.com/spec/v1\n", "git lfs pull");
}

TEST(RecordsTest, HostileNestingAndWidthAreRefused) {
  expect_refusal("{\"a\": " + std::string(100000, '[') + std::string(100000, ']') + "}", "nested");
  std::string wide = "{";
  for (int i = 0; i < 5000; ++i) wide += "\"" + std::to_string(i) + "\":0,";
  expect_refusal(wide + "\"x\":0}", "more than 4096 fields");
  expect_refusal(std::string(5000, ','), "more than 4096 fields");
  expect_refusal(std::string(300, 'a') + "\n1\n", "must name the columns");
}

TEST(RecordsTest, AFileIsReadByItsContentNotItsSuffix) {
  const fs::path path = test::scratch("records") / "rows.csv";
  write_text(path, "{\"a\": \"é\"}\n");
  EXPECT_EQ(read_records(path).at(0).fields["a"], "é");
  EXPECT_THROW(read_records(path.parent_path() / "none.jsonl"), Error);
}

TEST(RecordsTest, AWrittenLineReadsBackAndReplacesWhatIsNoUtf8) {
  const Json object{{"q", "a\nb"}, {"n", {1, 2.5, nullptr}}};
  EXPECT_EQ(parse_records(jsonl_line(object) + jsonl_line(object), "file").at(1).fields, object);
  EXPECT_EQ(jsonl_line({{"a", "x\xff"}}), "{\"a\":\"x\xef\xbf\xbd\"}\n");
}

}  // namespace
}  // namespace ken::io::records_test_file
