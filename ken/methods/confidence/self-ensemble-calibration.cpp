// Self-ensembled in-context learning (arXiv 2312.13772): a question with a closed set of labels is asked V times, each
// time with another prompt of k worked examples, and the V distributions over the labels are combined. What varies:
//   examples: which ones are drawn; order: the order of the same ones; template: the words of the questions; all: a new
//   draw in a new order and the next words.
// How they are combined, p_v renormalised over the labels: mean_v p_v; max_v p_v(y) for each label y; or the share of
// the V votes. The prediction is the largest, its value the confidence. ECE over ten bins of equal width. All of it for
// the model as it is, and for a copy tuned by low-rank adapters on a few items with k worked examples in the prompt
// (cross-entropy of the label alone). The tasks are relations whose facts have few different answers; worked examples
// and tuning items are facts of the same relation of groups that are never judged.
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/label_sets.h"
#include "ken/train/low_rank.h"
#include "ken/train/trainer.h"

namespace ken::readout::self_ensemble_calibration_file {
namespace {

using evidence::LabelQuestion;
using evidence::Quality;
using Shares = std::vector<double>;  // over the labels of one question

constexpr const char* where = "self-ensemble-calibration";
const std::vector<std::string> variations = {"examples", "order", "template", "all"};
const std::vector<std::string> combinations = {"mean", "max", "vote"};

// Questions of two sets of groups: what examples and tuning items are drawn from, and what is judged.
struct Items {
  std::map<std::string, std::vector<LabelQuestion>> pool;  // by relation
  std::vector<LabelQuestion> judged, tuning;
};

Items split(const AnalysisInput& input, const Json& params) {
  const auto all = evidence::label_questions(input, params.at("most_labels"));
  std::vector<std::string> groups;
  for (const auto& q : all) groups.push_back(q.fact->group);
  const auto side = stats::grouped_folds(groups, 2, input.seed);
  Items items;
  std::vector<size_t> judged, others;
  for (size_t i = 0; i < all.size(); ++i) {
    (side[i] == 0 ? judged : others).push_back(i);
    if (side[i] == 1) items.pool[all[i].fact->relation].push_back(all[i]);
  }
  const auto shots = params.at("shots").get<size_t>();
  std::erase_if(judged, [&](size_t i) { return items.pool[all[i].fact->relation].size() < shots; });
  std::erase_if(others, [&](size_t i) { return items.pool[all[i].fact->relation].size() <= shots; });
  items.judged = pick(all, draw(judged, params.at("max_items"), input.seed));
  items.tuning = pick(all, draw(others, params.at("tuning_items"), input.seed + 1));
  if (items.judged.size() < 20 || items.tuning.empty())
    fail(where,
         "{} questions with 2 to {} labels can be judged and {} tuned on beside {} worked examples; 20 and 1 are "
         "needed: give more facts of a relation with few different answers",
         items.judged.size(), params.at("most_labels").get<int64_t>(), items.tuning.size(), shots);
  return items;
}

// One prompt of a question: its worked examples in order, and which words ask.
struct Variation {
  uint64_t draw = 0, order = 0;
  size_t words = 0;
};

class Prompts {
 public:
  Prompts(const AnalysisInput& input, const Items& items, const Json& params)
      : style_(input.style),
        seed_(input.seed),
        items_(items),
        shots_(params.at("shots")),
        kind_(params.at("variants")),
        separator_(params.at("separator")) {}

  // `key` says whose draw it is.
  std::string write(const LabelQuestion& question, uint64_t key, const Variation& v) const {
    data::PromptStyle style = style_;
    style.examples.clear();
    for (const auto& q : examples(question, key, v))
      style.examples.push_back(
          {q.fact->id, q.fact->subject, q.fact->group, asked_as(*q.fact, v.words), "", q.fact->answers.front()});
    const std::string own = asked_as(*question.fact, v.words);
    const data::Asked asked{own, "", question.fact->id, question.fact->subject, question.fact->group};
    style.shots = style.chat ? shots_ : 0;
    if (style.chat) return data::ask(style, asked);
    std::string prompt;
    for (const auto& e : style.examples) prompt += data::ask(style, e.question) + " " + e.answer + separator_;
    return prompt + data::ask(style, asked);
  }
  size_t wordings(const data::Fact& fact) const {
    size_t n = 1;
    for (const auto& variant : fact.variants) n += variant.kind == kind_;
    return n;
  }

 private:
  // The fact's own question, then its variants in turn.
  std::string asked_as(const data::Fact& fact, size_t words) const {
    size_t left = words % wordings(fact);
    for (const auto& variant : fact.variants)
      if (left > 0 && variant.kind == kind_ && --left == 0) return variant.question;
    return fact.question;
  }
  std::vector<LabelQuestion> examples(const LabelQuestion& question, uint64_t key, const Variation& v) const {
    auto pool = items_.pool.at(question.fact->relation);
    std::erase_if(pool, [&](const LabelQuestion& q) { return q.fact == question.fact; });
    auto chosen = pick(pool, draw(pool.size(), shots_, seed_ + 1000003 * (key + 1) + 7919 * v.draw));
    Rng(seed_ + key, v.order).shuffle(chosen);
    return chosen;
  }
  const data::PromptStyle& style_;
  uint64_t seed_;
  const Items& items_;
  size_t shots_;
  std::string kind_, separator_;
};

Variation variation_of(const std::string& name, size_t v) {
  if (name == "examples") return {v, 0, 0};
  if (name == "order") return {0, v, 0};
  if (name == "template") return {0, 0, v};
  return {v, v, v};
}

Shares combine(const std::vector<Shares>& members, const std::string& how) {
  Shares result(members[0].size(), 0);
  for (const Shares& p : members) {
    if (how == "vote") ++result[evidence::likeliest(p)];
    for (size_t y = 0; y < p.size() && how != "vote"; ++y)
      result[y] = how == "max" ? std::max(result[y], p[y]) : result[y] + p[y];
  }
  if (how != "max")
    for (double& p : result) p /= double(members.size());
  return result;
}

Json to_json(const Quality& q) {
  return {{"accuracy", q.accuracy}, {"ece", q.ece}, {"macro_f1", q.f1}, {"confidence", q.confidence}};
}

// Every variation's members and combinations, for one model.
Json ensembles(const AnalysisInput& input, const model::Model& model, const Items& items, const Prompts& prompts,
               size_t variants) {
  Json table;
  for (const auto& name : variations) {
    std::vector<evidence::OptionItem> asked;
    for (size_t i = 0; i < items.judged.size(); ++i)
      for (size_t v = 0; v < variants; ++v)
        asked.push_back(evidence::with_labels(items.judged[i], input.style,
                                              prompts.write(items.judged[i], i, variation_of(name, v))));
    const auto scores = evidence::score_labels(model, asked, input.compute);
    std::vector<std::vector<Shares>> members(items.judged.size());  // [item][variant]
    for (size_t j = 0; j < scores.size(); ++j)
      members[j / variants].push_back(evidence::label_probabilities(scores[j]));
    Quality mean;  // of single prompts
    for (size_t v = 0; v < variants; ++v) {
      std::vector<Shares> single;
      for (const auto& m : members) single.push_back(m[v]);
      const Quality q = evidence::quality(items.judged, single);
      const double n = double(variants);
      mean.accuracy += q.accuracy / n, mean.ece += q.ece / n, mean.f1 += q.f1 / n, mean.confidence += q.confidence / n;
    }
    table[name]["single"] = to_json(mean);
    for (const auto& how : combinations) {
      std::vector<Shares> combined;
      for (const auto& m : members) combined.push_back(combine(m, how));
      table[name][how] = to_json(evidence::quality(items.judged, combined));
    }
  }
  return table;
}

// Prompts with worked examples, another draw for each pass, of which only the label counts.
struct Tuning final : train::SampleSource {
  std::vector<train::Sample> samples;
  int64_t size() const override { return int64_t(samples.size()); }
  train::Sample at(int64_t index) const override { return samples[size_t(index)]; }
};

model::Model tuned(const AnalysisInput& input, const Items& items, const Prompts& prompts, const Json& params) {
  model::Model model = input.model;
  const auto parameters = train::train_low_rank(model, {.rank = params.at("rank"), .seed = input.seed});
  auto source = std::make_shared<Tuning>();
  for (uint64_t epoch = 0; epoch < params.at("epochs").get<uint64_t>(); ++epoch)
    for (size_t i = 0; i < items.tuning.size(); ++i) {
      const LabelQuestion& q = items.tuning[i];
      auto item = evidence::with_labels(q, input.style, prompts.write(q, 1000000 + i, {epoch, epoch, 0}));
      item.options = {item.options[q.right]};
      const auto tokens = evidence::option_tokens(model, item, where);
      train::Sample sample{tokens.prompt, std::vector<float>(tokens.prompt.size(), 0)};
      sample.tokens.insert(sample.tokens.end(), tokens.options[0].begin(), tokens.options[0].end());
      sample.weights.resize(sample.tokens.size(), 1);
      source->samples.push_back(std::move(sample));
    }
  train::TrainOptions options;
  options.batch_tokens = std::max<int64_t>(1024, model.config.context);
  options.optimizer.kind = "adamw", options.optimizer.lr = params.at("rate"), options.optimizer.weight_decay = 0;
  options.seed = input.seed, options.compute = input.compute;
  train::train(model, parameters, *train::next_token(), source, options, *train::alone(), input.progress);
  train::freeze(model);
  return model;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Items items = split(input, params);
  const Prompts prompts(input, items, params);
  const size_t variants = params.at("ensemble");
  double wordings = 0;
  for (const auto& q : items.judged) wordings += double(prompts.wordings(*q.fact)) / double(items.judged.size());
  return {{{"judged", items.judged.size()},
           {"tuned_on", items.tuning.size()},
           {"variants", variants},
           {"wordings", wordings},
           {"few-shot", ensembles(input, input.model, items, prompts, variants)},
           {"tuned", ensembles(input, tuned(input, items, prompts, params), items, prompts, variants)}},
          {}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = where,
              .family = "confidence",
              .title = "Self-ensembled in-context learning",
              .paper = "arXiv 2312.13772",
              .sentence = "Asks a question with a closed set of labels by several few-shot prompts and combines their "
                          "distributions, as the model is and after light tuning.",
              .params = {{"ensemble", 6, "V, prompts of a question", 2, 1000},
                         {"shots", 3, "k, worked examples in a prompt", 1, 100},
                         {"separator", "\n\n", "between worked examples (not in a chat)"},
                         {"variants", "paraphrase", "the facts' variants of this kind are their other wordings"},
                         {"most_labels", 64, "different answers of a relation at most", 2, 10000},
                         {"tuning_items", 50, "facts that the copy is tuned on", 1, 1000000},
                         {"rank", 8, "of the adapter", 1, 1024},
                         {"epochs", 5, "passes over them, each with new worked examples", 1, 10000},
                         {"rate", 2e-3, "AdamW's learning rate", 0, 1},
                         {"max_items", 400, "facts judged at most, drawn by the seed", 20, 100000}},
              .example = "ken inside self-ensemble-calibration max_items=60 ensemble=5",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::self_ensemble_calibration_file
