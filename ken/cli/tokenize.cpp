// ken tokenize: text on stdin, ids on stdout, one line for each input line (or part between separators).
#include <fmt/ranges.h>

#include <iostream>
#include <iterator>

#include "ken/cli/command.h"
#include "ken/text/tokenizer_files.h"

namespace ken::cli::tokenize_file {
namespace {

struct Flags {
  std::string model, separator;
  bool special = false, decode = false;
};

// \n, \t, \r, \0, \\ and \xHH as a shell user writes them.
std::string unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    const bool hex = c == 'x' && i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) &&
                     std::isxdigit(static_cast<unsigned char>(text[i + 2]));
    if (hex) {
      out += char(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == '0' ? '\0' : c;
    }
  }
  return out;
}

void run(const Flags& flags) {
  const fs::path path = flags.model;
  const bool file = !flags.model.empty() && flags.model != "almanac";
  if (file && !fs::exists(path)) fail_usage("tokenize", "{} is no file", flags.model);
  const auto metadata = [&] {
    return text::is_tokenizer_path(path) ? text::tokenizer_metadata(path) : io::open_tensors(path)->metadata;
  };
  const auto tokenizer = file ? text::tokenizer_from_gguf(metadata()) : open_model("")->tokenizer;
  std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  const std::string separator = flags.separator.empty() ? "\n" : unescape(flags.separator);
  std::string out;
  for (size_t at = 0; at < input.size();) {
    const size_t end = std::min(input.find(separator, at), input.size());
    out += fmt::format("{}\n",
                       fmt::join(tokenizer->encode(std::string_view(input).substr(at, end - at), flags.special), " "));
    at = end + separator.size();
  }
  print(out);
}

void add(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model,
                 "a GGUF file (vocabulary is enough), a folder with tokenizer.json or tokenizer.model, one of these "
                 "files, or 'almanac'")
      ->required();
  app.add_option("--separator", flags.separator,
                 "split the input here instead of at line ends; \\n and \\xHH are understood");
  app.add_flag("--special", flags.special, "read special tokens in the text as such");
}

const Register<Command> entry{command("tokenize", 70, add, run,
                                      "Print the token ids of stdin, one line of ids a line of text.",
                                      "echo 'Q: where' | ken tokenize almanac")};

}  // namespace
}  // namespace ken::cli::tokenize_file
