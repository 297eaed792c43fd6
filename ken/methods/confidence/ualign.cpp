// UAlign's two estimates of what a model knows (Xue et al., arXiv 2412.11803): K answers to one question, each behind a
// different worked example, at a low temperature.
//   confidence:  c = share of the K answers that are right: the label that UAlign's predictors and policy are trained
//                with. It reads the accepted answers, so it is no score to act on
//   entropy:     e = -sum_c p_c log p_c over the meanings of the K answers, in nats
//   agreement:   the share of the most frequent meaning: c without knowing what is right
#include <algorithm>
#include <map>

#include "ken/evidence/equivalence.h"
#include "ken/evidence/evidence.h"
#include "ken/evidence/shots.h"

namespace ken::evidence::ualign_file {
namespace {

std::string id_of(int64_t k, const Json& params) {
  return fmt::format("ualign {} at {}", k, params.at("temperature").dump());
}

std::vector<FollowUp> follow(const Question& q, const View&, const Json& params) {
  if (q.style.examples.empty())
    fail_usage("ualign",
               "each answer stands behind another worked example, and there are none; give facts to draw from");
  std::vector<FollowUp> asked;
  for (int64_t k = 0; k < params.at("prompts").get<int64_t>(); ++k) {
    const data::Fact& f = q.fact;
    asked.push_back({id_of(k, params),
                     data::ask(one_shot(q.style, size_t(k)), {f.question, f.beginning, f.id, f.subject, f.group}),
                     {},
                     params.at("temperature")});
  }
  return asked;
}

double score(const View& view, const Json& params) {
  const auto k = params.at("prompts").get<int64_t>();
  std::vector<std::string> answers;
  for (int64_t i = 0; i < k; ++i) answers.push_back(view.reply(id_of(i, params)).text);
  const std::string of = params.at("of");
  if (of == "confidence")
    return double(std::count_if(answers.begin(), answers.end(),
                                [&](const auto& answer) { return data::same_answer(answer, view.aliases()); })) /
           double(k);
  std::map<int, double> mass;
  for (const int cluster : cluster_answers(answers)) mass[cluster] += 1 / double(k);
  double most = 0, entropy = 0;
  for (const auto& [cluster, p] : mass) most = std::max(most, p), entropy -= p * std::log(p);
  return of == "agreement" ? most : -entropy;
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "ualign",
              .family = "confidence",
              .title = "UAlign's estimates",
              .paper = "arXiv 2412.11803",
              .sentence = "How far answers behind different worked examples agree, are right, or scatter.",
              .params = {{"of",
                          "agreement",
                          "agreement of the answers, minus their entropy, or the share that is right (a label)",
                          -1e300,
                          1e300,
                          {"agreement", "entropy", "confidence"}},
                         {"prompts", 10, "worked examples, one an answer", 2, 1000},
                         {"temperature", 0.2, "of the sampling", 0, 10}},
              .example = "ken confidence gather --limit 50 -e ualign:of=entropy -o ualign",
              .direction = "higher is surer"},
     .needs = [](const Json&) { return Needs{.greedy = true}; },
     .score = score,
     .follow = follow}};

}  // namespace
}  // namespace ken::evidence::ualign_file
