// Command lines cut into words and put together again, without a shell.
#include "ken/base/error.h"
#include "ken/study/batch.h"

namespace ken::study {
namespace {

constexpr std::string_view spaces = " \t\r\n";

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<std::string> run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#' && !inside_) break;
      ++at_;
      if (spaces.find(c) != std::string_view::npos)
        end_word();
      else if (c == '\'' || c == '"')
        quoted(c);
      else
        add(c == '\\' ? escaped() : c);
    }
    end_word();
    return std::move(words_);
  }

 private:
  void add(char c) {
    word_ += c;
    inside_ = true;
  }

  void end_word() {
    if (inside_) words_.push_back(std::move(word_));
    word_.clear();
    inside_ = false;
  }

  char escaped() {
    if (at_ >= text_.size())
      fail_usage("run", "the command '{}' ends in a backslash; write it on one line, or \\\\ for a backslash", text_);
    return text_[at_++];
  }

  // Inside "..." a backslash keeps its meaning before " and \ only, inside '...' nowhere.
  void quoted(char quote) {
    inside_ = true;  // '' is an empty word
    while (at_ < text_.size() && text_[at_] != quote) {
      const char c = text_[at_++];
      const bool special = quote == '"' && c == '\\' && at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\\');
      add(special ? text_[at_++] : c);
    }
    if (at_ >= text_.size()) fail_usage("run", "the command '{}' has an open {}; close the quote", text_, quote);
    ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool inside_ = false;
  std::string word_;
  std::vector<std::string> words_;
};

bool plain_word(std::string_view word) {
  constexpr std::string_view safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  return !word.empty() && word.find_first_not_of(safe) == std::string_view::npos;
}

}  // namespace

std::vector<std::string> split_words(std::string_view text) { return Splitter(text).run(); }

std::string join_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    if (plain_word(word)) {
      text += word;
      continue;
    }
    text += '\'';
    for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += '\'';
  }
  return text;
}

}  // namespace ken::study
