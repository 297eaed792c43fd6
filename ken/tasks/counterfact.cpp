// CounterFact (Meng et al., arXiv 2202.05262): facts and their counterfactuals, as records for editing.
// Here it asks what the unedited model knows: target_true against target_new after the prompt. The paper compares mean
// log-likelihoods per token (acc_token); `acc` compares whole texts.
#include "ken/data/counterfact.h"
#include "ken/tasks/task.h"

namespace ken::tasks::counterfact_file {
namespace {

Items read(const TaskInput& input) {
  Items result;
  for (const auto& record : io::read_records(input.file)) {
    const std::string where = fmt::format("{}:{}", input.file.string(), record.line);
    const data::CounterFact fact = data::read_counterfact(record.fields, where, record.line);
    Item item{.id = fact.id, .where = where};
    // The record's hundred other prompts are for editing; a row needs the fact alone.
    item.doc = {{"case_id", fact.id}, {"requested_rewrite", record.fields.at("requested_rewrite")}};
    item.prompt = fact.beginning;
    item.options = {fact.target_true, fact.target_new};
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
}  // namespace ken::tasks::counterfact_file
