// Numbers matched by path and label, tested, and corrected for how many were tested.
#include "ken/study/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/stats/compare.h"
#include "ken/stats/finite.h"
#include "ken/stats/stats.h"

namespace ken::study {
namespace {

constexpr double alpha = 0.05;
constexpr int64_t fewest = 20;  // a bootstrap of fewer items is too narrow: of two equal ones it has no width at all

struct Found {
  std::string path, label;  // "recall.by_exposure[1-2].accuracy", "by exposure 1-2, accuracy"
  const Json* number;
  bool point;  // of a curve whose entries have no label
};

bool is_number(const Json& value) {
  return value.is_object() && value.contains("value") && value.contains("n") && value.contains("ci") &&
         value.contains("metric");
}

// Every number in a study, in its order. Examples and findings repeat what rows and numbers say.
class Finder {
 public:
  std::vector<Found> run(const Json& study) {
    for (const auto& [key, value] : study.items()) walk(value, study, {key, "", false});
    return std::move(found_);
  }

 private:
  struct Place {
    std::string path, label;
    bool point;
    Place key(const std::string& name) const {
      std::string words = name;
      std::replace(words.begin(), words.end(), '_', ' ');
      return {path + "." + name, label.empty() ? words : label + ", " + words, point};
    }
    Place entry(const std::string& name, bool of_curve) const {
      return {path + "[" + name + "]", label.empty() ? name : label + " " + name, point || of_curve};
    }
  };

  void walk(const Json& value, const Json& parent, const Place& place) {
    if (is_number(value)) {
      add(value, place);
    } else if (value.is_object()) {
      for (const auto& [key, part] : value.items())
        if (key != "examples" && key != "findings") walk(part, value, place.key(key));
    } else if (value.is_array()) {
      walk_list(value, parent, place, 0);
    }
  }

  void add(const Json& number, const Place& place) {
    const size_t times = ++taken_[place.path];
    const std::string suffix = times == 1 ? "" : fmt::format(" #{}", times);  // two entries with one label
    found_.push_back({place.path + suffix, place.label + suffix, &number, place.point});
  }

  void walk_list(const Json& list, const Json& parent, const Place& place, size_t depth) {
    const std::vector<std::string> names = axis(parent, list.size(), depth);
    for (size_t i = 0; i < list.size(); ++i) {
      const Json& entry = list[i];
      if (entry.is_object() && !is_number(entry)) {
        const auto [name, of_curve] = name_of(entry, i);
        walk(entry, parent, place.entry(name, of_curve));
      } else if (entry.is_structured()) {
        const Place inner = place.entry(names.empty() ? fmt::format("#{}", i + 1) : names[i], false);
        if (entry.is_array())
          walk_list(entry, parent, inner, depth + 1);
        else
          walk(entry, parent, inner);
      }
    }
  }

  // The label of a list's entry; of a point of a curve its first number, which is the x of the curve.
  static std::pair<std::string, bool> name_of(const Json& entry, size_t i) {
    for (const char* key : {"id", "label", "setting", "name", "title"})
      if (entry.contains(key) && entry[key].is_string()) return {entry[key].get<std::string>(), false};
    for (const auto& [key, value] : entry.items())
      if (is_number(value) && value.at("value").is_number())
        return {fmt::format("{}={:.2f}", key, value.at("value").get<double>()), true};
    return {fmt::format("#{}", i + 1), true};
  }

  // The names of a table's rows (depth 0) or columns (1): lists of texts beside it, of the right length, the last
  // first.
  static std::vector<std::string> axis(const Json& parent, size_t size, size_t depth) {
    if (!parent.is_object()) return {};
    std::vector<const Json*> lists;
    for (const auto& [key, value] : parent.items()) {
      const bool texts = value.is_array() && !value.empty() &&
                         std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_string(); });
      if (texts) lists.insert(lists.begin(), &value);
    }
    for (size_t i = 0; i < lists.size(); ++i)
      if (i >= depth && lists[i]->size() == size) return lists[i]->get<std::vector<std::string>>();
    return {};
  }

  std::vector<Found> found_;
  std::map<std::string, size_t> taken_;
};

// A proportion is one whose interval is Wilson's of hits out of n: studies do not say which numbers are proportions.
bool is_proportion(const Json& number) {
  const double value = real(number.at("value")), hits = value * real(number.at("n"));
  if (!(value >= 0 && value <= 1) || !(std::abs(hits - std::round(hits)) < 1e-6)) return false;
  const auto wilson = stats::proportion(std::llround(hits), number.at("n").get<int64_t>(), "");
  return std::abs(wilson.low - real(number.at("ci")[0])) < 1e-6 &&
         std::abs(wilson.high - real(number.at("ci")[1])) < 1e-6;
}

void check_number(const Json& number, const std::string& file, const std::string& path) {
  const auto fits = [](const Json& value) { return value.is_number() || value.is_null(); };
  const Json &ci = number.at("ci"), &n = number.at("n");
  // A bound on n bounds what an exact test of a hostile file can cost.
  const bool counted = n.is_number_integer() && n >= 0 && n <= int64_t{1} << 40;
  if (!counted || !fits(number.at("value")) || !number.at("metric").is_string() || !ci.is_array() || ci.size() != 2 ||
      !fits(ci[0]) || !fits(ci[1]))
    fail("compare", "{}: {} is no number as docs/study.schema.json defines it: {}; write the study again", file, path,
         number.dump());
}

// The p-value of a pair and the name of its test; NaN where there is nothing to test.
std::pair<double, const char*> tested(const Json& a, const Json& b, bool point) {
  if (point || a.at("metric") != b.at("metric")) return {NAN, ""};
  const stats::Estimate ea{real(a.at("value")), real(a.at("ci")[0]), real(a.at("ci")[1])},
      eb{real(b.at("value")), real(b.at("ci")[0]), real(b.at("ci")[1])};
  if (is_proportion(a) && is_proportion(b)) {
    const auto hits = [](const Json& n) { return std::llround(real(n.at("value")) * real(n.at("n"))); };
    return {stats::two_proportions(hits(a), a.at("n"), hits(b), b.at("n")), "two proportions"};
  }
  if (std::min(a.at("n").get<int64_t>(), b.at("n").get<int64_t>()) < fewest) return {NAN, ""};
  return {stats::from_intervals(ea, eb), "intervals"};
}

Json matched(const Found& a, const Found& b) {
  const auto [p, test] = tested(*a.number, *b.number, a.point);
  const auto part = [](const Json& number) {
    return Json{{"value", number.at("value")}, {"n", number.at("n")}, {"ci", number.at("ci")}};
  };
  const bool same_metric = a.number->at("metric") == b.number->at("metric");
  return {{"path", a.path},
          {"section", a.path.substr(0, a.path.find_first_of(".["))},
          {"label", a.label},
          {"metric", same_metric ? a.number->at("metric") : Json(nullptr)},
          {"a", part(*a.number)},
          {"b", part(*b.number)},
          {"difference",
           same_metric ? stats::finite_or_null(real(b.number->at("value")) - real(a.number->at("value"))) : Json()},
          {"share", is_proportion(*a.number) && is_proportion(*b.number)},
          {"curve", a.point},
          {"test", std::isnan(p) ? Json(nullptr) : Json(test)},
          {"p", stats::finite_or_null(p)}};
}

// A number measured on exactly the questions that were paired gets the paired test, which sees more.
void take_paired_tests(Json& numbers, Json& paired) {
  std::map<std::string, Json*> by_path;
  for (Json& number : numbers) by_path[number.at("path")] = &number;
  for (Json& pair : paired) {
    pair["in_numbers"] = false;
    const auto found = by_path.find(pair.at("path"));
    if (found == by_path.end()) continue;
    Json& number = *found->second;
    if (number.at("metric").is_null() || number.at("a").at("n") != pair.at("pairs") ||
        number.at("b").at("n") != pair.at("pairs"))
      continue;
    number["test"] = "McNemar";
    number["p"] = pair.at("p");
    pair["in_numbers"] = true;
  }
}

// One family of tests: each number once, and the paired ones that no number stands for.
void correct(Json& comparison) {
  std::vector<Json*> family;
  std::vector<double> p;
  for (const char* list : {"numbers", "paired"}) {
    for (Json& item : comparison[list]) {
      if (item.value("in_numbers", false)) continue;
      family.push_back(&item);
      p.push_back(real(item.at("p")));
    }
  }
  const auto adjusted = stats::holm(p);
  std::map<std::string, const Json*> by_path;
  size_t beyond = 0, count = 0;
  for (size_t i = 0; i < family.size(); ++i) {
    Json& item = *family[i];
    item["p_holm"] = stats::finite_or_null(adjusted[i]);
    item["beyond_chance"] = adjusted[i] < alpha;
    beyond += adjusted[i] < alpha;
    count += !std::isnan(adjusted[i]);
    by_path.emplace(item.at("path"), &item);
  }
  for (Json& item : comparison["paired"]) {
    if (!item.at("in_numbers").get<bool>()) continue;
    item["p_holm"] = by_path.at(item.at("path"))->at("p_holm");
    item["beyond_chance"] = by_path.at(item.at("path"))->at("beyond_chance");
  }
  comparison["tested"] = count;
  comparison["beyond_chance"] = beyond;
}

// The text at `key` of a part of the study; a study may lack either.
std::string text_at(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

Json about(const StudyData& data) {
  const Json model = data.study.value("model", Json()), facts = data.study.value("facts", Json());
  return {{"path", data.path},
          {"model", text_at(model, "name")},
          {"model_sha256", text_at(model, "sha256")},
          {"compute", text_at(model, "compute")},
          {"facts", text_at(facts, "name")},
          {"facts_source", text_at(facts, "source")},
          {"facts_sha256", text_at(data.header, "facts")},
          {"seed", text_at(data.study, "seed")},
          {"samples", data.header.is_object() ? data.header.value("samples", Json()) : Json()}};
}

Json warnings(const StudyData& a, const StudyData& b, const Json& about_a, const Json& about_b, const Json& numbers) {
  Json list = Json::array();
  const auto differ = [&](const char* key) { return about_a.at(key) != about_b.at(key); };
  const auto both = [&](const char* key) {
    return fmt::format("{} and {}", about_a.at(key).dump(), about_b.at(key).dump());
  };
  const bool hashes = about_a.at("facts_sha256") != "" && about_b.at("facts_sha256") != "";
  if (hashes ? differ("facts_sha256") : differ("facts") || differ("facts_source"))
    list.push_back(fmt::format("The facts differ ({}): a difference may come from the questions, not from the models.",
                               differ("facts") ? both("facts") : "the same name, other contents"));
  if (differ("seed"))
    list.push_back(
        fmt::format("The seeds differ ({}): samples, folds and intervals were drawn differently.", both("seed")));
  if (differ("compute"))
    list.push_back(
        fmt::format("The arithmetic differs ({}): answers at the margin may come from it.", both("compute")));
  if (!about_a.at("samples").is_null() && !about_b.at("samples").is_null() && differ("samples"))
    list.push_back(fmt::format("The samples a question differ ({}): scores that use them do too.", both("samples")));
  if (!differ("model_sha256"))
    list.push_back(
        "Both studies are of the same model: what differs comes from the facts, the seed or the arithmetic.");
  if (a.study.at("schema") != b.study.at("schema"))
    list.push_back(fmt::format("The schemas differ ({} and {}): a number of one name may have two meanings.",
                               a.study.at("schema").dump(), b.study.at("schema").dump()));
  const auto other =
      std::count_if(numbers.begin(), numbers.end(), [](const Json& n) { return n.at("metric").is_null(); });
  if (other) list.push_back(fmt::format("{} numbers have another metric in B and are not tested.", other));
  return list;
}

Json method() {
  return {{"alpha", alpha},
          {"correction", "Holm, over all tested numbers"},
          {"two proportions",
           "shares of independent questions: chi-squared with N - 1, Fisher's exact test where an expected count is "
           "under 1"},
          {"intervals", "the difference over its standard error, from the halves of the two 95 % intervals that face"},
          {"McNemar", "the same questions asked twice: exact binomial test on those that only one of the two gets"}};
}

}  // namespace

Json compare(const StudyData& a, const StudyData& b) {
  const auto in_a = Finder().run(a.study), in_b = Finder().run(b.study);
  std::map<std::string, const Found*> by_path;
  for (const Found& found : in_b) {
    check_number(*found.number, b.path, found.path);
    by_path[found.path] = &found;
  }
  Json numbers = Json::array(), only_a = Json::array(), only_b = Json::array();
  std::set<std::string> seen;
  for (const Found& found : in_a) {
    check_number(*found.number, a.path, found.path);
    seen.insert(found.path);
    const auto other = by_path.find(found.path);
    if (other == by_path.end())
      only_a.push_back(found.path);
    else
      numbers.push_back(matched(found, *other->second));
  }
  for (const Found& found : in_b)
    if (!seen.count(found.path)) only_b.push_back(found.path);
  Json comparison{{"schema", "ken.compare/1"}, {"a", about(a)}, {"b", about(b)}};
  comparison["warnings"] = warnings(a, b, comparison["a"], comparison["b"], numbers);
  comparison["method"] = method();
  Json paired = compare_rows(a, b);
  take_paired_tests(numbers, paired);
  comparison["numbers"] = std::move(numbers);
  comparison["paired"] = std::move(paired);
  comparison["only_in_a"] = std::move(only_a);
  comparison["only_in_b"] = std::move(only_b);
  correct(comparison);
  comparison["findings"] = compare_findings(comparison);
  return comparison;
}

}  // namespace ken::study
