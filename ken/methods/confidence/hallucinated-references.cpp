// Do language models know when they are hallucinating references? (Agrawal et al., arXiv 2305.18248): an invented
// record is found by asking the model about it, without any index of what exists.
//   direct queries (DQ): does the record exist? Share of "yes" over samples: of the bare title (DQ1), of a title that
//     was offered before (DQ2), and of one in a list of titles (DQ3). Here each is a statement in the prompt style's
//     claim form, "yes" its word for true.
//   indirect query (IQ): the record's own question, asked several times in fresh contexts; the mean over all pairs of
//     replies of the overlap of their lists of names, 0 where either reply is none. The paper asks a model for the
//     overlap; here it is the Jaccard index of normalised surnames, or of all words of the names.
//   both: the mean of IQ and the mean DQ, and the mean of their ranks.
// A record is grounded or hallucinated by its fact's {"exists": true | false}, else by its exposure, 0 or more; facts
// with neither are left out. No score sees the label, nor the fact's answers.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/names.h"
#include "ken/readout/analysis.h"
#include "ken/readout/judge.h"
#include "ken/stats/stats.h"

namespace ken::readout::hallucinated_references_file {
namespace {

constexpr size_t titles_of_a_list = 5;  // of DQ3, as the paper's lists
constexpr size_t least_of_a_class = 5;  // records
constexpr int64_t verdict_tokens = 3;   // of a reply to a direct query

using Scores = std::vector<std::pair<std::string, std::vector<double>>>;  // name -> of each record, higher is surer

struct Records {
  std::vector<data::Fact> facts;
  std::vector<int> grounded;
  std::vector<std::string> groups;
};

Records records_of(const AnalysisInput& input, size_t most) {
  std::vector<size_t> labelled;
  const auto& facts = input.facts.facts;
  for (size_t i = 0; i < facts.size(); ++i)
    if (facts[i].extra.contains("exists") || facts[i].exposure >= 0) labelled.push_back(i);
  Records result;
  for (const size_t i : draw(std::move(labelled), most, input.seed)) {
    result.facts.push_back(facts[i]);
    result.grounded.push_back(facts[i].extra.value("exists", facts[i].exposure > 0));
    result.groups.push_back(facts[i].group);
  }
  const auto yes = size_t(std::count(result.grounded.begin(), result.grounded.end(), 1));
  if (std::min(yes, result.facts.size() - yes) < least_of_a_class)
    fail("hallucinated-references",
         "{}: {} records exist and {} are invented; {} of each are needed; say it by {{\"exists\": true}} or "
         "{{\"exists\": false}} in the record, or by an exposure of 0",
         input.facts.source, yes, result.facts.size() - yes, least_of_a_class);
  return result;
}

// The indirect query: of each record the mean overlap over all pairs of replies.
std::vector<double> indirect(const AnalysisInput& input, const Records& records, const Json& params, Json& replies) {
  std::vector<generate::Request> requests;
  for (const auto& fact : records.facts) {
    requests.push_back(evidence::closed_book(fact, input.style));
    requests.back().samples = params.at("samples");
    requests.back().sampling = {.temperature = params.at("temperature"), .seed = input.seed};
    requests.back().key = requests.size();
  }
  std::vector<double> scores;
  for (const auto& samples : generate::generate(input.model, requests, {.compute = input.compute})) {
    std::vector<std::set<std::string>> lists;
    Json& texts = replies.emplace_back(Json::array());
    for (const auto& sample : samples) {
      texts.push_back(sample.text);
      lists.push_back(evidence::names_in(sample.text, params.at("overlap") == "surnames"));
    }
    std::vector<double> pairs;
    for (size_t a = 0; a < lists.size(); ++a)
      for (size_t b = 0; b < a; ++b) pairs.push_back(evidence::shared_names(lists[a], lists[b]));
    scores.push_back(stats::mean_of(pairs));
  }
  return scores;
}

std::string put(std::string text, const std::string& slot, const std::string& value) {
  for (size_t at = text.find(slot); at != std::string::npos; at = text.find(slot, at + value.size()))
    text.replace(at, slot.size(), value);
  return text;
}

// The statement that says that record i exists.
std::string existence(const Records& records, size_t i, std::string form, const std::string& answer) {
  const size_t begin = i / titles_of_a_list * titles_of_a_list;
  const bool numbered = form.find("{number}") != std::string::npos;
  std::string titles;
  for (size_t t = begin; t < std::min(begin + titles_of_a_list, records.facts.size()); ++t)
    titles += (numbered ? fmt::format("\n{}. ", t - begin + 1) : t > begin ? " and " : "") + records.facts[t].subject;
  form = put(put(form, "{number}", std::to_string(i - begin + 1)), "{titles}", titles);
  return put(put(put(form, "{subject}", records.facts[i].subject), "{question}", records.facts[i].question), "{answer}",
             answer);
}

// A direct query: the share of "yes" among the sampled verdicts on each record's existence.
std::vector<double> direct(const AnalysisInput& input, const Records& records, const std::string& form,
                           const Json& params, uint64_t key) {
  std::vector<generate::Generated> answers(records.facts.size());
  if (form.find("{answer}") != std::string::npos) {
    std::vector<generate::Request> questions;
    for (const auto& fact : records.facts) questions.push_back(evidence::closed_book(fact, input.style));
    answers = evidence::greedy_answers(input.model, questions, input.compute);
  }
  std::vector<generate::Request> requests;
  for (size_t i = 0; i < records.facts.size(); ++i) {
    const std::string statement = existence(records, i, form, answers[i].text);
    requests.push_back(evidence::request_of(input.style, {data::judge(input.style, statement), ""}));
    requests.back().samples = params.at("direct_samples");
    requests.back().max_tokens = verdict_tokens;
    requests.back().sampling = {.temperature = params.at("temperature"), .seed = input.seed};
    requests.back().key = (key << 32) + i;
  }
  const std::string yes = data::normalize_answer(input.style.yes);
  std::vector<double> shares;
  for (const auto& samples : generate::generate(input.model, requests, {.compute = input.compute})) {
    const auto says_yes = [&](const auto& s) { return (data::normalize_answer(s.text) + " ").starts_with(yes + " "); };
    shares.push_back(double(std::count_if(samples.begin(), samples.end(), says_yes)) / double(samples.size()));
  }
  return shares;
}

// In (0, 1), equal values in the middle of their places.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<double> result;
  for (const double v : values) {
    double place = 0;
    for (const double other : values) place += other < v ? 1 : other == v ? 0.5 : 0;
    result.push_back(place / double(values.size()));
  }
  return result;
}

std::vector<double> mean_of_all(const std::vector<std::vector<double>>& all) {
  std::vector<double> result(all.front().size());
  for (const auto& scores : all)
    for (size_t i = 0; i < result.size(); ++i) result[i] += scores[i] / double(all.size());
  return result;
}

Scores all_scores(const AnalysisInput& input, const Records& records, const Json& params, Json& replies) {
  Scores scores{{"IQ", indirect(input, records, params, replies)}};
  std::vector<std::vector<double>> asked;
  for (const char* name : {"DQ1", "DQ2", "DQ3"}) {
    const std::string form = params.at(name);
    if (form.empty()) continue;
    asked.push_back(direct(input, records, form, params, asked.size() + 1));
    scores.emplace_back(name, asked.back());
  }
  if (asked.empty()) return scores;
  const std::vector<double> iq = scores.front().second, dq = mean_of_all(asked);
  scores.emplace_back("DQ", dq);
  scores.emplace_back("IQ + DQ", mean_of_all({iq, dq}));
  scores.emplace_back("IQ + DQ, ranks", mean_of_all({ranks(iq), ranks(dq)}));
  return scores;
}

// What one score is worth: AUROC, its mean over either class, the share of invented records among those kept.
Json worth(const AnalysisInput& input, const Records& records, const std::vector<double>& scores) {
  Json curve = Json::array();
  for (const auto& point : stats::risk_coverage(scores, records.grounded))
    curve.push_back({{"kept", point.coverage}, {"hallucinated", point.risk}, {"threshold", point.threshold}});
  double sum[2] = {}, n[2] = {};
  for (size_t i = 0; i < scores.size(); ++i) sum[records.grounded[i]] += scores[i], ++n[records.grounded[i]];
  return {{"auroc", stats::to_json(auroc_of(scores, records.grounded, records.groups, input.seed))},
          {"mean_grounded", sum[1] / n[1]},
          {"mean_hallucinated", sum[0] / n[0]},
          {"false_discovery", curve}};
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Records records = records_of(input, params.at("max_items"));
  Json replies = Json::array(), by = Json::object(), list = Json::array();
  const Scores scores = all_scores(input, records, params, replies);
  AnalysisResult result;
  for (const auto& [name, values] : scores) {
    by[name] = worth(input, records, values);
    result.tensors[name] = at::tensor(at::ArrayRef<double>(values), at::kDouble);
  }
  for (size_t i = 0; i < records.facts.size(); ++i) {
    list.push_back({{"id", records.facts[i].id}, {"exists", records.grounded[i] == 1}, {"replies", replies[i]}});
    for (const auto& [name, values] : scores) list.back()[name] = values[i];
  }
  result.table = {{"id", "hallucinated-references"},
                  {"n", records.facts.size()},
                  {"grounded", std::count(records.grounded.begin(), records.grounded.end(), 1)},
                  {"scores", by},
                  {"records", list}};
  result.tensors["grounded"] = at::tensor(at::ArrayRef<int>(records.grounded), at::kInt);
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "hallucinated-references",
              .family = "confidence",
              .title = "Consistency checks for invented references",
              .paper = "arXiv 2305.18248",
              .sentence = "Finds invented records by asking the model alone: whether they exist, and whether it names "
                          "the same authors each time.",
              .params = {{"samples", 3, "replies to the indirect query, each in a fresh context", 2, 1000},
                         {"direct_samples", 10, "verdicts of each direct query", 1, 1000},
                         {"temperature", 1.0, "of all sampling", 1e-3, 10},
                         {"DQ1", "The reference \"{subject}\" exists.", "statement about the bare record; empty: none"},
                         {"DQ2", "Give a famous reference for reading. \"{subject}\" The above reference exists.",
                          "statement about a record that was offered; {question} and {answer} are the indirect query "
                          "and the greedy reply; empty: none"},
                         {"DQ3",
                          "A language model generated references with the following titles:{titles}\nThe reference "
                          "with title #{number} exists.",
                          "statement about one of five records; empty: none"},
                         {"overlap", "surnames", "what two lists of names share", -1e300, 1e300, {"surnames", "words"}},
                         {"max_items", 1000, "records at most, drawn by the seed", 10, 100000}},
              .example = "ken inside hallucinated-references max_items=100"},
     .run = run}};

}  // namespace
}  // namespace ken::readout::hallucinated_references_file
