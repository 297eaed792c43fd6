// A rendered chat as token ids. What the template wrote is read with its special tokens; what somebody said is text,
// whatever stands in it: a question that holds "<|im_end|>" does not end its turn.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ken/text/tokenizer.h"

namespace ken::text {

class AddedTokens;

// Said text is guarded before it is rendered: a noncharacter (U+FDD0) before each special token that begins in it, and
// U+FDD0 itself doubled, so that no text is lost. Templates carry a guard along as they carry any character.
class ChatTokens {
 public:
  // Special are the control tokens of the vocabulary, and those user-defined ones that the template's source names.
  ChatTokens(std::shared_ptr<const Tokenizer> tokenizer, const io::Metadata& metadata, std::string_view source);
  ~ChatTokens();
  ChatTokens(const ChatTokens&) = delete;
  ChatTokens& operator=(const ChatTokens&) = delete;

  std::string guard(std::string_view said) const;
  // The text as a reader sees it, without guards.
  static std::string shown(std::string_view guarded);
  // The tokens of a rendered text with guards, and their byte spans in it. No BOS is added: the template wrote it, or
  // wants none. What follows a special token is a text of its own, as in the tokenizer.
  std::vector<Tokenizer::Piece> pieces(std::string_view guarded) const;
  std::vector<int32_t> encode(std::string_view guarded) const;
  // The first special token in a text without guards, if there is one.
  std::optional<int32_t> first_special(std::string_view text) const;

 private:
  struct Chunk;
  void add_text(const Chunk& chunk, std::vector<Tokenizer::Piece>& out) const;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const AddedTokens> special_;
  size_t longest_ = 0;  // bytes of a special token
};

}  // namespace ken::text
