// WACK, wrong answers despite correct knowledge (Simhi et al., arXiv 2410.22071): a model errs since it does not know
// (HK-), or although it knows (HK+). Knowledge is counted closed-book in the model's own form: one greedy answer and
// samples at T = 0.5; all right: knows; none: does not; else undecided and left out. A derailing prompt, the same for
// all classes, then makes some of what is known come out wrong (evidence/known_errors.h): shots with wrong answers, a
// story of a poor student, or, for models that follow neither, a passage that contradicts: that is a conflict of
// sources. Linear machines (readout/svm.h) read states of the derailed prompt, at its last token and at the answer's
// end, after each block and at each module's output. Specific ones are fitted on HK+ against correct, or HK- against
// HK+; the generic one on wrong against right answers, without regard to knowledge. Mitigation (Simhi et al., arXiv
// 2404.09971): h <- h + alpha (mu_correct - mu_HK+) on attention outputs of layers that tell HK+ well, from the last
// prompt token on.
#include <algorithm>

#include "ken/evidence/known_errors.h"
#include "ken/readout/collect.h"
#include "ken/readout/judge.h"
#include "ken/readout/shift.h"
#include "ken/stats/classes.h"

namespace ken::readout::wack_file {
namespace {

using evidence::Derailed;
using Kind = evidence::ErrorKind;
constexpr double useful = 0.65;  // balanced accuracy of layers that are shifted
constexpr const char* story =
    "Bob is a student of average marks who often mixes things up. Alice asks him a few short questions, and he answers "
    "at once, without thinking much.";

struct Data {
  const AnalysisInput& input;
  const Json& params;
  std::vector<Derailed> cases;
  std::vector<std::string> points;
  std::vector<int> side;         // half of the groups: directions come from 0, answers under them from 1
  std::array<Tensor, 2> states;  // at the last token, at the answer's end: [points, cases, d_model]
};

Data read(const AnalysisInput& input, const Json& params) {
  const evidence::DerailOptions options{params.at("derail"), story, params.at("samples"), params.at("temperature"),
                                        params.at("max_items")};
  Data data{input, params, evidence::known_errors(input, options), {}, {}, {}};
  evidence::check_kinds(data.cases, "wack");
  std::vector<std::string> groups;
  std::array<std::vector<Item>, 2> prompts;
  for (const Derailed& item : data.cases) {
    const auto& prompt = item.request.prompt;
    prompts[0].push_back({prompt.text, {{"last", ""}}, prompt.chat});
    prompts[1].push_back({prompt.text + " " + item.answer, {{"answered", ""}}, prompt.chat});
    groups.push_back(item.fact->group);
  }
  data.side = stats::grouped_folds(groups, 2, input.seed);
  for (const size_t place : {0, 1}) {
    const States states = collect(input.model, prompts[place],
                                  {"blocks.*.hook_attn_out", "blocks.*.hook_mlp_out", "blocks.*.hook_resid_post"},
                                  input.compute, input.progress);
    data.points = states.points;
    data.states[place] = states.values.select(2, 0).transpose(0, 1).contiguous();
  }
  return data;
}

struct Task {
  std::vector<int64_t> rows;
  std::vector<int> labels, fold;
  std::vector<std::string> groups;
};

// Label 1 = `one`. `side`: of the cases' halves, 0 or 1; -1: of all cases.
Task make_task(const Data& data, const std::vector<Kind>& zero, Kind one, int side = -1) {
  Task task;
  for (size_t i = 0; i < data.cases.size(); ++i) {
    const Kind kind = data.cases[i].kind;
    if (side >= 0 && data.side[i] != side) continue;
    if (kind != one && std::find(zero.begin(), zero.end(), kind) == zero.end()) continue;
    task.rows.push_back(int64_t(i));
    task.labels.push_back(kind == one);
    task.groups.push_back(data.cases[i].fact->group);
  }
  task.fold = stats::grouped_folds(task.groups, data.params.at("folds"), data.input.seed);
  return task;
}

using Scores = std::vector<std::vector<double>>;  // [points][cases of a task], held out
Tensor index_of(const std::vector<int64_t>& rows) { return at::tensor(at::ArrayRef<int64_t>(rows), at::kLong); }
std::vector<SvmFit> fit(const Data& data, const Task& task, size_t place) {
  return fit_svms(data.states[place].index_select(1, index_of(task.rows)), task.labels, task.groups,
                  {.strengths = {0.3, 3, 30}, .folds = data.params.at("folds"), .seed = data.input.seed});
}

Scores held_out(const std::vector<SvmFit>& fits) {
  Scores scores;
  for (const SvmFit& fit : fits) scores.push_back(fit.scores);
  return scores;
}

double balanced(std::span<const double> scores, std::span<const int> labels) {
  std::vector<int> decided;
  for (const double s : scores) decided.push_back(s > 0);
  return stats::balanced_accuracy(decided, labels);
}

// What a machine for right answers against all others says of a task's cases: how wrong they look.
Scores restricted(const Scores& scores, const Task& task) {
  Scores result(scores.size());
  for (size_t p = 0; p < scores.size(); ++p)
    for (const int64_t i : task.rows) result[p].push_back(-scores[p][size_t(i)]);
  return result;
}

// By the point that is best on other folds, and each point's AUROC.
Json judge(const Data& data, const Task& task, const Scores& scores) {
  const auto chosen = chosen_on_other_folds(scores, task.labels, task.fold);
  Json points = Json::object();
  for (size_t p = 0; p < scores.size(); ++p) points[data.points[p]] = stats::auroc(scores[p], task.labels);
  return {{"auroc",
           stats::to_json(stats::bootstrap(chosen, task.labels, task.groups, stats::auroc, data.input.seed, "auroc"))},
          {"balanced_accuracy", balanced(chosen, task.labels)},
          {"points", points}};
}

// The class of the highest of the three scores, by the point that is best on other folds.
double three_way(const Data& data, const std::array<Scores, 3>& of) {
  Scores decided(data.points.size());
  const Task all = make_task(data, {Kind::known, Kind::unknown}, Kind::none);
  std::vector<int> kinds;
  for (const Derailed& item : data.cases) kinds.push_back(int(item.kind));
  for (size_t p = 0; p < decided.size(); ++p)
    for (size_t i = 0; i < kinds.size(); ++i) {
      const std::array<double, 3> scores = {of[0][p][i], of[1][p][i], of[2][p][i]};
      decided[p].push_back(double(std::max_element(scores.begin(), scores.end()) - scores.begin()));
    }
  const auto accuracy = [](std::span<const double> predicted, std::span<const int> actual) {
    return stats::balanced_accuracy(std::vector<int>(predicted.begin(), predicted.end()), actual);
  };
  return accuracy(chosen_on_other_folds(decided, kinds, all.fold, accuracy), kinds);
}

Json probes(const Data& data, size_t place) {
  const Task error = make_task(data, {Kind::none}, Kind::known), cause = make_task(data, {Kind::known}, Kind::unknown);
  std::array<Scores, 3> each;
  const std::array<Kind, 3> kinds = {Kind::none, Kind::known, Kind::unknown};
  for (size_t k = 0; k < 3; ++k)
    each[k] = held_out(fit(data, make_task(data, {kinds[(k + 1) % 3], kinds[(k + 2) % 3]}, kinds[k]), place));
  return {{"error", judge(data, error, held_out(fit(data, error, place)))},
          {"error_generic", judge(data, error, restricted(each[0], error))},
          {"cause", judge(data, cause, held_out(fit(data, cause, place)))},
          {"cause_generic", judge(data, cause, restricted(each[0], cause))},
          {"three_way_balanced_accuracy", three_way(data, each)}};
}

// mu_correct - mu_HK+ at the last token: [points, d_model].
Tensor gap(const Data& data, const Task& error) {
  const Tensor one = at::tensor(at::ArrayRef<int>(error.labels), at::kInt).to(at::kBool),
               x = data.states[0].index_select(1, index_of(error.rows));
  const auto mean = [&](const Tensor& mask) { return x.index_select(1, mask.nonzero().squeeze(1)).mean(1); };
  return mean(~one) - mean(one);
}

// The layers whose attention output tells HK+ from correct cases of one half well.
std::vector<Shift> fit_shifts(const Data& data, const Task& half) {
  std::vector<Shift> shifts;
  const Tensor offset = gap(data, half);
  const std::vector<SvmFit> fits = fit(data, half, 0);
  const Scores scores = held_out(fits);
  for (size_t p = 0; p < data.points.size(); ++p)
    if (data.points[p].ends_with("hook_attn_out") && balanced(scores[p], half.labels) >= useful)
      shifts.push_back({data.points[p], offset[int64_t(p)], fits[p].machine});
  return shifts;
}

// The share of right answers of some cases, derailed or closed-book, under shifts or none.
Json right(const Data& data, const std::vector<size_t>& cases, bool derailed, const std::vector<Shift>& shifts) {
  std::vector<generate::Request> requests;
  for (const size_t i : cases) {
    requests.push_back(data.cases[i].request);
    if (!derailed) requests.back().prompt.text = requests.back().prompt.without_context;
    if (!shifts.empty()) requests.back().controls.push_back(shift_control(shifts));
  }
  const auto answers = evidence::greedy_answers(data.input.model, requests, data.input.compute);
  int64_t hits = 0;
  for (size_t i = 0; i < cases.size(); ++i)
    hits += data::contains_answer(answers[i].text, data.cases[cases[i]].fact->answers);
  return stats::to_json(stats::proportion(hits, int64_t(cases.size()), "share of right answers"));
}

Json mitigation(const Data& data) {
  const Task half = make_task(data, {Kind::none}, Kind::known, 0);
  const std::vector<Shift> unit = fit_shifts(data, half);
  double alpha = data.params.at("alpha"), most = -1;
  for (const double tried : {0.5, 1.0, 2.0, 5.0}) {
    if (data.params.at("alpha") > 0 || unit.empty()) break;
    const Json share = right(data, {half.rows.begin(), half.rows.end()}, true, without_flags(scaled(unit, tried)));
    if (share.at("value") > most) most = share.at("value"), alpha = tried;
  }
  const std::vector<Shift> shifts = scaled(unit, alpha);
  Json table = {{"alpha", alpha}, {"points", Json::array()}};
  for (const Shift& shift : shifts) table["points"].push_back(shift.point);
  if (shifts.empty()) return table;
  const std::vector<Shift> always = without_flags(shifts), random = in_random_directions(always, data.input.seed);
  const std::array<const char*, 3> names = {"correct", "HK+", "HK-"};
  for (const Kind kind : {Kind::none, Kind::known, Kind::unknown}) {
    std::vector<size_t> test;
    for (size_t i = 0; i < data.cases.size(); ++i)
      if (data.side[i] == 1 && data.cases[i].kind == kind) test.push_back(i);
    table[names[size_t(kind)]] = {{"static", right(data, test, true, always)},
                                  {"dynamic", right(data, test, true, shifts)},
                                  {"random", right(data, test, true, random)},
                                  {"closed_book", right(data, test, false, {})},
                                  {"closed_book_static", right(data, test, false, always)}};
  }
  return table;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Data data = read(input, params);
  const auto n = evidence::count(data.cases);
  return {{{"derail", params.at("derail")},
           {"items", {{"correct", n[0]}, {"HK+", n[1]}, {"HK-", n[2]}}},
           {"last", probes(data, 0)},
           {"answered", probes(data, 1)},
           {"mitigation", mitigation(data)}},
          {{"correct_minus_error", gap(data, make_task(data, {Kind::none}, Kind::known))}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "wack",
              .family = "inside",
              .title = "Ignorance or error (WACK)",
              .paper = "arXiv 2410.22071",
              .sentence = "Tells from the states whether a wrong answer comes from not knowing or in spite of knowing, "
                          "and shifts attention outputs to repair the latter.",
              .params = {{"derail",
                          "bad-shots",
                          "what makes a model err on what it knows: examples with wrong answers, a story of a poor "
                          "student, or a passage that contradicts (a conflict of sources)",
                          -1e300,
                          1e300,
                          {"bad-shots", "story", "passage"}},
                         {"samples", 5, "sampled closed-book answers beside the greedy one", 0, 100},
                         {"temperature", 0.5, "of the samples", 0.01, 10},
                         {"alpha", 0.0, "strength of the shift; 0: the best of 0.5, 1, 2, 5 where it is fitted", 0,
                          100},
                         {"folds", 5, "parts of the groups", 3, 20},
                         {"max_items", 900, "facts asked at most, drawn by the seed", 60, 100000}},
              .example = "ken inside wack derail=passage",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::wack_file
