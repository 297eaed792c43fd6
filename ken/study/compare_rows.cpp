// A study read from disk, and the questions that two studies asked alike: who answers which.
#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/stats/compare.h"
#include "ken/study/compare.h"

namespace ken::study {
namespace {

constexpr size_t most_examples = 3;

Json parse_row(std::string_view text, const std::string& place) {
  std::string broken;
  Json json = parse_json(text, &broken);
  if (!broken.empty()) fail("compare", "{}: {}", place, broken);
  return json;
}

Asked asked_from(const Json& row) {
  const auto text = [&](const char* key) { return row.value(key, std::string()); };
  Asked asked;
  asked.stage = text("stage");
  asked.id = text("id");
  asked.question = text("question");
  asked.text = text("context") + '\n' + text("instruction") + '\n' + asked.question;
  asked.gold = text("gold");
  asked.answer = text("answer");
  asked.relation = text("relation");
  asked.kind = text("kind");
  asked.intent = text("intent");
  asked.followed = text("followed");
  asked.exposure = row.value("exposure", int64_t{-1});
  asked.right = row.at("right").get<bool>();
  return asked;
}

// Line by line: the samples of a large study need not be held.
void read_rows(const fs::path& file, StudyData& data) {
  const std::string text = read_text(file);
  size_t number = 0;
  for (size_t at = 0; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string place = fmt::format("{}:{}", file.string(), number + 1);
    const Json row = parse_row(std::string_view(text).substr(at, end - at), place);
    at = end + 1;
    if (!row.is_object()) fail("compare", "{} must be an object, not {}", place, row.type_name());
    const Json stage = row.value("stage", Json());
    try {
      if (stage == "header") data.header = row;
      if (stage == "recall" || stage == "context") data.rows.push_back(asked_from(row));
    } catch (const Json::exception& error) {
      fail("compare", "{} is no row of a study: {}", place, error.what());
    }
  }
}

using Pair = std::pair<const Asked*, const Asked*>;
using Pairs = std::vector<Pair>;

// Rows of equal stage, id and text. An id that stands twice pairs the first time.
Pairs pairs_of(const StudyData& a, const StudyData& b) {
  std::map<std::pair<std::string, std::string>, const Asked*> in_b;
  for (const Asked& asked : b.rows) in_b.try_emplace({asked.stage, asked.id}, &asked);
  Pairs pairs;
  for (const Asked& asked : a.rows) {
    const auto found = in_b.find({asked.stage, asked.id});
    if (found == in_b.end() || found->second->text != asked.text) continue;
    pairs.emplace_back(&asked, found->second);
    in_b.erase(found);
  }
  return pairs;
}

Pairs pairs_where(const Pairs& pairs, const std::function<bool(const Asked&)>& keep) {
  Pairs kept;
  std::copy_if(pairs.begin(), pairs.end(), std::back_inserter(kept), [&](const Pair& p) { return keep(*p.first); });
  return kept;
}

// Evenly spread, so that the examples are no hand-picked ones.
Json paired_examples(const Pairs& pairs) {
  Json list = Json::array();
  const size_t step = std::max<size_t>(1, pairs.size() / most_examples);
  for (size_t i = 0; i < pairs.size() && list.size() < most_examples; i += step) {
    const auto& [a, b] = pairs[i];
    list.push_back({{"id", a->id}, {"question", a->question}, {"gold", a->gold}, {"a", a->answer}, {"b", b->answer}});
  }
  return list;
}

// "1-2", "41+", "0" -> the exposures it covers; another label covers none.
std::optional<std::pair<int64_t, int64_t>> band_of(std::string_view label) {
  int64_t low = 0, high = 0;
  const char* end = label.data() + label.size();
  const auto first = std::from_chars(label.data(), end, low);
  if (first.ec != std::errc() || low < 0) return std::nullopt;
  if (first.ptr == end) return {{low, low}};
  if (*first.ptr == '+' && first.ptr + 1 == end) return {{low, INT64_MAX}};
  const auto second = std::from_chars(first.ptr + 1, end, high);
  if (*first.ptr != '-' || second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return {{low, high}};
}

// The labels of the study's own bands at study[section].by_exposure.
std::vector<std::string> bands(const Json& study, const char* section) {
  std::vector<std::string> labels;
  const Json part = study.value(section, Json());
  const Json list = part.is_object() ? part.value("by_exposure", Json()) : Json();
  for (const Json& entry : list)
    if (entry.is_object() && entry.contains("label") && entry["label"].is_string()) labels.push_back(entry["label"]);
  return labels;
}

class Paired {
 public:
  explicit Paired(const Json& study) : study_(study) {}

  void recall(const Pairs& pairs) {
    const auto right = [](const Asked& asked) { return asked.right; };
    add("recall.overall", "right answers", pairs, right);
    for (const auto& [label, group] : by_band(pairs, "recall"))
      add("recall.by_exposure[" + label + "].accuracy", "right answers, exposure " + label, group, right);
    std::set<std::string> relations;
    for (const auto& [a, b] : pairs) relations.insert(a->relation);
    for (const auto& relation : relations) {
      const std::string label = relation.empty() ? "all" : relation;  // as the study names it
      add("recall.by_relation[" + label + "].accuracy", "right answers, " + label,
          pairs_where(pairs, [&](const Asked& asked) { return asked.relation == relation; }), right);
    }
  }

  void context(const Pairs& pairs) {
    const auto conflicts = [&](const std::string& intent) {
      return pairs_where(pairs, [=](const Asked& a) { return a.kind == "conflict" && a.intent == intent; });
    };
    const Pairs plain = conflicts("none");
    for (const char* side : {"context", "memory", "neither"}) {
      const auto follows = [side](const Asked& asked) { return asked.followed == side; };
      add("", fmt::format("conflict: answers from {}", side), plain, follows);
      for (const auto& [label, group] : by_band(plain, "conflict"))
        add(fmt::format("conflict.by_exposure[{}].{}", label, side),
            fmt::format("conflict: answers from {}, exposure {}", side, label), group, follows);
    }
    // Which facts a model knows differs, so the study's own groups are not the same questions twice; these are.
    for (const char* intent : {"context", "memory"})
      add("", fmt::format("conflict: obeys when told to use the {}", intent), conflicts(intent),
          [intent](const Asked& asked) { return asked.followed == intent; });
    for (const auto& [kind, label] : {std::pair{"agree", "passage agrees"}, {"irrelevant", "passage is irrelevant"}})
      add(fmt::format("conflict.reading[{}].accuracy", label), fmt::format("right answers, {}", label),
          pairs_where(pairs, [kind = kind](const Asked& asked) { return asked.kind == kind; }),
          [](const Asked& asked) { return asked.right; });
  }

  Json result() { return std::move(list_); }

 private:
  std::vector<std::pair<std::string, Pairs>> by_band(const Pairs& pairs, const char* section) const {
    std::vector<std::pair<std::string, Pairs>> groups;
    for (const std::string& label : bands(study_, section))
      if (const auto band = band_of(label))
        groups.emplace_back(label, pairs_where(pairs, [&](const Asked& asked) {
                              return asked.exposure >= band->first && asked.exposure <= band->second;
                            }));
    return groups;
  }

  void add(const std::string& path, const std::string& label, const Pairs& pairs,
           const std::function<bool(const Asked&)>& hit) {
    if (pairs.empty()) return;
    Pairs only_a, only_b;
    int64_t both = 0;
    for (const Pair& pair : pairs) {
      const bool in_a = hit(*pair.first), in_b = hit(*pair.second);
      both += in_a && in_b;
      if (in_a != in_b) (in_a ? only_a : only_b).push_back(pair);
    }
    const auto a = int64_t(only_a.size()), b = int64_t(only_b.size()), n = int64_t(pairs.size());
    list_.push_back({{"path", path},
                     {"label", label},
                     {"pairs", n},
                     {"both", both},
                     {"only_a", a},
                     {"only_b", b},
                     {"neither", n - both - a - b},
                     {"difference", double(b - a) / double(n)},
                     {"test", "McNemar"},
                     {"p", stats::mcnemar_exact(a, b)},
                     {"examples", {{"only_a", paired_examples(only_a)}, {"only_b", paired_examples(only_b)}}}});
  }

  const Json& study_;
  Json list_ = Json::array();
};

}  // namespace

StudyData read_study(const fs::path& path) {
  const bool folder = fs::is_directory(path);
  const fs::path file = folder ? path / "study.json" : path;
  if (!fs::is_regular_file(file))
    fail_usage("compare", "{} is no study{}; name a folder of `ken study` or its study.json", path.string(),
               folder ? ": it holds no study.json" : "");
  StudyData data{path.string(), parse_row(read_text(file), file.string()), nullptr, {}};
  const Json schema = data.study.is_object() ? data.study.value("schema", Json()) : Json();
  if (!schema.is_string() || !schema.get<std::string>().starts_with("ken.study/"))
    fail_usage("compare", "{} is no study: its schema is {}, not ken.study/N; name what `ken study` wrote",
               file.string(), schema.dump());
  const fs::path rows = file.parent_path() / "rows.jsonl";
  if (fs::is_regular_file(rows)) read_rows(rows, data);
  return data;
}

Json compare_rows(const StudyData& a, const StudyData& b) {
  const Pairs pairs = pairs_of(a, b);
  Paired paired(a.study);
  paired.recall(pairs_where(pairs, [](const Asked& asked) { return asked.stage == "recall"; }));
  paired.context(pairs_where(pairs, [](const Asked& asked) { return asked.stage == "context"; }));
  return paired.result();
}

}  // namespace ken::study
