// A comparison in words: findings, a table for a terminal, a page of Markdown.
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "ken/base/error.h"
#include "ken/study/compare.h"
#include "ken/study/study.h"

namespace ken::study {
namespace {

constexpr size_t findings_each = 4;   // of a section
constexpr size_t rows_in_chance = 5;  // of a section or of the paired tests, on a terminal

using Items = std::vector<const Json*>;

bool beyond(const Json& item) { return item.value("beyond_chance", false); }
double size_of(const Json& item) {
  const double difference = std::abs(real(item.at("difference")));
  return std::isnan(difference) ? -1 : difference;
}

// What matters first: beyond chance, then tested, then by the size of the difference.
Items sorted(Items items) {
  const auto key = [](const Json* item) { return std::tuple(beyond(*item), !item->at("p").is_null(), size_of(*item)); };
  std::stable_sort(items.begin(), items.end(), [&](const Json* x, const Json* y) { return key(x) > key(y); });
  return items;
}

std::vector<std::pair<std::string, Items>> by_section(const Json& comparison) {
  std::vector<std::pair<std::string, Items>> sections;
  for (const Json& number : comparison.at("numbers")) {
    const std::string name = number.at("section");
    auto found = std::find_if(sections.begin(), sections.end(), [&](const auto& s) { return s.first == name; });
    if (found == sections.end()) found = sections.insert(sections.end(), {name, {}});
    found->second.push_back(&number);
  }
  for (auto& [name, items] : sections) items = sorted(std::move(items));
  return sections;
}

std::string shown(double value, bool share) {
  if (std::isnan(value)) return "-";
  if (share) return fmt::format("{:.1f} %", 100 * value);
  return std::abs(value) >= 1000 || value == std::floor(value) ? fmt::format("{:.0f}", value)
                                                               : fmt::format("{:.3f}", value);
}

std::string with_interval(const Json& part, bool share) {
  const double low = real(part.at("ci")[0]), high = real(part.at("ci")[1]);
  const std::string value = shown(real(part.at("value")), share);
  if (std::isnan(low) || std::isnan(high)) return value;
  return share ? fmt::format("{} [{:.1f}, {:.1f}]", value, 100 * low, 100 * high)
               : fmt::format("{} [{:.3f}, {:.3f}]", value, low, high);
}

std::string difference_text(const Json& item, bool share) {
  const double difference = real(item.at("difference"));
  if (std::isnan(difference)) return "-";
  if (share) return fmt::format("{:+.1f} points", 100 * difference);
  return difference == std::floor(difference) ? fmt::format("{:+.0f}", difference) : fmt::format("{:+.3f}", difference);
}

std::string p_text(const Json& item) {
  const double p = real(item.value("p_holm", Json()));
  if (std::isnan(p)) return "not tested";
  return p < 0.001 ? "p < 0.001" : fmt::format("p = {:.3f}", p);
}

std::string label_in(const std::string& path) {
  const size_t open = path.find('['), close = path.rfind(']');
  return open == std::string::npos || close == std::string::npos ? "" : path.substr(open + 1, close - open - 1);
}

// "B answers 62 % of the facts seen 1-2 times rightly, A 50 %": for the numbers that most readers come for.
std::string subject_of(const Json& number) {
  const std::string path = number.at("path");
  if (path == "recall.overall") return "of all questions";
  if (path.starts_with("recall.by_exposure[") && path.ends_with(".accuracy")) return "of " + facts_in(label_in(path));
  if (path.starts_with("recall.by_relation[")) return fmt::format("of the facts of the relation {}", label_in(path));
  return "";
}

// Which way is better, for the scores that readers mix up.
std::string direction(const std::string& metric) {
  for (const char* lower : {"aurc", "ece", "brier", "selective_risk"})
    if (metric.starts_with(lower)) return ", lower is better";
  return metric.starts_with("auroc") ? ", higher is better" : "";
}

std::string sentence(const Json& number) {
  const bool share = number.at("share").get<bool>();
  const double difference = real(number.at("difference"));
  const std::string a = shown(real(number.at("a").at("value")), share),
                    b = shown(real(number.at("b").at("value")), share);
  if (const std::string subject = subject_of(number); share && !subject.empty())
    return fmt::format("B answers {:.1f} points {} {} rightly: {} against {}.", 100 * std::abs(difference),
                       difference > 0 ? "more" : "fewer", subject, b, a);
  const std::string metric = number.at("metric").get<std::string>(), side = "share_following_";
  if (share && metric.starts_with(side))
    return fmt::format("B gives {:.1f} points {} answers from {} ({}, {}): {} against {}.", 100 * std::abs(difference),
                       difference > 0 ? "more" : "fewer", metric.substr(side.size()),
                       number.at("section").get<std::string>(), number.at("label").get<std::string>(), b, a);
  return fmt::format("{}, {}: {} in B, {} in A ({}{}).", number.at("section").get<std::string>(),
                     number.at("label").get<std::string>(), b, a, difference_text(number, share), direction(metric));
}

std::string paired_sentence(const Json& pair) {
  if (pair.at("only_a") == 0 && pair.at("only_b") == 0)
    return fmt::format("Of the {} questions that both were asked, both answer the same ones rightly.",
                       pair.at("pairs").get<int64_t>());
  return fmt::format("Of the {} questions that both were asked, only B answers {} rightly and only A {} ({}).",
                     pair.at("pairs").get<int64_t>(), pair.at("only_b").get<int64_t>(),
                     pair.at("only_a").get<int64_t>(),
                     beyond(pair) ? "beyond chance, " + p_text(pair) : "within chance");
}

std::string title(const Json& side) {
  const std::string sha = side.at("model_sha256");
  return fmt::format("{}: {}{}, facts {}, seed {}, {}", side.at("path").get<std::string>(),
                     side.at("model").get<std::string>(), sha.empty() ? "" : " (" + sha.substr(0, 8) + ")",
                     side.at("facts").get<std::string>(), side.at("seed").get<std::string>(),
                     side.at("compute").get<std::string>());
}

// What only one study has: a whole section, an entry of a list or the points of a curve in one line.
std::vector<std::string> grouped(const Json& paths, const Json& numbers) {
  std::set<std::string> shared;
  for (const Json& number : numbers) shared.insert(number.at("section").get<std::string>());
  std::vector<std::pair<std::string, size_t>> groups;
  for (const Json& entry : paths) {
    std::string path = entry;
    const size_t open = path.rfind('['), close = path.rfind(']');
    const std::string section = path.substr(0, path.find_first_of(".["));
    if (!shared.count(section))
      path = section;
    else if (open != std::string::npos && path.find('=', open) < close)
      path.replace(open, close - open + 1, "[...]");
    else if (close != std::string::npos)
      path.resize(close + 1);
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == path; });
    if (found == groups.end())
      groups.emplace_back(path, 1);
    else
      ++found->second;
  }
  std::vector<std::string> lines;
  for (const auto& [path, count] : groups)
    lines.push_back(fmt::format("{} ({} number{})", path, count, count == 1 ? "" : "s"));
  return lines;
}

// The widest label that is shown, so that the columns stand in line.
size_t label_width(const Json& comparison) {
  size_t width = 40;
  for (const char* list : {"numbers", "paired"})
    for (const Json& item : comparison.at(list))
      if (!item.value("curve", false)) width = std::max(width, item.at("label").get_ref<const std::string&>().size());
  return std::min<size_t>(width, 80);
}

std::string text_row(const Json& item, size_t width) {
  const bool share = item.at("share").get<bool>();
  return fmt::format("{} {:<{}} {:>22} {:>22} {:>13}  {}\n", beyond(item) ? "*" : " ",
                     item.at("label").get<std::string>(), width, with_interval(item.at("a"), share),
                     with_interval(item.at("b"), share), difference_text(item, share), p_text(item));
}

// On a terminal: all that is beyond chance, the largest of the rest, and numbers without a test where they differ.
std::string text_section(const std::string& name, const Items& items, size_t width) {
  std::string rows;
  size_t in_chance = 0, shown = 0, equal = 0, curve = 0;
  for (const Json* item : items) {
    if (item->at("curve").get<bool>()) {
      ++curve;
    } else if (!beyond(*item) && !(size_of(*item) > 0)) {
      ++equal;
    } else if (beyond(*item) || item->at("p").is_null() || in_chance++ < rows_in_chance) {
      rows += text_row(*item, width);
      ++shown;
    }
  }
  const size_t more = items.size() - shown - equal - curve;
  std::string rest;
  if (more) rest += fmt::format(", {} more within chance", more);
  if (equal) rest += fmt::format(", {} equal", equal);
  if (curve) rest += fmt::format(", {} points of curves", curve);
  return fmt::format("\n{}\n{}{}", name, rows, rest.empty() ? "" : "  and " + rest.substr(2) + "\n");
}

std::string text_paired(const Json& paired, size_t width) {
  if (paired.empty()) return "";
  Items items;
  for (const Json& pair : paired) items.push_back(&pair);
  std::string text = fmt::format("\n{:<{}} {:>6} {:>7} {:>7} {:>7} {:>7}\n", "the same questions asked twice",
                                 width + 2, "pairs", "both", "only A", "only B", "neither");
  size_t in_chance = 0;
  for (const Json* item : sorted(items)) {
    const Json& pair = *item;
    if (!beyond(pair) && in_chance++ >= rows_in_chance) continue;
    text += fmt::format("{} {:<{}} {:>6} {:>7} {:>7} {:>7} {:>7}  {}\n", beyond(pair) ? "*" : " ",
                        pair.at("label").get<std::string>(), width, pair.at("pairs").get<int64_t>(),
                        pair.at("both").get<int64_t>(), pair.at("only_a").get<int64_t>(),
                        pair.at("only_b").get<int64_t>(), pair.at("neither").get<int64_t>(), p_text(pair));
  }
  if (in_chance > rows_in_chance) text += fmt::format("  and {} more within chance\n", in_chance - rows_in_chance);
  if (paired[0].at("path") != "recall.overall") return text;
  for (const char* side : {"only_a", "only_b"})
    for (const Json& example : paired[0].at("examples").at(side))
      text += fmt::format("  only {} right: {} {} (A: {}; B: {})\n", side == std::string("only_a") ? "A" : "B",
                          example.at("question").get<std::string>(), example.at("gold").get<std::string>(),
                          example.at("a").get<std::string>(), example.at("b").get<std::string>());
  return text;
}

// A cell: neither | nor a line break may end it.
std::string cell(std::string text) {
  std::string safe;
  for (const char c : text) safe += c == '|' ? std::string("\\|") : std::string(1, c == '\n' ? ' ' : c);
  return safe;
}

std::string markdown_section(const std::string& name, const Items& items) {
  std::string text = fmt::format(
      "\n## {}\n\n| | number | A | B | n in A, B | difference | test | p (Holm) |\n"
      "|---|---|---|---|---|---|---|---|\n",
      name);
  for (const Json* item : items) {
    const bool share = item->at("share").get<bool>();
    text +=
        fmt::format("| {} | {} | {} | {} | {}, {} | {} | {} | {} |\n", beyond(*item) ? "**\\***" : "",
                    cell(item->at("label")), with_interval(item->at("a"), share), with_interval(item->at("b"), share),
                    item->at("a").at("n").dump(), item->at("b").at("n").dump(), difference_text(*item, share),
                    item->at("test").is_null() ? "" : item->at("test").get<std::string>(), p_text(*item));
  }
  return text;
}

std::string markdown_paired(const Json& paired) {
  if (paired.empty()) return "";
  std::string text =
      "\n## The same questions asked twice\n\n| | | pairs | both | only A | only B | neither | p (Holm) |\n"
      "|---|---|---|---|---|---|---|---|\n";
  std::string examples;
  for (const Json& pair : paired) {
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", beyond(pair) ? "**\\***" : "",
                        cell(pair.at("label")), pair.at("pairs").dump(), pair.at("both").dump(),
                        pair.at("only_a").dump(), pair.at("only_b").dump(), pair.at("neither").dump(), p_text(pair));
    for (const char* side : {"only_a", "only_b"})
      for (const Json& e : pair.at("examples").at(side))
        examples += fmt::format("| {} | {} | {} | {} | {} | {} |\n", cell(pair.at("label")),
                                side == std::string("only_a") ? "A" : "B", cell(e.at("question")), cell(e.at("gold")),
                                cell(e.at("a")), cell(e.at("b")));
  }
  return text + "\n| examples | only | question | gold | A | B |\n|---|---|---|---|---|---|\n" + examples;
}

std::string lines(const std::vector<std::string>& list, const std::string& head) {
  std::string text;
  for (const std::string& line : list) text += head + line + "\n";
  return text;
}

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> result;
  for (const Json& entry : list) result.push_back((entry.is_string() ? entry : entry.at("text")).get<std::string>());
  return result;
}

}  // namespace

Json compare_findings(const Json& comparison) {
  Json found = Json::array();
  const auto add = [&](const std::string& path, const std::string& text) {
    found.push_back({{"path", path}, {"text", text}});
  };
  const size_t beyond_chance = comparison.at("beyond_chance"), tested = comparison.at("tested");
  add("", tested == 0 ? "The two studies share no number that can be tested."
          : beyond_chance == 0
              ? fmt::format("None of the {} tested numbers differs beyond chance.", tested)
              : fmt::format("{} of {} tested numbers differ beyond chance (Holm, {:.0f} %).", beyond_chance, tested,
                            100 * comparison.at("method").at("alpha").get<double>()));
  const Json& paired = comparison.at("paired");
  if (!paired.empty() && paired[0].at("path") == "recall.overall") add("recall.overall", paired_sentence(paired[0]));
  for (const auto& [name, items] : by_section(comparison)) {
    size_t taken = 0;
    for (const Json* item : items)
      if (beyond(*item) && taken++ < findings_each) add(item->at("path"), sentence(*item));
  }
  return found;
}

std::string compare_text(const Json& comparison) {
  const size_t width = label_width(comparison);
  std::string text = "A  " + title(comparison.at("a")) + "\nB  " + title(comparison.at("b")) + "\n";
  text += lines(texts(comparison.at("warnings")), "!  ");
  text += "\n" + lines(texts(comparison.at("findings")), "- ");
  text += fmt::format("\n  {:<{}} {:>22} {:>22} {:>13}  {}\n", "* = beyond chance", width, "A", "B", "B - A", "Holm");
  for (const auto& [name, items] : by_section(comparison)) text += text_section(name, items, width);
  text += text_paired(comparison.at("paired"), width);
  for (const auto& [key, head] : {std::pair{"only_in_a", "only in A"}, {"only_in_b", "only in B"}})
    if (!comparison.at(key).empty())
      text += fmt::format("\n{}\n", head) + lines(grouped(comparison.at(key), comparison.at("numbers")), "  ");
  return text;
}

std::string compare_markdown(const Json& comparison) {
  std::string text = "# Two studies side by side\n\n- A: " + title(comparison.at("a")) +
                     "\n- B: " + title(comparison.at("b")) + "\n\n";
  text += lines(texts(comparison.at("warnings")), "> **Warning.** ");
  text += "\n" + lines(texts(comparison.at("findings")), "- ");
  for (const auto& [name, items] : by_section(comparison)) text += markdown_section(name, items);
  text += markdown_paired(comparison.at("paired"));
  for (const auto& [key, head] : {std::pair{"only_in_a", "Only in A"}, {"only_in_b", "Only in B"}})
    if (!comparison.at(key).empty())
      text += fmt::format("\n## {}\n\n", head) + lines(grouped(comparison.at(key), comparison.at("numbers")), "- ");
  text += "\n## How it is tested\n\n";
  for (const auto& [name, meaning] : comparison.at("method").items())
    text += fmt::format("- {}: {}\n", name, meaning.is_string() ? meaning.get<std::string>() : meaning.dump());
  return text;
}

}  // namespace ken::study
