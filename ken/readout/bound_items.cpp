#include "ken/readout/bound_items.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/readout/collect.h"
#include "ken/readout/contrast.h"

namespace ken::readout {
namespace {

constexpr size_t refills = 8;  // of an item's pattern, whose mean an ablated head gives

}  // namespace

BoundItems BoundItems::part(size_t begin, size_t end) const {
  const auto cut = [&](const auto& all) {
    return std::decay_t<decltype(all)>(all.begin() + long(begin), all.begin() + long(end));
  };
  std::vector<Prompts> refilled;
  for (const Prompts& prompts : unbound) refilled.push_back(cut(prompts));
  return {cut(base),        cut(moved),         cut(revalued), cut(relabelled), refilled,     cut(right), cut(moved_to),
          cut(revalued_to), cut(relabelled_to), cut(last),     cut(asked),      cut(subject), cut(value)};
}

BoundItems bound_items(const AnalysisInput& input, size_t sentences, size_t most) {
  const auto chat = input.style.tokens();
  const data::Encode encode = [&](const std::string& text) {
    return generate::prompt_ids(input.model, text, chat.get());
  };
  BoundItems items;
  items.unbound.resize(refills);
  for (const auto& set : data::bindings(input.facts, input.style, encode, sentences, refills, input.seed, most)) {
    const std::string prompt = data::ask_binding(input.style, set.base);
    const Located at = locate(input.model, {prompt,
                                            {{"asked", set.base.asked_subject()},
                                             {"subject", set.base.asked_subject(), true},
                                             {"value", set.base.answer(), true},
                                             {"last", ""}},
                                            chat});
    const auto token = [&](const std::string& answer) { return first_answer_token(encode, prompt, at.tokens, answer); };
    const int32_t right = token(set.base.answer()), moved = token(set.base.values[set.moved.asked]),
                  revalued = token(set.revalued.answer());
    if (std::min({right, moved, revalued}) < 0 || *std::min_element(at.rows.begin(), at.rows.end()) < 0 ||
        right == moved || right == revalued)
      continue;
    items.base.push_back(at.tokens);
    for (size_t i = 0; i < refills; ++i)
      items.unbound[i].push_back(encode(data::ask_binding(input.style, set.unbound[i])));
    items.moved.push_back(encode(data::ask_binding(input.style, set.moved)));
    items.revalued.push_back(encode(data::ask_binding(input.style, set.revalued)));
    items.relabelled.push_back(encode(data::ask_binding(input.style, set.relabelled)));
    items.relabelled_to.push_back(moved);
    items.right.push_back(right), items.moved_to.push_back(moved), items.revalued_to.push_back(revalued);
    items.asked.push_back(at.rows[0]), items.subject.push_back(at.rows[1]);
    items.value.push_back(at.rows[2]), items.last.push_back(at.rows[3]);
  }
  if (items.size() < 40)
    fail("bindings",
         "{} passages of {} sentences could be made; give more facts of a relation with statements that hold subject "
         "and answer, or fewer sentences",
         items.size(), sentences);
  return items;
}

}  // namespace ken::readout
