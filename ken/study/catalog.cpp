#include "ken/study/catalog.h"

#include <algorithm>

#include "ken/base/registry.h"
#include "ken/evidence/evidence.h"
#include "ken/generate/control.h"
#include "ken/model/arch.h"
#include "ken/readout/analysis.h"
#include "ken/study/reproduce.h"
#include "ken/tasks/claim.h"
#include "ken/tasks/task.h"

namespace ken::study {
namespace {

template <typename Entry>
void add(std::vector<CatalogEntry>& list, const std::string& kind) {
  for (const Entry* entry : Registry<Entry>::get().all()) list.push_back({&entry->card, kind});
}

std::string params_table(const Card& card) {
  if (card.params.empty()) return "";
  std::string text = "| parameter | default | meaning |\n|---|---|---|\n";
  for (const Param& p : card.params)
    text += fmt::format("| `{}` | `{}` | {} |\n", p.name, p.standard.dump(), p.meaning);
  return text + "\n";
}

std::string figure_cell(const Json& figure) {
  std::string text = fmt::format("{:.3f} ± {:.3f}", figure.at("mean").get<double>(), figure.at("sd").get<double>());
  const std::string unit = figure.at("unit").get<std::string>();
  return unit.empty() ? text : text + " " + unit;
}

std::string bar_cell(const Json& figure) {
  if (figure.at("bar").is_null()) return figure.at("side_effect").get<bool>() ? "side effect" : "";
  return fmt::format("{} {}", figure.at("bar").at("op").get<std::string>(), figure.at("bar").at("value").dump());
}

std::string claim_table(const Json& claim) {
  std::string text = fmt::format("{} Seeds: {}.\n\n| figure | measured (mean ± sd) | bar |\n|---|---|---|\n",
                                 claim.at("holds").get<bool>()
                                     ? "The claim holds."
                                     : "**The claim does not hold**: " + claim.at("reason").get<std::string>() + ".",
                                 claim.at("seeds").size());
  for (const Json& figure : claim.at("figures"))
    text +=
        fmt::format("| {} | {} | {} |\n", figure.at("name").get<std::string>(), figure_cell(figure), bar_cell(figure));
  return text;
}

std::string method_page(const CatalogEntry& entry, const Json& claim) {
  const Card& card = *entry.card;
  std::string text = fmt::format("# {}\n\n`{}` · {} · {} · {}\n\n{}\n\n", card.title, card.id, card.family, entry.kind,
                                 card.paper, card.sentence);
  if (!card.direction.empty()) text += "Direction: " + card.direction + ".\n\n";
  text += params_table(card) + "```sh\n" + card.example + "\n```\n";
  if (!card.null_setting.is_null())
    text += fmt::format("\nThe null setting `{}` changes nothing, bit for bit.\n", card.null_setting.dump());
  text += "\n## Measured\n\n";
  if (claim.is_null()) return text + "No claim has been run yet.\n";
  const auto* stated = Registry<tasks::ClaimEntry>::get().find(card.id);
  if (stated) text += stated->card.sentence + "\n\n";
  return text + claim_table(claim) +
         fmt::format("\nMeasured by `ken reproduce {}` on the model with SHA-256 `{}`.\n", card.id,
                     claim.at("model_sha256").get<std::string>().substr(0, 12));
}

// Architectures and weight formats have no page, benchmarks share one.
bool is_method(const CatalogEntry& entry) {
  return entry.kind != "architecture" && entry.kind != "format" && entry.kind != "task";
}

std::string tasks_page() {
  std::string text =
      "# Benchmarks\n\nGenerated from the cards by `ken methods --write-docs docs`; `ken eval` runs them, and "
      "[eval.md](eval.md) says how.\n";
  for (const auto* task : Registry<tasks::TaskEntry>::get().all()) {
    const Card& card = task->card;
    text += fmt::format("\n## {}\n\n`{}` · {}\n\n{}\n\nReads {}.\n\n| metric | meaning |\n|---|---|\n", card.title,
                        card.id, card.paper, card.sentence, task->file);
    std::vector<tasks::Metric> metrics = task->metrics;
    if (metrics.empty()) {
      metrics = tasks::standard_metrics(true);
      if (!task->open)
        for (auto& metric : tasks::standard_metrics(false)) metrics.push_back(std::move(metric));
    }
    for (const auto& metric : metrics) text += fmt::format("| `{}` | {} |\n", metric.name, metric.meaning);
    text += "\n" + params_table(card) + "```sh\n" + card.example + "\n```\n";
  }
  return text;
}

std::string methods_page(const std::vector<CatalogEntry>& entries) {
  std::string text =
      "# Methods\n\nGenerated from the cards by `ken methods --write-docs docs`.\n\n| method | family | kind | what it "
      "does | paper |\n|---|---|---|---|---|\n";
  for (const auto& entry : entries) {
    const Card& c = *entry.card;
    if (!is_method(entry)) continue;
    text += fmt::format("| [`{}`](methods/{}/{}.md) | {} | {} | {} | {} |\n", c.id, c.family, c.id, c.family,
                        entry.kind, c.sentence, c.paper);
  }
  return text;
}

}  // namespace

std::vector<CatalogEntry> catalog() {
  std::vector<CatalogEntry> list;
  add<generate::ControlEntry>(list, "control");
  add<evidence::EstimatorEntry>(list, "estimator");
  add<readout::AnalysisEntry>(list, "analysis");
  add<model::Arch>(list, "architecture");
  add<quant::Format>(list, "format");
  add<tasks::TaskEntry>(list, "task");
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return std::pair(a.card->family, a.card->id) < std::pair(b.card->family, b.card->id);
  });
  return list;
}

std::vector<CatalogEntry> claims() {
  std::vector<CatalogEntry> list;
  add<tasks::ClaimEntry>(list, "claim");
  return list;
}

Json to_json(const CatalogEntry& entry) {
  const Card& c = *entry.card;
  Json params = Json::array();
  for (const Param& p : c.params) {
    Json param{{"name", p.name}, {"default", p.standard}, {"meaning", p.meaning}};
    if (p.low > -1e299) param["low"] = p.low;
    if (p.high < 1e299) param["high"] = p.high;
    if (!p.choices.empty()) param["choices"] = p.choices;
    params.push_back(param);
  }
  return {{"id", c.id},
          {"family", c.family},
          {"kind", entry.kind},
          {"title", c.title},
          {"paper", c.paper},
          {"sentence", c.sentence},
          {"params", params},
          {"example", c.example},
          {"null_setting", c.null_setting},
          {"direction", c.direction},
          {"needs", c.needs}};
}

std::map<std::string, std::string> pages(const fs::path& docs) {
  std::map<std::string, std::string> result;
  const auto entries = catalog();
  result["methods.md"] = methods_page(entries);
  result["tasks.md"] = tasks_page();
  std::string summary =
      "# Claims\n\nWhat each paper says happens, as an experiment on the shipped model. Generated by `ken methods "
      "--write-docs docs` from `docs/claims/*.json`.\n";
  for (const auto& entry : entries) {
    if (!is_method(entry)) continue;
    const fs::path file = docs / "claims" / (entry.card->id + ".json");
    const Json claim = fs::exists(file) ? Json::parse(read_text(file)) : Json(nullptr);
    result[fmt::format("methods/{}/{}.md", entry.card->family, entry.card->id)] = method_page(entry, claim);
    if (const auto* stated = Registry<tasks::ClaimEntry>::get().find(entry.card->id)) {
      summary += fmt::format("\n## {}\n\n{}\n\n{}", entry.card->title, stated->card.sentence,
                             claim.is_null() ? "Not run yet.\n" : claim_table(claim));
    }
  }
  result["claims.md"] = summary;
  return result;
}

}  // namespace ken::study
