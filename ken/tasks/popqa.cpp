// PopQA (Mallen et al., arXiv 2212.10511): 14,000 questions about entities of every popularity.
// The paper counts an answer as right when it contains an accepted alias: `contains`. It shows 15 worked examples;
// --fewshot N takes the first N items of the file.
#include "ken/data/facts.h"
#include "ken/tasks/task.h"

namespace ken::tasks::popqa_file {
namespace {

Items read(const TaskInput& input) {
  Items result{.stop = input.style.stop, .max_tokens = input.params.at("max_tokens").get<int64_t>()};
  const double most = input.params.at("max_popularity").get<double>();
  for (const auto& fact : data::read_facts(input.file).facts) {
    if (double(fact.exposure) > most) continue;
    Item item{.id = fact.id,
              .where = fmt::format("{}: id {}", input.file.string(), fact.id),
              .doc = data::to_json(fact),
              .prompt = data::ask(input.style, fact.question),
              .answers = fact.answers};
    result.items.push_back(std::move(item));
  }
  return result;
}

const Register<TaskEntry> entry{
    {.card = {.id = "popqa",
              .family = "tasks",
              .title = "PopQA",
              .paper = "arXiv 2212.10511",
              .sentence = "Open questions about entities of every popularity, answered without a passage; an answer is "
                          "compared with all aliases.",
              .params = {{"max_tokens", 16, "the longest answer, in tokens", 1, 1000},
                         {"max_popularity", 1e18,
                          "leave out questions whose subject has more Wikipedia views a month (s_pop)", 0, 1e18}},
              .example = "ken eval popqa model.gguf --file popQA.tsv --limit 1000 --seed 1 -o eval"},
     .file = "the TSV of the authors as it is (question, possible_answers, s_pop, ...)",
     .open = true,
     .styled = true,
     .read = read}};

}  // namespace
}  // namespace ken::tasks::popqa_file
