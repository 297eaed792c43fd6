// Linear probes on every layer of the residual stream (Alain and Bengio, arXiv 1610.01644): where can it be read that
// the model's answer will be right, or that a passage contradicts what the model remembers? Each probe is judged on
// groups of facts that it never saw. "conflict" follows Zhao et al., arXiv 2410.16090, who read the last token; with
// their control: on facts that the model does not know, a probe can only read the passage itself.
#include <algorithm>
#include <numeric>
#include <set>

#include "ken/base/rng.h"
#include "ken/generate/generate.h"
#include "ken/readout/analysis.h"
#include "ken/readout/collect.h"
#include "ken/readout/probe.h"

namespace ken::readout {
namespace {

constexpr size_t least_of_class = 20;

// What is probed: items with their places, and what the answer's own probabilities say.
struct Set {
  std::vector<Item> items;
  std::vector<int> labels;
  std::vector<std::string> groups;
  std::vector<double> baseline;
  void add(Item item, int label, const std::string& group, double score) {
    items.push_back(std::move(item));
    labels.push_back(label);
    groups.push_back(group);
    baseline.push_back(score);
  }
};

using Answers = std::vector<generate::Generated>;

Answers answer(const AnalysisInput& input, const std::vector<std::string>& prompts) {
  std::vector<generate::Request> requests;
  for (const std::string& prompt : prompts) {
    generate::Request& request = requests.emplace_back();
    request.prompt.text = prompt;
    request.stop = input.style.stop;
  }
  generate::GenerateOptions options;
  options.compute = input.compute;
  options.progress = input.progress;
  Answers result;
  for (auto& samples : generate::generate(input.model, requests, options)) result.push_back(std::move(samples.at(0)));
  return result;
}

template <typename T>
std::vector<T> pick(const std::vector<T>& all, const std::vector<size_t>& chosen) {
  std::vector<T> result;
  for (const size_t i : chosen) result.push_back(all[i]);
  return result;
}

// `count` of the given indices, drawn by the seed, in ascending order.
std::vector<size_t> draw(std::vector<size_t> from, size_t count, uint64_t seed) {
  Rng(seed).shuffle(from);
  from.resize(std::min(from.size(), count));
  std::sort(from.begin(), from.end());
  return from;
}

bool occurs(const std::string& words, const std::string& text) {
  return !words.empty() && text.find(words) != std::string::npos;
}

// The given facts with their closed-book answers.
struct Asked {
  std::vector<data::Fact> facts;
  std::vector<std::string> prompts;
  Answers answers;
  bool right(size_t i) const { return data::contains_answer(answers[i].text, facts[i].answers); }
};

Asked ask_closed_book(const AnalysisInput& input, std::vector<data::Fact> facts) {
  Asked asked{std::move(facts), {}, {}};
  for (const auto& fact : asked.facts) asked.prompts.push_back(data::ask(input.style, fact.question));
  asked.answers = answer(input, asked.prompts);
  return asked;
}

// Label: whether the greedy closed-book answer is right. Without subjects in the facts, their place is left out.
Set correctness_set(const AnalysisInput& input, size_t max_items) {
  const auto& facts = input.facts.facts;
  std::vector<size_t> all(facts.size()), named;
  std::iota(all.begin(), all.end(), size_t{0});
  std::copy_if(all.begin(), all.end(), std::back_inserter(named),
               [&](size_t i) { return occurs(facts[i].subject, facts[i].question); });
  const bool with_subject = 2 * named.size() >= all.size();
  const Asked asked = ask_closed_book(input, pick(facts, draw(with_subject ? named : all, max_items, input.seed)));
  Set set;
  for (size_t i = 0; i < asked.facts.size(); ++i) {
    const data::Fact& fact = asked.facts[i];
    Item item{asked.prompts[i], {}};
    if (with_subject) item.places.push_back({"subject", fact.subject});
    item.places.push_back({"question end", fact.question});
    item.places.push_back({"answer", ""});
    set.add(std::move(item), int(asked.right(i)), fact.group, std::exp(asked.answers[i].logprob()));
  }
  return set;
}

// Passages whose value can be found: 1 = contradicts the fact, 0 = agrees with it. Where the facts hold no agreeing
// passages, a fact's own statement agrees.
struct Passages {
  std::vector<data::ContextCase> cases;
  std::vector<int> labels;
};

bool states_answer(const data::Fact& fact) {
  return !fact.answers.empty() && occurs(fact.answers.front(), fact.statement);
}

Passages find_passages(const data::FactSet& set, const std::map<std::string, const data::Fact*>& facts) {
  Passages found;
  const auto add = [&](const data::ContextCase& item, int label) {
    const auto fact = facts.find(item.fact);
    if (fact == facts.end() || item.context_answers.empty()) return;
    if (!occurs(item.context_answers.front(), item.context) || !occurs(fact->second->subject, item.question)) return;
    found.cases.push_back(item);
    found.labels.push_back(label);
  };
  bool agreeing = false;
  for (const auto& item : set.contexts) {
    if (item.intent != "none" && !item.intent.empty()) continue;
    if (item.kind == "conflict") add(item, 1);
    if (item.kind == "agree") add(item, 0);
    agreeing = agreeing || item.kind == "agree";
  }
  if (agreeing) return found;
  for (size_t i = 0, conflicts = found.cases.size(); i < conflicts; ++i) {
    data::ContextCase item = found.cases[i];
    const data::Fact& fact = *facts.at(item.fact);
    if (!states_answer(fact)) continue;
    item.context = fact.statement;
    item.context_answers = {fact.answers.front()};
    add(item, 0);
  }
  return found;
}

// The passages of facts that the model answers rightly (or wrongly) without a passage, as many of each label.
std::vector<size_t> balanced(const AnalysisInput& input, const Passages& passages, const std::set<std::string>& chosen,
                             size_t max_items) {
  std::array<std::vector<size_t>, 2> of_label;
  for (size_t i = 0; i < passages.cases.size(); ++i)
    if (chosen.count(passages.cases[i].fact)) of_label[size_t(passages.labels[i])].push_back(i);
  const size_t count = std::min({of_label[0].size(), of_label[1].size(), max_items / 2});
  std::vector<size_t> result = draw(of_label[0], count, input.seed);
  const std::vector<size_t> conflicts = draw(of_label[1], count, input.seed);
  result.insert(result.end(), conflicts.begin(), conflicts.end());
  std::sort(result.begin(), result.end());
  return result;
}

std::set<std::string> known_facts(const AnalysisInput& input, const Passages& passages,
                                  const std::map<std::string, const data::Fact*>& facts, bool known) {
  std::set<std::string> ids, result;
  for (const auto& item : passages.cases) ids.insert(item.fact);
  std::vector<data::Fact> asked_facts;
  for (const auto& id : ids) asked_facts.push_back(*facts.at(id));
  const Asked asked = ask_closed_book(input, std::move(asked_facts));
  for (size_t i = 0; i < asked.facts.size(); ++i)
    if (asked.right(i) == known) result.insert(asked.facts[i].id);
  return result;
}

Set conflict_set(const AnalysisInput& input, size_t max_items, bool known) {
  std::map<std::string, const data::Fact*> facts;
  for (const auto& fact : input.facts.facts) facts.emplace(fact.id, &fact);
  const Passages passages = find_passages(input.facts, facts);
  if (passages.cases.empty())
    fail("probe-map", "the facts hold no passage that contradicts or agrees with a fact; add records with a context");
  const auto chosen = balanced(input, passages, known_facts(input, passages, facts, known), max_items);
  std::vector<std::string> prompts;
  for (const size_t i : chosen) {
    const auto& item = passages.cases[i];
    prompts.push_back(data::ask_with_context(input.style, item.context, item.instruction, item.question));
  }
  const Answers answers = answer(input, prompts);
  Set set;
  for (size_t n = 0; n < chosen.size(); ++n) {
    const auto& item = passages.cases[chosen[n]];
    const double entropy = answers[n].entropies.empty() ? 0 : answers[n].entropies.front();
    set.add(
        {prompts[n],
         {{"value", item.context_answers.front(), true}, {"subject", facts.at(item.fact)->subject}, {"answer", ""}}},
        passages.labels[chosen[n]], item.group.empty() ? facts.at(item.fact)->group : item.group, entropy);
  }
  return set;
}

void check_classes(const Set& set, const std::string& target) {
  const size_t ones = size_t(std::count(set.labels.begin(), set.labels.end(), 1)), zeros = set.labels.size() - ones;
  if (std::min(ones, zeros) < least_of_class)
    fail("probe-map", "'{}' has {} items of one class and {} of the other; {} of each are needed; give more facts",
         target, ones, zeros, least_of_class);
}

std::vector<double> doubles(const Tensor& row) {
  const Tensor values = row.to(at::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

// The probes of a set: problem = layer * places + place.
struct Map {
  const AnalysisInput& input;
  const Set& set;
  std::vector<std::string> layers, places, points;
  std::vector<int> fold;
  Fit fit;

  stats::Number auroc(const std::vector<double>& scores) const {
    return stats::bootstrap(scores, set.labels, stats::auroc, input.seed, "auroc");
  }
  std::vector<double> scores(size_t problem) const { return doubles(fit.scores[int64_t(problem)]); }

  // The AUROC of choosing the best of some probes, where each fold's choice is made on the other folds: the maximum of
  // many noisy numbers is no estimate of the probe that it names.
  stats::Number chosen_on_other_folds(const std::vector<size_t>& problems) const {
    std::vector<std::vector<double>> all;
    for (const size_t problem : problems) all.push_back(scores(problem));
    std::vector<double> result(set.labels.size());
    for (const int f : std::set<int>(fold.begin(), fold.end())) {
      const std::vector<double>& best = all[best_without(all, f)];
      for (size_t i = 0; i < fold.size(); ++i)
        if (fold[i] == f) result[i] = best[i];
    }
    stats::Number number = auroc(result);
    number.metric = "auroc_chosen_on_other_folds";
    return number;
  }

 private:
  size_t best_without(const std::vector<std::vector<double>>& all, int left_out) const {
    std::vector<size_t> others;
    for (size_t i = 0; i < fold.size(); ++i)
      if (fold[i] != left_out) others.push_back(i);
    const std::vector<int> labels = pick(set.labels, others);
    std::vector<double> areas;
    for (const auto& scores : all) areas.push_back(stats::auroc(pick(scores, others), labels));
    return size_t(std::max_element(areas.begin(), areas.end()) - areas.begin());
  }
};

Map make_map(const AnalysisInput& input, const Set& set, const Json& params) {
  FitOptions options;
  options.strengths = {0.001, 0.01, 0.1, 1, 10};  // a few hundred items need a stronger penalty than the default
  options.folds = params.at("folds").get<int>();
  options.seed = input.seed;
  Map map{input, set, {"embedding"}, {}, {}, stats::grouped_folds(set.groups, options.folds, options.seed), {}};
  const States states =
      collect(input.model, set.items, {"hook_embed", "blocks.*.hook_resid_post"}, input.compute, input.progress);
  for (int64_t layer = 1; layer <= input.model.config.n_layers; ++layer) map.layers.push_back(std::to_string(layer));
  map.places = states.places;
  map.points = states.points;
  const Tensor x = states.values.permute({1, 2, 0, 3}).flatten(0, 1);  // [layers * places, items, d_model]
  map.fit = fit_logistic(x, set.labels, set.groups, options);
  return map;
}

Json describe(const Map& map, const std::string& target) {
  const bool correct = target == "correct";
  Json rows = Json::array();
  std::vector<size_t> all(map.fit.probes.size());
  std::iota(all.begin(), all.end(), size_t{0});
  std::vector<double> areas;
  for (size_t layer = 0; layer < map.layers.size(); ++layer) {
    Json row = Json::array();
    for (size_t place = 0; place < map.places.size(); ++place) {
      const stats::Number number = map.auroc(map.scores(layer * map.places.size() + place));
      areas.push_back(number.value);
      row.push_back(stats::to_json(number));
    }
    rows.push_back(std::move(row));
  }
  const size_t best = size_t(std::max_element(areas.begin(), areas.end()) - areas.begin());
  return {{"id", correct ? "correctness" : "conflict"},
          {"title", correct ? "Whether the answer will be right" : "Whether the passage contradicts memory"},
          {"reads", correct ? "A probe reads the residual stream before the model answers; the baseline is the "
                              "probability of the answer."
                            : "A probe reads the residual stream while the model reads the passage and the question; "
                              "the baseline is the entropy of the first answer token."},
          {"positions", map.places},
          {"layers", map.layers},
          {"auroc", rows},
          {"best",
           {{"layer", map.layers[best / map.places.size()]},
            {"position", map.places[best % map.places.size()]},
            {"auroc", stats::to_json(map.chosen_on_other_folds(all))}}},
          {"baseline", stats::to_json(map.auroc(map.set.baseline))}};
}

// auroc [layers + 1, places]; best_of_place [places]: over the layers, each fold's layer chosen on the others; scores
// [layers + 1, places, items], held out; weight [layers + 1, places, d_model] and bias, fitted on all items; labels.
std::map<std::string, at::Tensor> tensors_of(const Map& map) {
  const int64_t layers = int64_t(map.layers.size()), places = int64_t(map.places.size());
  std::vector<double> areas, best, biases;
  std::vector<Tensor> weights;
  for (size_t problem = 0; problem < map.fit.probes.size(); ++problem) {
    areas.push_back(stats::auroc(map.scores(problem), map.set.labels));
    weights.push_back(map.fit.probes[problem].weight);
    biases.push_back(map.fit.probes[problem].bias);
  }
  for (size_t place = 0; place < map.places.size(); ++place) {
    std::vector<size_t> column;
    for (size_t layer = 0; layer < map.layers.size(); ++layer) column.push_back(layer * map.places.size() + place);
    best.push_back(map.chosen_on_other_folds(column).value);
  }
  const auto floats = [](const std::vector<double>& v) { return at::tensor(at::ArrayRef<double>(v)).to(at::kFloat); };
  return {{"auroc", floats(areas).view({layers, places})},
          {"best_of_place", floats(best)},
          {"scores", map.fit.scores.view({layers, places, -1})},
          {"labels", at::tensor(at::ArrayRef<int>(map.set.labels), at::kInt)},
          {"weight", at::stack(weights).view({layers, places, -1})},
          {"bias", floats(biases).view({layers, places})}};
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const std::string target = params.at("target");
  const size_t max_items = params.at("max_items").get<size_t>();
  const Set set = target == "correct" ? correctness_set(input, max_items)
                                      : conflict_set(input, max_items, params.at("facts") == "known");
  check_classes(set, target);
  const Map map = make_map(input, set, params);
  return {describe(map, target), tensors_of(map)};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "probe-map",
              .family = "inside",
              .title = "Probe map",
              .paper = "arXiv 1610.01644",
              .sentence = "Fits a linear probe at every layer and position and shows where correctness or a knowledge "
                          "conflict can be read.",
              .params = {{"target", "correct", "what is read", -1e300, 1e300, {"correct", "conflict"}},
                         {"facts",
                          "known",
                          "conflict: facts that the model answers rightly, or as a control those it does not",
                          -1e300,
                          1e300,
                          {"known", "unknown"}},
                         {"folds", 5, "parts of the groups; each is judged by probes fitted on the others", 3, 20},
                         {"max_items", 2000, "items at most, drawn by the seed", 40, 100000}},
              .example = "ken inside probe-map --set target=conflict",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout
