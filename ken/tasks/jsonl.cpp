// Questions of one's own, in records: open ones, or with options to choose from.
//   {"question", "answer" | "answers", "context"?}            an answer is generated and compared
//   {"question", "choices" | "options", "answer"}             the likeliest option is the choice
// The question is put in the model's own style; an option goes on where the prompt ends.
#include <charconv>

#include "ken/tasks/task.h"

namespace ken::tasks::jsonl_file {
namespace {

constexpr const char* form =
    R"(a record is {"question": "...", "answer": "..."} or {"question": "...", "choices": ["...", "..."], )"
    R"("answer": an index from 0, a letter or the text})";

// The option that `answer` names: by its text, else by a letter, else by a number that counts from 0.
size_t option_named(const Fields& fields, const std::string& answer, const std::vector<std::string>& options) {
  const auto same = std::find(options.begin(), options.end(), answer);
  if (same != options.end()) return size_t(same - options.begin());
  size_t index = options.size();
  if (answer.size() == 1 && std::isalpha(static_cast<unsigned char>(answer[0]))) {
    index = size_t(std::toupper(static_cast<unsigned char>(answer[0])) - 'A');
  } else {
    const auto [end, error] = std::from_chars(answer.data(), answer.data() + answer.size(), index);
    if (error != std::errc() || end != answer.data() + answer.size()) index = options.size();
  }
  if (index < options.size()) return index;
  fields.refuse("the answer '{}' is none of the {} options", answer.substr(0, 80), options.size());
}

void read_choice(const Fields& fields, const data::PromptStyle& style, Item& item) {
  item.options = fields.texts(fields.has("choices") ? "choices" : "options");
  if (item.options.size() < 2) fields.refuse("there is one option only");
  // An index is meant as an index even where an option reads "1".
  const Json& answer = fields.has("answer") ? fields.json()["answer"] : Json(nullptr);
  if (answer.is_number_integer()) {
    if (answer < 0 || answer >= item.options.size())
      fields.refuse("the answer {} is no index of {} options; they count from 0", answer.dump(), item.options.size());
    item.gold = {answer.get<size_t>()};
  } else {
    item.gold = {option_named(fields, fields.text("answer"), item.options)};
  }
  item.prompt = fields.has("context")
                    ? data::ask_with_context(style, fields.text("context"), "", fields.text("question"))
                    : data::ask(style, fields.text("question"));
}

void read_open(const Fields& fields, const data::PromptStyle& style, Item& item) {
  item.answers = fields.texts(fields.has("answers") ? "answers" : "answer");
  item.prompt = data::ask(style, fields.text("question"));
  if (!fields.has("context")) return;
  item.without_context = item.prompt;
  item.prompt = data::ask_with_context(style, fields.text("context"), "", fields.text("question"));
}

Items read(const TaskInput& input) {
  Items result{.stop = input.style.stop, .max_tokens = input.params.at("max_tokens").get<int64_t>()};
  for (const auto& record : io::read_records(input.file)) {
    const Fields fields(input.file, record, form);
    const bool choice = fields.has("choices") || fields.has("options");
    if (!result.items.empty() && choice == result.items[0].options.empty())
      fields.refuse("this record has {}options, the first one {}; put the two kinds into two files",
                    choice ? "" : "no ", choice ? "has none" : "has some");
    Item item{.id = fields.id("id"), .where = fields.where(), .doc = fields.json()};
    (choice ? read_choice : read_open)(fields, input.style, item);
    result.items.push_back(std::move(item));
  }
  return result;
}

const Register<TaskEntry> entry{
    {.card = {.id = "jsonl",
              .family = "tasks",
              .title = "Questions of your own",
              .paper = "no paper",
              .sentence = "Records with a question and its answers, or with options of which one is right.",
              .params = {{"max_tokens", 16, "the longest open answer, in tokens", 1, 100000}},
              .example = "ken eval jsonl --file questions.jsonl -o eval"},
     .file = "JSONL, a JSON array, CSV or TSV with question and answer, answers, or choices and answer",
     .styled = true,
     .read = read}};

}  // namespace
}  // namespace ken::tasks::jsonl_file
