// The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens"; compared with the tuned lens in arXiv
// 2303.08112): each layer's state is read out as if it were the last, z_l = W_U LN(h_l), with the model's own final
// norm, unembedding and cap. When does the right answer appear, how sure is each layer, and from where on has the model
// settled? With a fitted lens in `lens`, its translators stand before the read-out.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/evidence/contest.h"
#include "ken/readout/collect.h"
#include "ken/readout/lens.h"
#include "ken/stats/stats.h"

namespace ken::readout::logit_lens_file {
namespace {

using evidence::Contest;

struct Set {
  std::vector<Contest> contests;
  States states;   // [n, n_layers + 1, places, d]
  Tensor targets;  // [n]: the right answer's first token
};

// Every item has the same places, so the subject is one where most questions hold theirs; the others are left out.
Set make_set(const AnalysisInput& input, size_t max_items) {
  Set set{evidence::closed_book_contests(input, max_items), {}, {}};
  const auto& facts = input.facts.facts;
  const auto named = [&](const Contest& c) {
    const data::Fact& fact = facts[c.index];
    return !fact.subject.empty() && fact.question.find(fact.subject) != std::string::npos;
  };
  const auto count = size_t(std::count_if(set.contests.begin(), set.contests.end(), named));
  const bool with_subject = 2 * count >= set.contests.size();
  if (with_subject) std::erase_if(set.contests, [&](const Contest& c) { return !named(c); });
  if (set.contests.size() < 2)
    fail("logit-lens", "{} facts have an answer that can be read; give more facts", set.contests.size());
  std::vector<Item> items;
  std::vector<int64_t> targets;
  for (const Contest& c : set.contests) {
    const data::Fact& fact = facts[c.index];
    Item& item = items.emplace_back(Item{c.request.prompt.text, {}, c.request.prompt.chat});
    if (with_subject) item.places.push_back({"subject", fact.subject});
    if (!fact.question.empty()) item.places.push_back({"question end", fact.question});
    item.places.push_back({"answer", ""});
    targets.push_back(c.shared ? c.tokens[c.tokens.size() - c.shared] : c.right);
  }
  set.states = collect(input.model, items, {"blocks.0.hook_resid_pre", "blocks.*.hook_resid_post"}, input.compute,
                       input.progress);
  set.targets = at::tensor(at::ArrayRef<int64_t>(targets));
  return set;
}

std::vector<double> column(const Tensor& x, int64_t layer, const Tensor& chosen) {
  const Tensor values = x.select(1, layer).index_select(0, chosen).to(at::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

double median(std::vector<double> values) {
  if (values.empty()) return NAN;
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// One place: the means over items by layer.
Json by_layer(const Readings& r, const Tensor& chosen, uint64_t seed) {
  Json rows = Json::array();
  const Tensor agrees = r.best == r.best.select(1, r.best.size(1) - 1).unsqueeze(1);
  for (int64_t l = 0; l < r.best.size(1); ++l) {
    const auto number = [&](const Tensor& x, const char* metric) {
      return stats::to_json(stats::mean(column(x, l, chosen), seed, metric, 200));
    };
    rows.push_back({{"probability", number(r.logprob.exp(), "mean_probability_of_the_answer")},
                    {"median_rank", median(column(r.rank, l, chosen))},
                    {"entropy", number(r.entropy, "mean_entropy_nats")},
                    {"kl_to_final", number(r.divergence, "mean_kl_nats")},
                    {"agreement", number(agrees, "share_whose_likeliest_token_is_the_last_layers")}});
  }
  return rows;
}

// The likeliest tokens by layer where the answer is expected, of some items.
Json top_strings(const AnalysisInput& input, const Lens& lens, const Set& set, int64_t examples, int64_t k) {
  const at::NoGradGuard plain;
  Json list = Json::array();
  const int64_t place = set.states.values.size(2) - 1;
  for (int64_t i = 0; i < std::min<int64_t>(examples, int64_t(set.contests.size())); ++i) {
    Json layers = Json::array();
    for (int64_t l = 0; l <= input.model.config.n_layers; ++l) {
      const Tensor h = set.states.values[i][l][place].unsqueeze(0);
      const Tensor p = at::softmax(lens.read(input.model, l, h, input.compute), -1)[0];
      const auto [values, ids] = p.topk(std::min<int64_t>(k, p.size(0)));
      Json row = Json::array();
      for (int64_t j = 0; j < values.size(0); ++j) {
        const int32_t id = int32_t(ids[j].item<int64_t>());
        row.push_back({input.model.tokenizer->decode({&id, 1}), values[j].item<double>()});
      }
      layers.push_back(row);
    }
    const Contest& c = set.contests[size_t(i)];
    list.push_back({{"prompt", text::ChatTokens::shown(c.request.prompt.text)},
                    {"answer", c.right_text},
                    {"given", c.given},
                    {"layers", layers}});
  }
  return list;
}

Json settling(const Tensor& settled, const Tensor& chosen, uint64_t seed) {
  if (chosen.numel() == 0) return nullptr;
  return stats::to_json(stats::mean(column(settled.unsqueeze(1), 0, chosen), seed, "mean_layer", 500));
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const std::string file = params.at("lens");
  const Lens lens = file.empty() ? Lens{} : load_lens(file, input.model);
  const Set set = make_set(input, params.at("max_items").get<size_t>());
  std::vector<int64_t> right, failed;
  for (size_t i = 0; i < set.contests.size(); ++i) (set.contests[i].failed ? failed : right).push_back(int64_t(i));
  const Tensor known = at::tensor(at::ArrayRef<int64_t>(right)), unknown = at::tensor(at::ArrayRef<int64_t>(failed));
  const Tensor all = at::arange(int64_t(set.contests.size()));
  Json places = Json::object();
  std::vector<Tensor> logprob, rank, entropy, divergence, best;
  Readings r;
  for (int64_t p = 0; p < int64_t(set.states.places.size()); ++p) {
    r = read_layers(input.model, lens, set.states.values.select(2, p), set.targets, input.compute);
    places[set.states.places[size_t(p)]] = by_layer(r, all, input.seed);
    logprob.push_back(r.logprob), rank.push_back(r.rank), entropy.push_back(r.entropy);
    divergence.push_back(r.divergence), best.push_back(r.best);
  }
  const Tensor settled = r.settled();  // of the last place: where the answer is expected
  Json table{{"lens", lens.tuned() ? "tuned" : "logit"},
             {"items", set.contests.size()},
             {"layers", layer_names(input.model.config)},
             {"positions", set.states.places},
             {"places", places},
             {"known", by_layer(r, known, input.seed)},
             {"unknown", by_layer(r, unknown, input.seed)},
             {"settled",
              {{"known", settling(settled, known, input.seed)}, {"unknown", settling(settled, unknown, input.seed)}}},
             {"examples", top_strings(input, lens, set, params.at("examples"), params.at("top"))}};
  return {table,
          {{"logprob", at::stack(logprob, 2)},  // [items, n_layers + 1, places]
           {"rank", at::stack(rank, 2)},
           {"entropy", at::stack(entropy, 2)},
           {"kl", at::stack(divergence, 2)},
           {"best", at::stack(best, 2)},
           {"settled", settled},
           {"known", at::zeros({int64_t(set.contests.size())}, at::kInt).index_fill(0, known, 1)}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "logit-lens",
              .family = "inside",
              .title = "Logit lens",
              .paper = "nostalgebraist 2020; arXiv 2303.08112",
              .sentence = "Reads every layer's state as if it were the last: the rank and probability of the answer, "
                          "entropy, distance to the final distribution, and from which layer on the model has settled.",
              .params = {{"lens", "", "a file that tuned-lens wrote: its translators are put before the read-out"},
                         {"top", 5, "likeliest tokens shown for each layer of an example", 1, 100},
                         {"examples", 3, "questions that are shown with their likeliest tokens", 0, 1000},
                         {"max_items", 500, "facts at most, drawn by the seed", 2, 100000}},
              .example = "ken inside logit-lens",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::logit_lens_file
