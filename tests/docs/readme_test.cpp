// Every command that README.md and docs/quickstart.md show as "$ ..." runs as it stands, and prints what stands below
// it.
#include <gtest/gtest.h>

#include <sstream>

#include "ken/base/files.h"
#include "tests/fixtures.h"
#include "tests/program.h"

namespace ken::readme_test_file {
namespace {

struct Snippet {
  std::string command;
  std::vector<std::string> output;
};

// Lines "$ command" inside ```sh blocks with the lines that follow them; a line "..." stands for any lines.
std::vector<Snippet> snippets(const fs::path& file) {
  std::vector<Snippet> found;
  std::istringstream text(read_text(file));
  bool inside = false, shown = false;  // in a ```sh block; below one of its commands
  for (std::string line; std::getline(text, line);) {
    if (line.rfind("```", 0) == 0) {
      inside = line == "```sh";
      shown = false;
    } else if (inside && line.rfind("$ ", 0) == 0) {
      found.push_back({line.substr(2), {}});
      shown = true;
    } else if (shown && line != "...") {
      found.back().output.push_back(line);
    }
  }
  return found;
}

std::string run(const std::string& command, const fs::path& folder, int& code) {
  const fs::path program = fs::absolute(test::program());
  const auto ran = test::shell("cd '" + folder.string() + "' && PATH='" + program.parent_path().string() +
                               "':$PATH && " + command + " 2>/dev/null");
  code = ran.code;
  return ran.text;
}

TEST(ReadmeTest, every_snippet_runs_and_prints_what_is_shown) {
  const fs::path root = std::getenv("KEN_SOURCE") ? std::getenv("KEN_SOURCE") : ".";
  const auto all = snippets(root / "README.md");
  ASSERT_GE(all.size(), 5u);
  const auto folder = test::scratch("readme");
  for (const auto& snippet : all) {
    int code = 0;
    const std::string text = run(snippet.command, folder, code);
    EXPECT_EQ(code, 0) << snippet.command;
    for (const auto& line : snippet.output)
      EXPECT_NE(text.find(line), std::string::npos) << snippet.command << "\nshould print: " << line << "\nprinted:\n"
                                                    << text;
  }
}

}  // namespace
}  // namespace ken::readme_test_file
