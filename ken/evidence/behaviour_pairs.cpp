#include "ken/evidence/behaviour_pairs.h"

#include "ken/base/error.h"
#include "ken/evidence/instructed.h"
#include "ken/io/records.h"

namespace ken::evidence {

BehaviourPairs behaviour_pairs(const readout::AnalysisInput& input, const std::string& file, size_t most) {
  BehaviourPairs pairs;
  const auto add = [&](const std::string& plus, const std::string& minus, const std::string& group) {
    pairs.positive.push_back({.prompt = plus, .places = {{.name = "last"}}, .chat = input.style.tokens()});
    pairs.negative.push_back({.prompt = minus, .places = {{.name = "last"}}, .chat = input.style.tokens()});
    pairs.groups.push_back(group);
  };
  if (!file.empty()) {
    for (const auto& record : io::read_records(file)) {
      const Json plus = record.fields.value("positive", Json()), minus = record.fields.value("negative", Json());
      if (!plus.is_string() || !minus.is_string())
        fail("vector", "{}:{}: a pair needs the texts 'positive' and 'negative'", file, record.line);
      add(data::pose(input.style, plus.get<std::string>()), data::pose(input.style, minus.get<std::string>()),
          std::to_string(record.line));
    }
  } else {
    for (const auto& item : instructed_cases(input, {}, most))
      add(item.run(Mode::context).prompt, item.run(Mode::memory).prompt, item.item.group);
  }
  if (pairs.groups.size() < 10) fail("vector", "{} pairs are too few; give at least ten", pairs.groups.size());
  return pairs;
}

}  // namespace ken::evidence
