// Entity-tracking circuits (Prakash et al., "Fine-Tuning Enhances Existing Mechanisms", arXiv 2402.14811). Passages
// bind values to subjects; which heads find the value of the subject that is asked about?
//  1. Path patching backwards, against the same passage about other subjects: heads that write the answer (A), heads
//     whose output reaches A's queries (B), B's values at the asked subject (C), and C's values and A's keys inside the
//     passage (D, E). Their union is the circuit.
//  2. Faithfulness: accuracy with every other head giving its mean over passages of the same pattern about others, over
//     the model's accuracy; the same heads in another model of the same shape; as many random heads as a control.
//  3. DCM: which heads, at the last token, carry the place of the answer (two sentences exchanged), its value, and the
//     label by which it is found (another subject is asked about).
//  4. CMAP: outputs of those heads in the other model put into this one: the share of the gap in accuracy.
#include <algorithm>
#include <numeric>
#include <set>

#include "ken/base/error.h"
#include "ken/model/shipped.h"
#include "ken/readout/analysis.h"
#include "ken/readout/bound_items.h"
#include "ken/readout/heads.h"
#include "ken/stats/stats.h"

namespace ken::readout::entity_tracking_file {
namespace {

using Prompts = BoundItems::Prompts;
using Items = BoundItems;

std::vector<double> hits(const Tensor& logits, const std::vector<int32_t>& tokens) {
  const Tensor best = logits.argmax(1);
  std::vector<double> result;
  for (size_t i = 0; i < tokens.size(); ++i) result.push_back(best[int64_t(i)].item<int64_t>() == tokens[i]);
  return result;
}

struct Group {
  std::string name, reads;
  std::vector<Head> heads;
  std::vector<int64_t> Items::*place;
};

struct Study {
  const AnalysisInput& input;
  const Json& params;
  const Items &found, &judged;  // items on which the circuit is found, and the others

  SavedRun run_of(const model::Model& model, const Prompts& prompts) const {
    return SavedRun(model, prompts, {Point::z}, input.compute);
  }
  stats::Number accuracy(const Tensor& logits, const std::vector<int32_t>& tokens) const {
    return stats::mean(hits(logits, tokens), input.seed, "accuracy");
  }

  std::vector<Group> circuit() const {
    SavedRun clean = run_of(input.model, found.base);
    const SavedRun corrupt = run_of(input.model, found.unbound[0]);
    const auto count =
        size_t(std::max(1.0, std::round(params.at("share").get<double>() *
                                        double(input.model.config.n_layers * input.model.config.n_heads))));
    std::vector<Group> groups;
    const auto find = [&](std::string name, std::string reads, const Receivers& receivers,
                          std::vector<int64_t> Items::*place) {
      const Tensor effect = path_effects(input.model, clean, corrupt, found.right, found.*place, receivers,
                                         input.compute, input.progress);
      std::vector<Head> heads = strongest(effect, count);
      std::erase_if(heads, [&](const Head& h) { return effect[h.layer][h.head].item<double>() >= 0; });
      groups.push_back({std::move(name), std::move(reads), heads, place});
      return heads;
    };
    const auto a = find("A", "the logits", {}, &Items::last);
    const auto b = find("B", "queries of A", {a, Point::q}, &Items::last);
    const auto c = find("C", "values of B at the asked subject", {b, Point::v}, &Items::asked);
    find("D", "values of C at the passage's subject", {c, Point::v}, &Items::subject);
    find("E", "keys of A at the passage's value", {a, Point::k}, &Items::value);
    return groups;
  }

  // Accuracy of a model, of the circuit in it, and of as many random heads.
  Json faithfulness(const model::Model& model, const std::vector<Head>& heads) const {
    std::vector<std::unique_ptr<SavedRun>> runs;
    std::vector<const SavedRun*> others;
    for (const Prompts& prompts : judged.unbound) {
      runs.push_back(std::make_unique<SavedRun>(model, prompts, std::vector<Point>{Point::z}, input.compute));
      others.push_back(runs.back().get());
    }
    const auto judge = [&](const std::vector<Head>& kept) {
      return accuracy(circuit_logits(model, judged.base, kept, others, input.compute), judged.right);
    };
    const stats::Number whole = judge(all_heads(model.config)), circuit = judge(heads);
    double random = 0;
    Rng rng(input.seed, 29);
    constexpr int draws = 5;
    for (int draw = 0; draw < draws; ++draw) {
      auto others = all_heads(model.config);
      rng.shuffle(others);
      others.resize(heads.size());
      random += judge(others).value / draws;
    }
    return {{"model", stats::to_json(whole)},
            {"circuit", stats::to_json(circuit)},
            {"recovered", circuit.value / whole.value},
            {"random_heads", random}};
  }

  // DCM at the last token, and how often the found heads move the answer on items that were not learned from.
  Json desideratum(const Prompts Items::*other, const std::vector<int32_t> Items::*target,
                   std::vector<Head>& heads) const {
    const SavedRun counterfactual = run_of(input.model, found.*other);
    heads =
        carriers(input.model, found.base, counterfactual, found.*target, found.last, all_heads(input.model.config),
                 {.penalty = params.at("penalty"), .epochs = params.at("epochs"), .seed = input.seed}, input.compute);
    SavedRun clean = run_of(input.model, judged.base);
    const SavedRun source = run_of(input.model, judged.*other);
    const auto moved = [&](const std::vector<Head>& some) {
      return accuracy(transplanted_logits(input.model, clean, source, some, judged.last, input.compute),
                      judged.*target);
    };
    auto random = all_heads(input.model.config);
    Rng(input.seed, 31).shuffle(random);
    random.resize(heads.size());
    Json names = Json::array();
    for (const Head& head : heads) names.push_back(head.name());
    return {{"heads", names},
            {"moves_answer", stats::to_json(moved(heads))},
            {"random_heads", stats::to_json(moved(random))}};
  }

  // This model with some heads' outputs of the other one, at the group's token.
  Json from_other(const model::Model& other, const std::vector<Head>& heads, std::vector<int64_t> Items::*place) const {
    SavedRun own = run_of(input.model, judged.base);
    const SavedRun its = run_of(other, judged.base);
    const auto judge = [&](const std::vector<Head>& some) {
      return accuracy(transplanted_logits(input.model, own, its, some, judged.*place, input.compute), judged.right);
    };
    const double mine = accuracy(own.logits(), judged.right).value, theirs = accuracy(its.logits(), judged.right).value;
    auto random = all_heads(input.model.config);
    Rng(input.seed, 37).shuffle(random);
    random.resize(heads.size());
    const stats::Number patched = judge(heads);
    return {{"accuracy", stats::to_json(patched)},
            {"gain", patched.value - mine},
            {"share_of_gap", theirs == mine ? Json(nullptr) : Json((patched.value - mine) / (theirs - mine))},
            {"random_heads_gain", judge(random).value - mine}};
  }
};

Json describe(const std::vector<Group>& groups) {
  Json result = Json::array();
  for (const Group& group : groups) {
    Json names = Json::array();
    for (const Head& head : group.heads) names.push_back(head.name());
    result.push_back({{"group", group.name}, {"reaches", group.reads}, {"heads", names}});
  }
  return result;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Items all = bound_items(input, params.at("sentences"), params.at("items"));
  const Items found = all.part(0, all.size() / 2), judged = all.part(all.size() / 2, all.size());
  const Study study{input, params, found, judged};
  const std::vector<Group> groups = study.circuit();
  std::set<Head> unique;
  for (const Group& group : groups) unique.insert(group.heads.begin(), group.heads.end());
  const std::vector<Head> heads(unique.begin(), unique.end());
  std::vector<Head> place_heads, value_heads, label_heads;
  Json table{{"id", "entity-tracking"},
             {"items", all.size()},
             {"groups", describe(groups)},
             {"circuit_heads", heads.size()},
             {"all_heads", input.model.config.n_layers * input.model.config.n_heads},
             {"faithfulness", study.faithfulness(input.model, heads)},
             {"place", study.desideratum(&Items::moved, &Items::moved_to, place_heads)},
             {"value", study.desideratum(&Items::revalued, &Items::revalued_to, value_heads)},
             {"label", study.desideratum(&Items::relabelled, &Items::relabelled_to, label_heads)}};
  if (const std::string name = params.at("other"); !name.empty()) {
    const auto other = model::load(model::model_path(name));
    const model::Config &a = input.model.config, &b = other->config;
    if (a.n_layers != b.n_layers || a.n_heads != b.n_heads || a.d_head != b.d_head || a.vocab != b.vocab)
      fail("entity-tracking", "{} is no model of the same shape; heads of one cannot stand in the other", name);
    Json cmap = Json::object();
    for (const Group& group : groups) cmap[group.name] = study.from_other(*other, group.heads, group.place);
    cmap["place"] = study.from_other(*other, place_heads, &Items::last);
    cmap["value"] = study.from_other(*other, value_heads, &Items::last);
    cmap["label"] = study.from_other(*other, label_heads, &Items::last);
    table["other"] = {{"model", name}, {"faithfulness", study.faithfulness(*other, heads)}, {"cross_model", cmap}};
  }
  return {table, {}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "entity-tracking",
              .family = "inside",
              .title = "Entity-tracking circuits",
              .paper = "arXiv 2402.14811",
              .sentence = "Finds the heads that look up a subject's value in a passage, by path patching; shows what "
                          "they carry, and whether another model of the same shape uses the same ones.",
              .params = {{"sentences", 3, "of a passage, each binding one value", 2, 20},
                         {"items", 200, "passages; half to find the circuit, half to judge it", 80, 10000},
                         {"share", 0.15, "heads of each group, as a share of all", 0.001, 1},
                         {"penalty", 0.01, "DCM: for each head that is taken", 0, 10},
                         {"epochs", 4, "DCM: passes over the items", 1, 100},
                         {"other", "", "another model of the same shape: a file, or a shipped one's name"}},
              .example = "ken inside entity-tracking items=120",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::entity_tracking_file
