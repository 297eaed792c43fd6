// Two packed passes: greedy answers, then the likeliest tokens.
#include "ken/evidence/known.h"

#include <algorithm>
#include <numeric>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"

namespace ken::evidence {

std::vector<KnownItem> known_items(const readout::AnalysisInput& input, size_t max_items) {
  const std::vector<size_t> order = draw(input.facts.facts.size(), max_items, input.seed);
  std::vector<generate::Request> requests;
  for (const size_t i : order) requests.push_back(closed_book(input.facts.facts[i], input.style));
  const auto answers = greedy_answers(input.model, requests, input.compute);
  std::vector<KnownItem> items;
  std::vector<model::Row> rows;
  for (size_t n = 0; n < order.size(); ++n) {
    const data::Fact& fact = input.facts.facts[order[n]];
    if (answers[n].tokens.empty() || !data::same_answer(answers[n].text, fact.answers)) continue;
    const std::string& prompt = requests[n].prompt.text;
    items.push_back({&fact,
                     prompt,
                     generate::prompt_ids(input.model, prompt, input.style.tokens().get()),
                     {answers[n].tokens.front()}});
    rows.push_back({items.back().tokens});
  }
  if (items.empty())
    fail("known", "none of {} drawn facts is answered rightly; give facts that the model knows", order.size());
  const at::NoGradGuard no_gradients;
  for (size_t first = 0; first < items.size(); first += 128) {
    const std::vector<model::Row> some(rows.begin() + long(first),
                                       rows.begin() + long(std::min(items.size(), first + 128)));
    const at::Tensor best =
        std::get<1>(model::forward(input.model, model::pack(some, input.model.config.vocab), {.compute = input.compute})
                        .logits.topk(2, 1))
            .to(at::kCPU);
    for (size_t i = 0; i < some.size(); ++i) {
      const int32_t a = int32_t(best[int64_t(i)][0].item<int64_t>()), b = int32_t(best[int64_t(i)][1].item<int64_t>());
      items[first + i].answer.other = a == items[first + i].answer.wanted ? b : a;
    }
  }
  return items;
}

void find_partners(std::vector<KnownItem>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].partner = SIZE_MAX;
    for (size_t step = 1; step < items.size() && items[i].partner == SIZE_MAX; ++step) {
      const size_t j = (i + step) % items.size();
      if (items[j].fact->relation == items[i].fact->relation && items[j].tokens.size() == items[i].tokens.size() &&
          items[j].answer.wanted != items[i].answer.wanted)
        items[i].partner = j;
    }
  }
}

// Who is a partner has one, so none loses its own here.
void against_partners(std::vector<KnownItem>& items) {
  find_partners(items);
  std::erase_if(items, [](const KnownItem& item) { return item.partner == SIZE_MAX; });
  if (items.empty())
    fail("known", "no two known facts of a relation have prompts of one length and other answers; give more facts");
  find_partners(items);
  for (KnownItem& item : items) item.answer.other = items[item.partner].answer.wanted;
}

}  // namespace ken::evidence
