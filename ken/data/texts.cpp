#include "ken/data/texts.h"

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/io/records.h"

namespace ken::data {
namespace {

Texts texts_from(std::string name, std::vector<std::string> list) {
  const auto shared = std::make_shared<const std::vector<std::string>>(std::move(list));
  return {std::move(name), int64_t(shared->size()), [shared](int64_t i) { return shared->at(size_t(i)); }};
}

std::vector<std::string> paragraphs(const std::string& text) {
  std::vector<std::string> result;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find("\n\n", at), text.size());
    if (text.find_first_not_of(" \n\r\t", at) < end) result.push_back(text.substr(at, end - at));
    at = std::min(text.find_first_not_of('\n', end), text.size());
  }
  return result;
}

}  // namespace

Texts read_texts(const fs::path& path) {
  const std::string text = read_text(path);
  std::vector<std::string> list;
  if (io::holds_records(path, text)) {
    for (const auto& record : io::parse_records(text, path.string())) {
      const auto field = record.fields.find("text");
      if (field == record.fields.end() || !field->is_string())
        fail("texts", "{}:{}: no field \"text\" that holds a text", path.string(), record.line);
      if (!field->get_ref<const std::string&>().empty()) list.push_back(*field);
    }
  } else {
    list = paragraphs(text);
  }
  if (list.empty()) fail("texts", "{} holds no text; give records with \"text\", or plain text", path.string());
  return texts_from(path.string(), std::move(list));
}

Texts texts_about(const FactSet& facts, const PromptStyle& style, uint64_t seed) {
  std::vector<std::string> list;
  const auto add = [&](const std::string& prompt, const std::vector<std::string>& answers) {
    if (!answers.empty()) list.push_back(prompt + " " + answers.front());
  };
  for (const Fact& fact : facts.facts) {
    if (!fact.statement.empty()) list.push_back(fact.statement);
    add(ask(style, {.question = fact.question, .beginning = fact.beginning, .id = fact.id, .subject = fact.subject}),
        fact.answers);
  }
  for (const ContextCase& item : facts.contexts)
    add(ask_with_context(style, item.context, item.instruction,
                         {.question = item.question, .beginning = item.beginning}),
        item.context_answers.empty() ? item.answers : item.context_answers);
  Rng(seed).shuffle(list);
  return texts_from("texts about " + facts.name, std::move(list));
}

}  // namespace ken::data
