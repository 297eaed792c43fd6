// Every command that README.md and docs/quickstart.md show as "$ ..." runs as it stands, and prints what stands below
// it.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <sstream>

#include "ken/base/files.h"
#include "tests/fixtures.h"

namespace ken {
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
  const fs::path program = fs::absolute(std::getenv("KEN_PROGRAM") ? std::getenv("KEN_PROGRAM") : "build/ken");
  const std::string line = "cd '" + folder.string() + "' && PATH='" + program.parent_path().string() + "':$PATH && " +
                           command + " 2>/dev/null";
  std::FILE* pipe = ::popen(line.c_str(), "r");
  std::string text;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  const int status = ::pclose(pipe);
  code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return text;
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
}  // namespace ken
