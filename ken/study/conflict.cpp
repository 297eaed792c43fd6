// What happens when a passage and memory disagree.
#include <map>

#include "ken/base/error.h"
#include "ken/study/sections.h"

namespace ken::study {
namespace {

Json follow(const std::string& label, const Rows& rows) {
  Json result{{"label", label}};
  for (const char* side : {"context", "memory", "neither"})
    result[side] =
        share(rows, std::string("share_following_") + side, [side](const Json& r) { return r.at("followed") == side; });
  return result;
}

void add_follow(Json& list, const std::string& label, const Rows& rows) {
  if (rows.empty()) return;
  Json row = follow(label, rows);
  row["examples"] = examples(rows, 2, [](const Json& r) { return r.at("followed").get<std::string>(); });
  list.push_back(std::move(row));
}

}  // namespace

Json conflict_section(const Rows& rows, const Bands& bands) {
  if (rows.empty()) return nullptr;
  const auto is = [](const char* key, const char* value) { return [=](const Json& r) { return r.at(key) == value; }; };
  const Rows conflicts = where(rows, is("kind", "conflict")), plain_conflicts = where(conflicts, is("intent", "none"));
  const Rows known = where(plain_conflicts, [](const Json& r) { return r.at("known").get<bool>(); });
  Json section{{"groups", Json::array()},
               {"by_exposure", Json::array()},
               {"by_intent", Json::array()},
               {"reading", Json::array()}};
  add_follow(section["groups"], "known facts", known);
  add_follow(section["groups"], "unknown facts",
             where(plain_conflicts, [](const Json& r) { return !r.at("known").get<bool>(); }));
  for (const auto& [label, group] : by_exposure(plain_conflicts, bands))
    add_follow(section["by_exposure"], label, group);
  const auto intent = [&](const char* name) {
    return where(conflicts, [=](const Json& r) { return r.at("intent") == name && r.at("known").get<bool>(); });
  };
  add_follow(section["by_intent"], "no instruction", intent("none"));
  add_follow(section["by_intent"], "use the context", intent("context"));
  add_follow(section["by_intent"], "use memory", intent("memory"));
  std::map<std::string, Rows> reading;
  for (const Json* r : where(rows, is("kind", "reading"))) {
    const int64_t n = r->at("extra").value("distractors", int64_t{0});
    reading[n == 0 ? "no distractor" : n == 1 ? "1 distractor" : fmt::format("{} distractors", n)].push_back(r);
  }
  for (const char* label : {"agree", "irrelevant"})
    if (const Rows group = where(rows, is("kind", label)); !group.empty())
      reading[std::string(label) == "agree" ? "passage agrees" : "passage is irrelevant"] = group;
  const char* order[] = {"no distractor", "1 distractor", "2 distractors", "passage agrees", "passage is irrelevant"};
  for (const char* label : order)
    if (reading.count(label))
      section["reading"].push_back({{"label", label},
                                    {"accuracy", share(reading[label], "accuracy", right)},
                                    {"examples", examples(reading[label], 3, right_or_wrong)}});
  section["examples"] = examples(plain_conflicts, 4, [](const Json& r) { return r.at("followed").get<std::string>(); });
  return section;
}

}  // namespace ken::study
