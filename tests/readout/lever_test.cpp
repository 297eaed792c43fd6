#include "ken/readout/lever.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/io/tensors.h"

namespace ken::readout::lever_test_file {
namespace {

class LeverTest : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove(path); }
  const fs::path path = fs::temp_directory_path() / "ken-lever-test.safetensors";
};

TEST_F(LeverTest, round_trips) {
  Lever lever{"method",
              "abc",
              {{"layers", {3, 1}}, {"alpha", 2.5}, {"point", "p"}},
              {{"d", at::arange(6).reshape({2, 3}).to(at::kFloat)}}};
  save(lever, path);
  const Lever read = load_lever(path, "method");
  EXPECT_EQ(read.model_sha256, "abc");
  EXPECT_EQ(read.about, lever.about);
  EXPECT_TRUE(at::equal(read.at("d", {2, -1}), lever.tensors["d"]));
  EXPECT_EQ(read.layers(4), (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(read.number("alpha"), 2.5);
  EXPECT_EQ(read.text("point"), "p");
}

TEST_F(LeverTest, what_does_not_fit_is_named) {
  save({"method", "", {{"layers", {3, 3}}, {"n", 7}}, {{"d", at::zeros({2, 3})}}}, path);
  EXPECT_THROW(load_lever(path, "other"), Error);
  const Lever read = load_lever(path, "method");
  EXPECT_THROW(read.at("d", {3, 3}), Error);
  EXPECT_THROW(read.at("d", {2}), Error);
  EXPECT_THROW(read.at("e", {2}), Error);
  EXPECT_THROW(read.layers(8), Error);  // a repeat
  EXPECT_THROW(read.integer("n", 0, 6), Error);
  EXPECT_EQ(read.integer("n", 0, 7), 7);
  EXPECT_THROW(read.number("m"), Error);
  EXPECT_THROW(read.text("n"), Error);
}

TEST_F(LeverTest, numbers_that_are_not_finite_and_other_files_are_refused) {
  save({"method", "", Json::object(), {{"d", at::full({2}, NAN)}}}, path);
  EXPECT_THROW(load_lever(path, "method"), Error);
  io::write_safetensors(path, {{"format", "else"}}, {});
  EXPECT_THROW(load_lever(path, "method"), Error);
}

}  // namespace
}  // namespace ken::readout::lever_test_file
