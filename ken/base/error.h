// Errors say where, which rule, what was found and what to do. The library throws; only cli/ prints and exits.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ken {

// The job failed: exit code 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The call was wrong (a flag, a parameter, a name): exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// fail("gguf", "tensor {} ends at {}, after the file's {} bytes; download it again", ...) throws "[gguf] tensor ...".
template <typename... Args>
[[noreturn]] void fail(std::string_view where, fmt::format_string<Args...> text, Args&&... args) {
  throw Error(fmt::format("[{}] {}", where, fmt::format(text, std::forward<Args>(args)...)));
}
template <typename... Args>
[[noreturn]] void fail_usage(std::string_view where, fmt::format_string<Args...> text, Args&&... args) {
  throw UsageError(fmt::format("[{}] {}", where, fmt::format(text, std::forward<Args>(args)...)));
}

// The names among `known` that are closest to `name` by edit distance, at most three, nearest first.
std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& known);

// "unknown KIND 'NAME'; did you mean A or B? (see `hint`)" as one sentence.
std::string unknown_name(std::string_view kind, std::string_view name, const std::vector<std::string>& known);

}  // namespace ken
