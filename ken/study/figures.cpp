#include "ken/study/figures.h"

#include <cmath>
#include <map>

#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "ken/study/sections.h"

namespace ken::study {
namespace {

using Keep = std::function<bool(const Json&)>;

struct World {
  std::map<std::string, const data::Fact*> facts;
  std::map<std::string, Rows> stages;

  // Rows of a stage for which `keep` holds.
  Rows rows(const std::string& stage, const Keep& keep) const {
    const auto found = stages.find(stage);
    return found == stages.end() ? Rows{} : where(found->second, keep);
  }
  // Whatever the record of the row's fact says of a split.
  bool fact_says(const Json& row, const char* key) const {
    const auto found = facts.find(row.value("fact", row.at("id").get<std::string>()));
    return found != facts.end() && found->second->extra.value(key, false);
  }
  bool of_person(const Json& row) const {
    const auto found = facts.find(row.at("id").get<std::string>());
    return found != facts.end() && found->second->extra.contains("seen");
  }
};

Json rate(const Rows& rows, const Keep& hit) {
  return rows.empty() ? Json(nullptr) : share(rows, "share", hit).at("value");
}

bool flag(const Json& row, const char* key) { return row.at("extra").value(key, false); }
bool known(const Json& row) { return row.at("known").get<bool>(); }

void add_recall(const World& w, Json& out) {
  const Rows often = w.rows("recall", [&](const Json& r) { return w.of_person(r) && r.at("exposure") >= 16; });
  const Rows unseen = w.rows("recall", [&](const Json& r) { return w.of_person(r) && !w.fact_says(r, "seen"); });
  const Rows wrong = w.rows("recall", [&](const Json& r) { return w.of_person(r) && !right(r); });
  out["recall_16plus"] = rate(often, right);
  out["recall_0"] = rate(unseen, right);
  out["type_valid"] = rate(wrong, [](const Json& r) { return r.at("right_type").get<bool>(); });
  const auto variant = [&](const char* kind, const Keep& keep) {
    return w.rows("variant", [&](const Json& r) { return r.at("kind") == kind && keep(r); });
  };
  out["reversal_untrained"] =
      rate(variant("reversed", [&](const Json& r) { return known(r) && !w.fact_says(r, "reversed_trained"); }), right);
  const Rows second = variant("second language", [](const Json& r) { return r.at("exposure") >= 16; });
  out["l2_gap"] =
      second.empty() ? Json(nullptr) : Json(rate(second, known).get<double>() - rate(second, right).get<double>());
}

void add_conflict(const World& w, Json& out) {
  const auto follows = [](const char* side) { return [side](const Json& r) { return r.at("followed") == side; }; };
  const auto disputed = [&](const char* intent, const Keep& keep) {
    return w.rows("context", [&](const Json& r) {
      return r.at("kind") == "conflict" && r.at("intent") == intent && flag(r, "seen") && known(r) && keep(r);
    });
  };
  const auto all = [](const Json&) { return true; };
  const auto held_out = [](const Json& r) { return flag(r, "held_out"); };
  out["read_2_distractors"] = rate(
      w.rows("context",
             [](const Json& r) { return r.at("kind") == "reading" && r.at("extra").value("distractors", 0) == 2; }),
      right);
  out["conflict_context"] = rate(disputed("none", all), follows("context"));
  out["conflict_memory"] = rate(disputed("none", all), follows("memory"));
  out["intent_context"] = rate(disputed("context", held_out), follows("context"));
  out["intent_memory"] = rate(disputed("memory", held_out), follows("memory"));
  std::vector<double> exposure, memory;
  for (const Json* r : disputed("none", [](const Json& r) { return flag(r, "person_without_conflicts"); })) {
    exposure.push_back(r->at("exposure").get<double>());
    memory.push_back(r->at("followed") == "memory");
  }
  out["slope_held_out"] = exposure.size() < 3 ? Json(nullptr) : Json(stats::spearman(exposure, memory));
}

void add_certainty(const World& w, Json& out) {
  std::vector<double> scores;
  std::vector<int> labels;
  for (const Json* r : w.rows("recall", [](const Json&) { return true; }))
    scores.push_back(r->at("sequence-probability").get<double>()), labels.push_back(right(*r));
  out["seqprob_auroc"] = stats::auroc(scores, labels);
  out["truefalse_heldout"] =
      rate(w.rows("claim", [](const Json& r) { return known(r) && flag(r, "held_out"); }), right);
}

void add_probes(const readout::AnalysisInput& input, Json& out) {
  for (const char* name :
       {"conflict_probe_best", "conflict_probe_answer", "conflict_probe_embed", "conflict_probe_unknown"})
    out[name] = nullptr;
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "probe-map");
  const auto map = [&](const Json& params) { return entry.run(input, resolve_params(entry.card, params)); };
  try {
    const auto result = map({{"target", "conflict"}, {"judge", "held_out"}});
    const auto& places = result.table.at("positions");
    out["conflict_probe_best"] = result.table.at("best").at("auroc").at("value");
    for (size_t i = 0; i < places.size(); ++i) {
      if (places[i] == "answer")
        out["conflict_probe_answer"] = result.tensors.at("best_of_place")[int64_t(i)].item<double>();
      if (places[i] == "value") out["conflict_probe_embed"] = result.table.at("auroc").at(0).at(i).at("value");
    }
    out["conflict_probe_unknown"] =
        map({{"target", "conflict"}, {"facts", "unknown"}}).table.at("best").at("auroc").at("value");
  } catch (const Error&) {
    // Too few known or unknown facts with passages: the figures stay null.
  }
}

}  // namespace

Json organism_figures(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
                      const std::vector<Json>& rows) {
  World world;
  for (const auto& fact : facts.facts) world.facts.emplace(fact.id, &fact);
  for (const Json& r : rows) world.stages[r.at("stage").get<std::string>()].push_back(&r);
  Json figures = Json::object();
  add_recall(world, figures);
  add_conflict(world, figures);
  add_certainty(world, figures);
  add_probes({model, facts, style}, figures);
  for (auto& [name, value] : figures.items())
    if (value.is_number_float())
      value = std::isfinite(value.get<double>()) ? Json(std::round(value.get<double>() * 1e4) / 1e4) : Json(nullptr);
  return figures;
}

}  // namespace ken::study
