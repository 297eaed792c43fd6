#include "ken/data/notes.h"

#include <algorithm>
#include <cctype>

#include "ken/base/error.h"
#include "ken/base/files.h"
#include "ken/base/select.h"
#include "ken/io/records.h"

namespace ken::data {

std::vector<std::string> read_notes(const std::string& path) {
  const std::string text = read_text(path);
  std::vector<std::string> notes;
  if (const size_t first = text.find_first_not_of(" \n\r\t"); first != std::string::npos && text[first] == '{') {
    for (const auto& record : io::parse_records(text, path)) {
      const auto field = record.fields.find("text");
      if (field == record.fields.end() || !field->is_string())
        fail("notes", "{}:{}: no field \"text\" that holds a note", path, record.line);
      notes.push_back(*field);
    }
  } else {
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      notes.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  std::erase_if(notes, [](const std::string& n) { return n.find_first_not_of(" \r\t") == std::string::npos; });
  if (notes.empty()) fail("notes", "{} holds no note; write one sentence a line, or records with \"text\"", path);
  return notes;
}

std::set<std::string> names_in(const std::string& text, bool question) {
  std::set<std::string> names;
  const auto of_word = [](unsigned char c) { return std::isalnum(c) || c >= 0x80; };
  for (size_t begin = 0, nth = 0; begin < text.size(); ++begin) {
    if (!of_word(text[begin])) continue;
    size_t end = begin;
    while (end < text.size() && of_word(text[end])) ++end;
    if (std::isupper(static_cast<unsigned char>(text[begin])) && !(question && nth == 0))
      names.insert(text.substr(begin, end - begin));
    begin = end, ++nth;
  }
  return names;
}

Notes::Notes(std::vector<std::string> texts) : texts_(std::move(texts)) {
  std::vector<Passage> passages;
  for (const auto& text : texts_) {
    passages.push_back({"", text});
    names_.push_back(names_in(text, false));
  }
  if (!texts_.empty()) index_ = bm25(passages);
}

Notes::Found Notes::nearest(const std::string& question, size_t k, bool names) const {
  const auto wanted = names_in(question, true);
  return search(question, k, {}, [&](size_t note) {
    return !names || std::includes(names_[note].begin(), names_[note].end(), wanted.begin(), wanted.end());
  });
}

Notes::Found Notes::further(const std::string& question, Found found, size_t k, bool names) const {
  std::string query = question;
  std::set<std::string> brought;
  for (const size_t note : found) {
    query += " " + texts_[note];
    brought.insert(names_[note].begin(), names_[note].end());
  }
  for (const auto& name : names_in(question, true)) brought.erase(name);
  const Found more = search(query, k, found, [&](size_t note) {
    return !names || std::any_of(brought.begin(), brought.end(), [&](auto& n) { return names_[note].contains(n); });
  });
  found.insert(found.end(), more.begin(), more.end());
  return found;
}

std::string Notes::joined(const Found& found) const {
  std::string passage;
  for (const size_t note : found) passage += texts_[note] + " ";
  return passage;
}

template <typename Counts>
Notes::Found Notes::search(const std::string& query, size_t k, const Found& but, const Counts& counts) const {
  Found found;
  if (!index_) return found;
  for (const auto& hit : index_->search(query, texts_.size()))
    if (found.size() < k && !is_in(hit.passage, but) && counts(hit.passage)) found.push_back(hit.passage);
  return found;
}

}  // namespace ken::data
