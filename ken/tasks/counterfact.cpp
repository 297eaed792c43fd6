// CounterFact (Meng et al., arXiv 2202.05262): facts and their counterfactuals, as records for editing.
// Here it asks what the unedited model knows: target_true against target_new after the prompt. The paper compares mean
// log-likelihoods per token (acc_token); `acc` compares whole texts.
#include "ken/tasks/task.h"

namespace ken::tasks {
namespace {

constexpr const char* form =
    R"(a CounterFact record is {"case_id": 0, "requested_rewrite": {"prompt": "... {} ...", "subject": "...", )"
    R"("target_true": {"str": "..."}, "target_new": {"str": "..."}}})";

std::string prompt_of(const Fields& rewrite) {
  std::string prompt = rewrite.text("prompt");
  const std::string subject = rewrite.text("subject");
  const size_t slot = prompt.find("{}");
  if (slot == std::string::npos) rewrite.refuse("'prompt' has no {{}} for the subject: '{}'", prompt.substr(0, 80));
  return prompt.replace(slot, 2, subject);
}

Items read(const TaskInput& input) {
  Items result;
  for (const auto& record : io::read_records(input.file)) {
    const Fields fields(input.file, record, form), rewrite = fields.object("requested_rewrite");
    Item item{.id = fields.id("case_id"), .where = fields.where()};
    // The record's hundred other prompts are for editing; a row needs the fact alone.
    item.doc = {{"case_id", fields.id("case_id")}, {"requested_rewrite", rewrite.json()}};
    item.prompt = prompt_of(rewrite);
    item.options = {rewrite.object("target_true").text("str"), rewrite.object("target_new").text("str")};
    item.gold = {0};
    result.items.push_back(std::move(item));
  }
  return result;
}

Json score(const Item&, const std::vector<evidence::OptionScore>& scores) {
  const auto per_token = [&](size_t i) { return scores[i].logprob / double(scores[i].tokens); };
  return {{"acc", scores[0].logprob > scores[1].logprob ? 1.0 : 0.0},
          {"acc_token", per_token(0) > per_token(1) ? 1.0 : 0.0},
          {"greedy", scores[0].greedy ? 1.0 : 0.0},
          {"difference", scores[0].logprob - scores[1].logprob}};
}

const Register<TaskEntry> entry{
    {.card = {.id = "counterfact",
              .family = "tasks",
              .title = "CounterFact, what is known before an edit",
              .paper = "arXiv 2202.05262",
              .sentence = "Known facts: is the true object likelier after the prompt than the counterfactual one, and "
                          "by how much.",
              .example = "ken eval counterfact model.gguf --file counterfact.json -o eval"},
     .file = "counterfact.json of the authors (one JSON array), or the same records one a line",
     .metrics = {{"acc", "target_true is likelier than target_new"},
                 {"acc_token", "the same by the mean log-likelihood of a token, as the paper compares"},
                 {"greedy", "target_true is what greedy decoding writes"},
                 {"difference", "log p(target_true) - log p(target_new), in nats"}},
     .read = read,
     .score = score}};

}  // namespace
}  // namespace ken::tasks
