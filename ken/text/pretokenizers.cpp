// The steps that cut text into words. Nearly all are one: matches of a pattern, and what becomes of them and of the
// text between them.
#include "ken/text/pretokenizers.h"

#include <algorithm>
#include <optional>

#include "ken/text/bytes.h"
#include "ken/text/json_fields.h"
#include "ken/text/pattern.h"

namespace ken::text {
namespace {

struct Span {
  size_t begin, end;
  bool match;
};

enum class Behavior { isolated, removed, merged_with_previous, merged_with_next, contiguous };

Behavior behavior_of(const Json& step, const std::string& standard = "") {
  const std::string name = text_of(step, "behavior", standard);
  if (name == "Isolated") return Behavior::isolated;
  if (name == "Removed") return Behavior::removed;
  if (name == "MergedWithPrevious") return Behavior::merged_with_previous;
  if (name == "MergedWithNext") return Behavior::merged_with_next;
  if (name == "Contiguous") return Behavior::contiguous;
  fail("tokenizer",
       "tokenizer.json: a Split has the behavior '{}'; known are Isolated, Removed, MergedWithPrevious, "
       "MergedWithNext and Contiguous",
       name.substr(0, 80));
}

// The text as matches and what lies between them, without gaps.
std::vector<Span> spans_of(const Pattern& pattern, bool invert, std::string_view text) {
  std::vector<Span> spans;
  size_t done = 0;
  pattern.each(text, [&](size_t begin, size_t end) {
    if (begin > done) spans.push_back({done, begin, invert});
    spans.push_back({begin, end, !invert});
    done = end;
  });
  if (done < text.size()) spans.push_back({done, text.size(), invert});
  return spans;
}

// A match joins what lies before it, unless that is a match, too.
void merge_with_previous(std::vector<Span>& spans) {
  size_t kept = 0;
  bool after_match = false;
  for (const Span& span : spans) {
    const bool joins = span.match && !after_match && kept > 0;
    if (joins) {
      spans[kept - 1].end = span.end;
    } else {
      spans[kept++] = span;
    }
    after_match = span.match;
  }
  spans.resize(kept);
}

void merge_with_next(std::vector<Span>& spans) {
  size_t kept = spans.size();
  bool before_match = false;
  for (size_t i = spans.size(); i-- > 0;) {
    const Span span = spans[i];
    const bool joins = span.match && !before_match && kept < spans.size();
    if (joins) {
      spans[kept].begin = span.begin;
    } else {
      spans[--kept] = span;
    }
    before_match = span.match;
  }
  spans.erase(spans.begin(), spans.begin() + ptrdiff_t(kept));
}

void merge_alike(std::vector<Span>& spans) {
  size_t kept = 0;
  for (const Span& span : spans) {
    if (kept > 0 && spans[kept - 1].match == span.match) {
      spans[kept - 1].end = span.end;
    } else {
      spans[kept++] = span;
    }
  }
  spans.resize(kept);
}

class PatternStep {
 public:
  PatternStep(const std::string& regex, Behavior behavior, bool invert = false)
      : pattern_(std::make_shared<Pattern>(regex)), behavior_(behavior), invert_(invert) {}

  void operator()(const MappedText& text, std::string_view part, const PreTokenizer::Words& word) const {
    std::vector<Span> spans = spans_of(*pattern_, invert_, part);
    if (behavior_ == Behavior::merged_with_previous) merge_with_previous(spans);
    if (behavior_ == Behavior::merged_with_next) merge_with_next(spans);
    if (behavior_ == Behavior::contiguous) merge_alike(spans);
    for (const Span& span : spans)
      if (behavior_ != Behavior::removed || !span.match) word(text, part.substr(span.begin, span.end - span.begin));
  }

 private:
  std::shared_ptr<const Pattern> pattern_;
  Behavior behavior_;
  bool invert_;
};

PatternStep split_step(const Json& step) {
  const Json& pattern = member(step, "pattern");
  const std::string literal = text_of(pattern, "String"), regex = text_of(pattern, "Regex");
  if (literal.empty() && regex.empty()) refuse_step("pre-tokeniser", step);
  return PatternStep(literal.empty() ? regex : Pattern::literal(literal), behavior_of(step), flag_of(step, "invert"));
}

// A prefix before a part that does not begin with it.
MappedText with_prefix(const MappedText& text, std::string_view part, std::string_view prefix) {
  const MappedText cut = text.cut(part);
  Rewriter out(cut);
  if (!part.starts_with(prefix)) out.put(prefix, 0);
  out.keep(0, part.size());
  return out.finish();
}

// Spaces become a mark, and words begin with it. The scheme "first" puts one before the first word of the text only.
class Metaspace {
 public:
  explicit Metaspace(const Json& step)
      : mark_(text_of(step, "replacement", std::string(space_mark))),
        scheme_(text_of(step, "prepend_scheme", flag_of(step, "add_prefix_space", true) ? "always" : "never")) {
    if (mark_.empty() || utf8_length(mark_, 0) != mark_.size()) refuse_step("pre-tokeniser", step);
    if (flag_of(step, "split", true)) split_.emplace(Pattern::literal(mark_), Behavior::merged_with_next);
  }

  void operator()(const MappedText& text, std::string_view part, const PreTokenizer::Words& word) const {
    const bool prefix = scheme_ == "always" || (scheme_ == "first" && text.origin(text.place_of(part)) == 0);
    const MappedText cut = text.cut(part);
    Rewriter out(cut);
    if (prefix && !part.starts_with(' ') && !part.starts_with(mark_)) out.put(mark_, 0);
    for (size_t at = 0; at < part.size();) {
      const size_t space = std::min(part.find(' ', at), part.size());
      out.keep(at, space);
      if (space < part.size()) out.put(mark_, space);
      at = space + 1;
    }
    const MappedText marked = out.finish();
    split_ ? (*split_)(marked, marked.text, word) : word(marked, marked.text);
  }

 private:
  std::string mark_, scheme_;
  std::optional<PatternStep> split_;
};

// Bytes as the characters of the byte alphabet, for steps that follow ByteLevel and see the text so.
void to_alphabet(const MappedText& text, std::string_view part, const PreTokenizer::Words& word) {
  const MappedText cut = text.cut(part);
  Rewriter out(cut);
  for (size_t i = 0; i < part.size(); ++i) out.put(byte_alphabet()[uint8_t(part[i])], i);
  const MappedText spelled = out.finish();
  word(spelled, spelled.text);
}

void from_alphabet(const MappedText& text, std::string_view part, const PreTokenizer::Words& word) {
  const MappedText cut = text.cut(part);
  Rewriter out(cut);
  for (size_t at = 0; at < part.size();) {
    const size_t length = std::max<size_t>(utf8_length(part, at), 1);
    const auto byte = from_byte_alphabet(part.substr(at, length));
    byte ? out.put(*byte, at) : out.keep(at, at + length);
    at += length;
  }
  const MappedText bytes = out.finish();
  word(bytes, bytes.text);
}

// Every `length` characters are a word.
void cut_fixed(const MappedText& text, std::string_view part, size_t length, const PreTokenizer::Words& word) {
  size_t begin = 0, characters = 0;
  for (size_t at = 0; at < part.size();) {
    at += std::max<size_t>(utf8_length(part, at), 1);
    if (++characters % length && at < part.size()) continue;
    word(text, part.substr(begin, at - begin));
    begin = at;
  }
}

}  // namespace

PreTokenizer::PreTokenizer(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) steps_.push_back(PatternStep(pattern, Behavior::isolated));
}

PreTokenizer::PreTokenizer(const Json& step) {
  const std::vector<Json> steps = steps_of(step, "pretokenizers");
  bool spelled = false;
  for (size_t i = 0; i < steps.size(); ++i) {
    add_step(steps[i], i + 1 == steps.size());
    spelled = spelled || (text_of(steps[i], "type") == "ByteLevel" && i + 1 < steps.size());
  }
  if (spelled) steps_.push_back(from_alphabet);
}

void PreTokenizer::add_step(const Json& step, bool last) {
  static const std::string punctuation = R"([\p{P}!-/:-@\[-`{-~])";
  const std::string type = text_of(step, "type");
  if (type == "ByteLevel") {
    if (flag_of(step, "add_prefix_space", true))
      steps_.push_back([](const MappedText& text, std::string_view part, const Words& word) {
        const MappedText prefixed = with_prefix(text, part, " ");
        word(prefixed, prefixed.text);
      });
    if (flag_of(step, "use_regex", true)) steps_.push_back(PatternStep(gpt2_pattern(), Behavior::isolated));
    if (!last) steps_.push_back(to_alphabet);
  } else if (type == "Split") {
    steps_.push_back(split_step(step));
  } else if (type == "Metaspace") {
    steps_.push_back(Metaspace(step));
  } else if (type == "Digits") {
    const bool single = flag_of(step, "individual_digits");
    steps_.push_back(PatternStep(R"(\p{N})", single ? Behavior::isolated : Behavior::contiguous));
  } else if (type == "Punctuation") {
    steps_.push_back(PatternStep(punctuation, behavior_of(step, "Isolated")));
  } else if (type == "Whitespace") {
    steps_.push_back(PatternStep(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+)"
                                 R"(|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\s]+)",
                                 Behavior::removed, true));
  } else if (type == "WhitespaceSplit") {
    steps_.push_back(PatternStep(R"(\s)", Behavior::removed));
  } else if (type == "BertPreTokenizer") {
    steps_.push_back(PatternStep(R"(\s)", Behavior::removed));
    steps_.push_back(PatternStep(punctuation, Behavior::isolated));
  } else if (type == "CharDelimiterSplit" && !text_of(step, "delimiter").empty()) {
    steps_.push_back(PatternStep(Pattern::literal(text_of(step, "delimiter")), Behavior::removed));
  } else if (const Json& length = member(step, "length"); type == "FixedLength" && length.is_number_unsigned()) {
    const size_t characters = std::max<size_t>(length.get<size_t>(), 1);
    steps_.push_back([characters](const MappedText& text, std::string_view part, const Words& word) {
      cut_fixed(text, part, characters, word);
    });
  } else {
    refuse_step("pre-tokeniser", step);
  }
}

void PreTokenizer::split(const MappedText& text, const Words& word) const { split_from(0, text, text.text, word); }

void PreTokenizer::split_from(size_t step, const MappedText& text, std::string_view part, const Words& word) const {
  if (part.empty()) return;
  if (step == steps_.size()) return word(text, part);
  steps_[step](text, part,
               [&](const MappedText& made, std::string_view smaller) { split_from(step + 1, made, smaller, word); });
}

}  // namespace ken::text
