// Running the program as a user does, for tests of the command line and of the documents.
#pragma once
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace ken::test {

struct Ran {
  int code;          // exit code, or 128 + the signal
  std::string text;  // stdout, and what the command line sends there
};

inline std::string program() {
  const char* path = std::getenv("KEN_PROGRAM");
  return path ? path : "build/ken";
}

inline Ran shell(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  Ran result{-1, ""};
  std::array<char, 4096> buffer;
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) result.text.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace ken::test
