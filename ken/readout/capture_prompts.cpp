// What is captured: prompts of a file, or of facts.
#include "ken/base/error.h"
#include "ken/io/records.h"
#include "ken/readout/capture.h"

namespace ken::readout {
namespace {

// Where the text ends with its answer (blanks after it do not count), the answer begins there.
size_t answer_at_end(const std::string& text, const std::string& answer) {
  const size_t end = text.find_last_not_of(" \n\r\t") + 1;
  if (answer.empty() || end < answer.size() || text.compare(end - answer.size(), answer.size(), answer) != 0)
    return std::string::npos;
  const size_t begin = end - answer.size(), blank = text.find_last_not_of(' ', begin ? begin - 1 : 0);
  return blank == std::string::npos ? begin : std::min(begin, blank + 1);  // a token takes the blank before it
}

CapturePrompt prompt_of(const io::Record& record, const std::string& where) {
  const auto prompt = record.fields.find("prompt");
  if (prompt == record.fields.end() || !prompt->is_string() || prompt->get_ref<const std::string&>().empty())
    fail("cache", "{}:{}: no field \"prompt\" that holds a text; facts are given with --facts", where, record.line);
  CapturePrompt result{std::to_string(record.line), *prompt};
  for (const auto& [name, value] : record.fields.items())
    if (value.is_string() && name != "prompt" && name != "id") result.words[name] = value;
  if (const auto id = record.fields.find("id"); id != record.fields.end() && !id->is_null())
    result.id = id->is_string() ? id->get<std::string>() : id->dump();
  if (result.words.count("answer")) result.answer = answer_at_end(result.text, result.words["answer"]);
  return result;
}

std::vector<CapturePrompt> lines_of(const std::string& text) {
  std::vector<CapturePrompt> result;
  for (size_t at = 0, line = 1; at < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string prompt = text.substr(at, end - at);
    if (!prompt.empty() && prompt.back() == '\r') prompt.pop_back();
    if (prompt.find_first_not_of(" \t") != std::string::npos) result.push_back({std::to_string(line), prompt});
    at = end + 1;
  }
  return result;
}

}  // namespace

std::vector<CapturePrompt> read_prompts(const fs::path& path) {
  const std::string text = read_text(path);
  std::vector<CapturePrompt> result;
  if (io::holds_records(path, text)) {
    for (const auto& record : io::parse_records(text, path.string()))
      result.push_back(prompt_of(record, path.string()));
  } else {
    result = lines_of(text);
  }
  if (result.empty())
    fail("cache", "{} holds no prompt; give records with \"prompt\", or a prompt a line", path.string());
  return result;
}

std::vector<CapturePrompt> prompts_of(const data::FactSet& facts, const data::PromptStyle& style, bool with_answer) {
  std::vector<CapturePrompt> result;
  for (const data::Fact& fact : facts.facts) {
    CapturePrompt prompt{
        fact.id, data::ask(style, data::Asked{fact.question, fact.beginning, fact.id, fact.subject, fact.group})};
    prompt.chat = style.tokens();
    const std::string& asked = fact.question.empty() ? fact.beginning : fact.question;
    if (const size_t at = prompt.text.rfind(asked); at != std::string::npos) prompt.from = at;  // after the examples
    prompt.words = {{"subject", fact.subject}, {"question", fact.question}, {"relation", fact.relation}};
    if (with_answer && !fact.answers.empty()) {
      prompt.answer = prompt.text.size();
      const bool blank = !style.chat && !prompt.text.ends_with(' ');
      prompt.text += (blank ? " " : "") + (style.chat ? style.tokens()->guard(fact.answers[0]) : fact.answers[0]);
    }
    result.push_back(std::move(prompt));
  }
  return result;
}

}  // namespace ken::readout
