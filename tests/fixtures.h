// Where reference fixtures are found: $KEN_FIXTURES, then ../shared/fixtures beside the checkout. Missing fixtures skip
// a test with a message; under CI=true they fail it.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace ken::test {

inline std::optional<std::filesystem::path> fixture(const std::string& name) {
  namespace fs = std::filesystem;
  if (const char* folder = std::getenv("KEN_FIXTURES"); folder && fs::exists(fs::path(folder) / name))
    return fs::path(folder) / name;
  const char* source = std::getenv("KEN_SOURCE");
  const fs::path beside = fs::path(source ? source : ".") / "../shared/fixtures" / name;
  if (fs::exists(beside)) return beside;
  return std::nullopt;
}

inline bool fixtures_required() {
  const char* ci = std::getenv("CI");
  return ci && std::string(ci) == "true";
}

// A folder of this test's own, emptied before use.
inline std::filesystem::path scratch(const std::string& name) {
  const auto folder = std::filesystem::temp_directory_path() / ("ken-test-" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace ken::test

#define KEN_FIXTURE(variable, name)                                                                      \
  const auto variable##_found = ken::test::fixture(name);                                                \
  if (!variable##_found) {                                                                               \
    if (ken::test::fixtures_required()) FAIL() << "fixture " << name << " is missing; set KEN_FIXTURES"; \
    GTEST_SKIP() << "fixture " << name << " not found; set KEN_FIXTURES to the fixtures folder";         \
  }                                                                                                      \
  const std::filesystem::path variable = *variable##_found
