// Parameters against a card, parameters in text, and the names offered for a mistyped one.
#include "ken/base/card.h"

#include <gtest/gtest.h>

#include <limits>

#include "ken/base/error.h"

namespace ken::card_test_file {
namespace {

Card card() {
  Card card{.id = "cad", .family = "steer", .title = "", .paper = "", .sentence = "", .example = ""};
  card.params = {{.name = "alpha", .standard = 0.5, .meaning = "weight of the contrast", .low = 0, .high = 2},
                 {.name = "rank", .standard = 8, .meaning = "rank", .low = 1, .high = 64},
                 {.name = "mode", .standard = "add", .meaning = "operation", .choices = {"add", "ablate"}},
                 {.name = "normed", .standard = false, .meaning = "divide by the norm"}};
  return card;
}

std::string refusal(const Json& given) {
  try {
    resolve_params(card(), given);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(CardTest, GivenParametersReplaceTheDefaultsInTheCardsOrder) {
  EXPECT_EQ(resolve_params(card(), Json::object()).dump(), R"({"alpha":0.5,"rank":8,"mode":"add","normed":false})");
  EXPECT_EQ(resolve_params(card(), {{"mode", "ablate"}, {"alpha", 1}}).dump(),
            R"({"alpha":1,"rank":8,"mode":"ablate","normed":false})");
}

TEST(CardTest, AnUnknownParameterNamesItsNearMatch) {
  EXPECT_NE(refusal({{"alhpa", 1}}).find("did you mean alpha"), std::string::npos);
  EXPECT_NE(refusal({{"zzzzzzzzzz", 1}}).find("known: alpha, rank, mode, normed"), std::string::npos);
}

TEST(CardTest, AValueOfTheWrongTypeRangeOrChoiceIsRefusedByName) {
  for (const Json& given : {Json{{"alpha", 2.5}}, Json{{"alpha", -1}}, Json{{"alpha", "much"}},
                            Json{{"alpha", nullptr}}, Json{{"alpha", std::numeric_limits<double>::quiet_NaN()}}}) {
    EXPECT_NE(refusal(given).find("'alpha'"), std::string::npos) << given;
  }
  EXPECT_NE(refusal({{"rank", 2.5}}).find("'rank'"), std::string::npos);
  EXPECT_NE(refusal({{"mode", "sum"}}).find("add, ablate"), std::string::npos);
  EXPECT_NE(refusal({{"normed", 1}}).find("'normed'"), std::string::npos);
}

TEST(CardTest, NamedParametersAreJsonScalarsOrText) {
  const NamedParams parsed = parse_named_params("cad:alpha=0.5,rank=3,mode=add,on=true,point=blocks.4.x=y");
  EXPECT_EQ(parsed.name, "cad");
  EXPECT_EQ(parsed.params.dump(), R"({"alpha":0.5,"rank":3,"mode":"add","on":true,"point":"blocks.4.x=y"})");
  EXPECT_EQ(parse_named_params("cad").params.dump(), "{}");
  EXPECT_EQ(parse_named_params("cad:").params.dump(), "{}");
  EXPECT_EQ(parse_named_params("cad:a={}").params["a"], "{}") << "structures stay text";
}

TEST(CardTest, TextThatIsNoParameterIsAUsageError) {
  EXPECT_THROW(parse_named_params("cad:alpha"), UsageError);
  EXPECT_THROW(parse_named_params("cad:=1"), UsageError);
}

TEST(CardTest, NearNamesComeNearestFirstAndAtMostThree) {
  const std::vector<std::string> known{"probe", "probes", "prober", "probed", "steer"};
  EXPECT_EQ(near_names("prob", known), (std::vector<std::string>{"probe", "probed", "prober"}));
  EXPECT_TRUE(near_names("xyzzy", known).empty());
  EXPECT_EQ(near_names("stear", known), std::vector<std::string>{"steer"});
  EXPECT_TRUE(near_names(std::string(1 << 20, 'x'), known).empty()) << "a hostile name is cut before it is compared";
}

TEST(CardTest, a_text_that_looks_like_a_number_stays_a_text) {
  Card card{.id = "method", .params = {{"layers", "", "which"}, {"mode", "add", "how", -1e300, 1e300, {"add", "set"}}}};
  EXPECT_EQ(resolve_params(card, parse_named_params("method:layers=3").params)["layers"], "3");
  EXPECT_EQ(resolve_params(card, {{"layers", true}})["layers"], "true");
  EXPECT_THROW(resolve_params(card, {{"layers", Json::array()}}), UsageError);
  EXPECT_THROW(resolve_params(card, {{"mode", 3}}), UsageError);
}

}  // namespace
}  // namespace ken::card_test_file
