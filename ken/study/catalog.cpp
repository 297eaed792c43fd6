#include "ken/study/catalog.h"

#include <algorithm>
#include <span>
#include <tuple>

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

// What a method is: a Control, an Estimator, an Analysis; or a Control and the Analysis that fits its file.
using Kinds = std::span<const CatalogEntry>;

std::string kinds_of(Kinds entries) {
  std::string text;
  for (const auto& entry : entries) text += (text.empty() ? "" : ", ") + entry.kind;
  return text;
}

std::string method_page(Kinds entries, const Json& claim) {
  const Card& card = *entries.front().card;
  std::string text = fmt::format("# {}\n\n`{}` · {} · {} · {}\n\n{}\n\n", card.title, card.id, card.family,
                                 kinds_of(entries), card.paper, card.sentence);
  if (!card.direction.empty()) text += "Direction: " + card.direction + ".\n\n";
  text += params_table(card) + "```sh\n" + card.example + "\n```\n";
  if (!card.null_setting.is_null())
    text += fmt::format("\nThe null setting `{}` changes nothing, bit for bit.\n", card.null_setting.dump());
  for (const auto& more : entries.subspan(1))
    text += fmt::format("\n## As {} {}\n\n{}\n\n{}```sh\n{}\n```\n", more.kind == "control" ? "a" : "an", more.kind,
                        more.card->sentence, params_table(*more.card), more.card->example);
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

// The entries of each method, which stand side by side in the catalogue.
std::vector<Kinds> methods_of(const std::vector<CatalogEntry>& entries) {
  std::vector<Kinds> methods;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!is_method(entries[i])) continue;
    const bool same = !methods.empty() && methods.back().front().card->id == entries[i].card->id;
    if (same) {
      methods.back() = {methods.back().data(), methods.back().size() + 1};
    } else {
      methods.push_back({&entries[i], 1});
    }
  }
  return methods;
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
  for (const Kinds method : methods_of(entries)) {
    const Card& c = *method.front().card;
    text += fmt::format("| [`{}`](methods/{}/{}.md) | {} | {} | {} | {} |\n", c.id, c.family, c.id, c.family,
                        kinds_of(method), c.sentence, c.paper);
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
    return std::tuple(a.card->family, a.card->id, a.kind != "control") <
           std::tuple(b.card->family, b.card->id, b.kind != "control");
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
  for (const Kinds method : methods_of(entries)) {
    const Card& card = *method.front().card;
    const fs::path file = docs / "claims" / (card.id + ".json");
    const Json claim = fs::exists(file) ? Json::parse(read_text(file)) : Json(nullptr);
    result[fmt::format("methods/{}/{}.md", card.family, card.id)] = method_page(method, claim);
    if (const auto* stated = Registry<tasks::ClaimEntry>::get().find(card.id)) {
      summary += fmt::format("\n## {}\n\n{}\n\n{}", card.title, stated->card.sentence,
                             claim.is_null() ? "Not run yet.\n" : claim_table(claim));
    }
  }
  result["claims.md"] = summary;
  return result;
}

}  // namespace ken::study
