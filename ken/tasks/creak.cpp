// CREAK (Onoe et al., arXiv 2109.01653): true and false claims about entities.
// The paper trains a classifier; here nothing is trained: the claim is put into a prompt and the two verdicts are
// compared by their log-likelihood. `says_true` shows a model that says the same of every claim.
#include "ken/tasks/task.h"

namespace ken::tasks::creak_file {
namespace {

constexpr const char* form = R"(a CREAK record is {"sentence": "...", "label": "true" or "false"})";

std::string prompt_of(std::string pattern, const std::string& claim) {
  const size_t slot = pattern.find("{claim}");
  if (slot == std::string::npos)
    fail_usage("creak", "prompt holds no {{claim}}: '{}'; write a pattern such as 'Claim: {{claim}} Verdict:'",
               pattern);
  return pattern.replace(slot, 7, claim);
}

Items read(const TaskInput& input) {
  Items result;
  const std::string words = input.params.at("words").get<std::string>();
  const size_t slash = words.find('/');
  for (const auto& record : io::read_records(input.file)) {
    const Fields fields(input.file, record, form);
    const Json label = fields.has("label") ? fields.json().at("label") : Json(nullptr);
    const bool truth = label == "true" || label == true;
    if (!truth && label != "false" && label != false)
      fields.refuse("'label' must be true or false, found {}; the published test set has no labels, use dev.json",
                    dumped(label).substr(0, 80));
    Item item{.id = fields.id("ex_id"), .where = fields.where(), .doc = fields.json()};
    item.prompt = prompt_of(input.params.at("prompt").get<std::string>(), fields.text("sentence"));
    item.options = {words.substr(0, slash), words.substr(slash + 1)};
    item.gold = {truth ? 0u : 1u};
    result.items.push_back(std::move(item));
  }
  return result;
}

Json score(const Item& item, const std::vector<evidence::OptionScore>& scores) {
  const size_t best = best_option(scores);
  return {{"acc", best == item.gold[0] ? 1.0 : 0.0}, {"says_true", best == 0 ? 1.0 : 0.0}};
}

const Register<TaskEntry> entry{
    {.card = {.id = "creak",
              .family = "tasks",
              .title = "CREAK",
              .paper = "arXiv 2109.01653",
              .sentence = "Claims about entities that are true or false; the likelier of the two words is the verdict.",
              .params = {{"prompt", "Claim: {claim}\nIs the claim true or false?\nAnswer:", "what the model reads"},
                         {"words",
                          "True/False",
                          "the verdicts that follow the prompt",
                          -1e300,
                          1e300,
                          {"True/False", "true/false", "Yes/No", "yes/no"}}},
              .example = "ken eval creak model.gguf --file dev.json -o eval"},
     .file = "train.json, dev.json or contrast_set.json of the authors (one JSON object a line: sentence, label, ...)",
     .metrics = {{"acc", "the likelier verdict is the claim's label"},
                 {"says_true", "share of claims that are called true", false}},
     .read = read,
     .score = score}};

}  // namespace
}  // namespace ken::tasks::creak_file
