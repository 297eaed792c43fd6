// Chain-of-Probe (arXiv 2406.16144): is a chain of steps needed, and is it sound? After each of the n steps of a chain
// an answer cue is put on and the distribution over the options read, which gives an answer a_i and its probability
// c_i; a_0 is the answer to the question asked without any step.
//   early: a_0 = a_n, the answer stood before the chain; switches: how often a_i is not a_{i-1}.
//   score of a chain: c_n - lambda switches / n; "fitted": weights of c_n, min c, mean c, switches / n, the share of
//   steps after which the answer stands, early, and b_0 and mean b, where b_i is the probability after step i of the
//   final answer a_n; by logistic regression on the chains of other groups' questions of as many steps, each feature
//   less its mean over the question's chains, since only those are compared. Where these are too few, the fixed score.
//   selection: of K sampled chains the one of the highest score, against the majority of their answers.
//   tree: a decision tree on (early, switches, c_n, min c), fitted on other groups, says which chains hold an error;
//   the first chain that it does not flag is taken, after at most so many resamplings the last one.
// The paper's weights are not known, hence the fit. A chain is sound where its steps are right (a fact's `hops`).
#include <map>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/chains.h"
#include "ken/readout/judge.h"
#include "ken/readout/probe.h"
#include "ken/readout/tree.h"

namespace ken::readout::chain_of_probe_file {
namespace {

using evidence::Chain;
using evidence::Curve;
using evidence::LabelQuestion;

// What is known of one chain.
struct Judged {
  size_t question = 0;
  bool right = false, sound = false;
  double fixed = 0, fitted = 0, error = 0;  // scores; the tree's chance of an error
};

struct Study {
  std::vector<LabelQuestion> questions;
  std::vector<std::vector<Chain>> chains;  // [question]: the greedy one first
  std::vector<Judged> greedy;              // [question]
  std::vector<std::vector<Judged>> sampled;
  std::vector<size_t> steps;  // of the truth
};

// As many questions of each number of steps, drawn by the seed.
std::vector<LabelQuestion> questions_of(const AnalysisInput& input, const Json& params) {
  const auto all = evidence::label_questions(input, params.at("most_labels"));
  std::map<size_t, std::vector<size_t>> by_steps;
  for (size_t i = 0; i < all.size(); ++i) by_steps[evidence::step_truth(input.facts, *all[i].fact).size()].push_back(i);
  std::vector<LabelQuestion> result;
  for (const auto& [steps, items] : by_steps)
    for (const auto& q : pick(all, draw(items, params.at("max_items"), input.seed))) result.push_back(q);
  if (result.size() < 20)
    fail("chain-of-probe",
         "{} facts have one of 2 to {} answers of their relation; at least 20 are needed: give more facts",
         result.size(), params.at("most_labels").get<int64_t>());
  return result;
}

std::vector<double> fit_features(const Curve& c) {
  const double n = double(std::max<size_t>(1, c.steps()));
  return {c.sure.back(),           c.least(),         stats::mean_of(c.sure), double(c.switches()) / n,
          double(c.settled()) / n, double(c.early()), c.belief.front(),       stats::mean_of(c.belief)};
}
// Of all sampled chains of a question, each feature less its mean.
void add_fit_features(const std::vector<Chain>& chains, std::vector<float>& x) {
  std::vector<std::vector<double>> rows;
  for (size_t k = 1; k < chains.size(); ++k) rows.push_back(fit_features(chains[k].curve));
  auto mean = std::vector<double>(rows[0].size(), 0);
  for (const auto& row : rows)
    for (size_t f = 0; f < row.size(); ++f) mean[f] += row[f] / double(rows.size());
  for (const auto& row : rows)
    for (size_t f = 0; f < row.size(); ++f) x.push_back(float(row[f] - mean[f]));
}
std::vector<double> tree_features(const Curve& c) {
  return {double(c.early()), double(c.switches()), c.sure.back(), c.least()};
}

Judged judge(const AnalysisInput& input, const Study& study, size_t question, const Chain& chain, const Json& params) {
  const LabelQuestion& q = study.questions[question];
  const Curve& c = chain.curve;
  const double turns = double(c.switches()) / double(std::max<size_t>(1, c.steps())),
               score = c.sure.back() - params.at("penalty").get<double>() * turns;
  return {question, c.answers.back() == q.right,
          evidence::sound_chain(chain.text, evidence::step_truth(input.facts, *q.fact), params.at("steps")), score,
          score};
}

// Scores that were fitted on the sampled chains of other groups; false where too few are sound, or unsound.
bool fit_scores(const AnalysisInput& input, Study& study, const std::vector<size_t>& of, const Json& params) {
  std::vector<Judged*> all;
  std::vector<float> x;
  std::vector<std::vector<double>> rows;
  std::vector<int> sound, wrong;
  std::vector<std::string> groups;
  for (const size_t i : of) {
    add_fit_features(study.chains[i], x);
    for (size_t k = 0; k < study.sampled[i].size(); ++k) {
      rows.push_back(tree_features(study.chains[i][k + 1].curve));
      all.push_back(&study.sampled[i][k]);
      sound.push_back(all.back()->sound), wrong.push_back(!all.back()->sound);
      groups.push_back(study.questions[i].fact->group);
    }
  }
  const int folds = params.at("folds");
  const auto ones = std::count(sound.begin(), sound.end(), 1);
  if (ones < 20 || int64_t(sound.size()) - ones < 20) return false;
  const Tensor features = at::tensor(x).reshape({1, int64_t(all.size()), -1});
  const Fit fit = fit_logistic(features, sound, groups, {.folds = folds, .seed = input.seed});
  const auto scores = doubles(fit.scores[0]);
  const auto fold = stats::grouped_folds(groups, folds, input.seed);
  for (int f = 0; f < folds; ++f) {
    std::vector<size_t> train;
    for (size_t j = 0; j < all.size(); ++j)
      if (fold[j] != f) train.push_back(j);
    const auto tree = Tree::fit(pick(rows, train), pick(wrong, train), params.at("depth"), 10);
    for (size_t j = 0; j < all.size(); ++j)
      if (fold[j] == f) all[j]->error = tree(rows[j]), all[j]->fitted = scores[j];
  }
  return true;
}

// Right and sound, as shares of one question's chains.
struct Picked {
  double right = 0, sound = 0;
};
Picked mean_over(const std::vector<Judged>& chains, const std::vector<size_t>& of) {
  Picked p;
  for (const size_t k : of)
    p.right += double(chains[k].right) / double(of.size()), p.sound += double(chains[k].sound) / double(of.size());
  return p;
}

// Equal chains cannot be told apart: the mean over all that a way of choosing likes best.
template <typename Score>
Picked best_by(const std::vector<Judged>& chains, Score score) {
  double most = -INFINITY;
  std::vector<size_t> best;
  for (size_t k = 0; k < chains.size(); ++k) {
    const double s = score(k);
    if (s > most + 1e-9) best.clear(), most = s;
    if (s >= most - 1e-9) best.push_back(k);
  }
  return mean_over(chains, best);
}

std::map<std::string, Picked> choices(const Study& study, size_t question, const Json& params) {
  const auto& chains = study.sampled[question];
  std::map<size_t, double> votes;
  const auto answer = [&](size_t k) { return study.chains[question][k + 1].curve.answers.back(); };
  for (size_t k = 0; k < chains.size(); ++k) ++votes[answer(k)];
  size_t unflagged = 0;
  const size_t last = std::min(chains.size() - 1, params.at("resamples").get<size_t>());
  while (unflagged < last && chains[unflagged].error > 0.5) ++unflagged;
  return {{"greedy", {double(study.greedy[question].right), double(study.greedy[question].sound)}},
          {"first", mean_over(chains, {0})},
          {"random", best_by(chains, [](size_t) { return 0.0; })},
          {"majority", best_by(chains, [&](size_t k) { return votes[answer(k)]; })},
          {"score", best_by(chains, [&](size_t k) { return chains[k].fixed; })},
          {"fitted", best_by(chains, [&](size_t k) { return chains[k].fitted; })},
          {"tree", mean_over(chains, {unflagged})},
          {"oracle", best_by(chains, [&](size_t k) { return double(chains[k].sound); })}};
}

Json share(int64_t hits, int64_t n, const char* metric) { return stats::to_json(stats::proportion(hits, n, metric)); }

// What the greedy chains of some questions show.
Json curves(const Study& study, const std::vector<size_t>& of) {
  int64_t early = 0, switched = 0, late = 0, right[2] = {}, n[2] = {}, wrong_chain = 0;
  double sure[2] = {};
  for (const size_t i : of) {
    const Curve& c = study.chains[i][0].curve;
    early += c.early() && c.switches() == 0, switched += c.switches() > 0, late += c.settled() > 1;
    ++n[c.early()], right[c.early()] += study.greedy[i].right;
    wrong_chain += study.greedy[i].right && !study.greedy[i].sound;
    sure[0] += c.sure.front() / double(of.size()), sure[1] += c.sure.back() / double(of.size());
  }
  return {{"n", of.size()},
          {"early", share(n[1], n[0] + n[1], "answer_before_equals_answer_after")},
          {"settled_before_first_step", share(early, n[0] + n[1], "never_switches")},
          {"switches", share(switched, n[0] + n[1], "switches_at_some_step")},
          {"settles_after_second_step", share(late, n[0] + n[1], "switches_after_the_first_step")},
          {"accuracy_early", share(right[1], n[1], "right")},
          {"accuracy_not_early", share(right[0], n[0], "right")},
          {"right_by_wrong_chain", share(wrong_chain, right[0] + right[1], "of_right_answers")},
          {"mean_confidence_before", sure[0]},
          {"mean_confidence_after", sure[1]}};
}

Json selection(const Study& study, const std::vector<size_t>& of, const Json& params) {
  std::map<std::string, Picked> sum;
  for (const size_t i : of)
    for (const auto& [way, p] : choices(study, i, params)) sum[way].right += p.right, sum[way].sound += p.sound;
  Json table;
  for (const auto& [way, p] : sum)
    table[way] = {{"right", p.right / double(of.size())}, {"sound", p.sound / double(of.size())}};
  return table;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  Study study;
  study.questions = questions_of(input, params);
  const evidence::ChainForm form{params.at("opening"), params.at("cue"), params.at("steps"), params.at("max_tokens")};
  study.chains = probed_chains(input, study.questions, form, params.at("chains"), params.at("temperature"));
  std::map<std::string, std::vector<size_t>> sets;
  for (size_t i = 0; i < study.questions.size(); ++i) {
    study.greedy.push_back(judge(input, study, i, study.chains[i][0], params));
    study.sampled.emplace_back();
    for (size_t k = 1; k < study.chains[i].size(); ++k)
      study.sampled[i].push_back(judge(input, study, i, study.chains[i][k], params));
    const size_t steps = evidence::step_truth(input.facts, *study.questions[i].fact).size();
    for (const auto& set : {std::to_string(steps), std::string(steps > 1 ? "several" : "")})
      if (!set.empty()) sets[set].push_back(i);
  }
  bool fitted = false;
  for (const auto& [name, of] : sets) fitted |= name != "several" && fit_scores(input, study, of, params);
  if (!fitted)
    fail("chain-of-probe",
         "20 sound and 20 unsound chains of one number of steps are needed to fit a score, and none "
         "has them; ask for more chains or of other facts");
  Json table{{"n", study.questions.size()}};
  for (const auto& [name, of] : sets)
    table["by_steps"][name] = {{"greedy", curves(study, of)}, {"selection", selection(study, of, params)}};
  return {table, {}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "chain-of-probe",
              .family = "confidence",
              .title = "Chain-of-Probe",
              .paper = "arXiv 2406.16144",
              .sentence = "Reads the answer after each step of a chain: whether the chain was needed, whether it is "
                          "sound, and which of several chains to take.",
              .params = {{"opening", evidence::ChainForm{}.opening, "what a chain goes on from, with {question}"},
                         {"cue", evidence::ChainForm{}.cue, "asks for the answer; where a chain writes it, it ends"},
                         {"steps", "lines", "where a step ends", -1e300, 1e300, {"lines", "sentences", "words"}},
                         {"max_tokens", 160, "longest chain", 1, 4096},
                         {"chains", 10, "K, chains sampled of a question", 2, 1000},
                         {"temperature", 1.0, "of the sampling", 0.01, 10},
                         {"penalty", 0.5, "lambda, of switches in the score", 0, 100},
                         {"depth", 3, "of the tree", 1, 20},
                         {"resamples", 3, "further chains that the tree may ask for", 0, 1000},
                         {"folds", 5, "parts of the groups; each is judged by what was fitted on the others", 2, 20},
                         {"most_labels", 64, "different answers of a relation at most", 2, 10000},
                         {"max_items", 150, "facts of each number of steps at most, drawn by the seed", 20, 100000}},
              .example = "ken inside chain-of-probe \"opening=Q: {question} steps:\" \"cue= A:\" steps=words chains=4",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::chain_of_probe_file
