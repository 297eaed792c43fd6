// Path patching (Goldowsky-Dill et al., arXiv 2304.05969; as used by Prakash et al., arXiv 2402.14811): the effect of
// one head on the answer along one path alone. A head's output at one token is replaced by that of the corrupt prompt
// while every later head keeps its clean output, so that only MLPs and norms pass the change on; without receivers it
// is read from the logits, else from an input (q, k or v) of the receiving heads, which is then put into a clean pass:
//   effect = mean (p_patched(r) - p_clean(r)) / p_clean(r).  The most negative heads matter most.
#include "ken/base/error.h"
#include "ken/readout/contrast.h"
#include "ken/readout/heads.h"
#include "ken/stats/stats.h"

namespace ken::readout::path_patching_file {
namespace {

Point input_point(const std::string& name) { return name == "q" ? Point::q : name == "k" ? Point::k : Point::v; }

// The token of each pair that bears the place's name: of several the last. Pairs without one are left out.
std::vector<int64_t> tokens_at(const Contrasts& c, const std::string& place, std::vector<size_t>& pairs) {
  std::vector<int64_t> result;
  for (size_t i = 0; i < c.pairs.size(); ++i)
    for (int64_t t = int64_t(c.clean[i].size()) - 1; t >= 0; --t) {
      const int at = place_of(c, i, t);
      if (at < 0 || place_names()[size_t(at)] != place) continue;
      result.push_back(t);
      pairs.push_back(i);
      break;
    }
  return result;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Contrasts c = contrasts(input, pair_options(params));
  const Receivers receivers{heads_from(params.at("receivers"), input.model.config), input_point(params.at("input"))};
  std::vector<size_t> pairs;
  const auto positions = tokens_at(c, params.at("place"), pairs);
  if (pairs.size() < 10)
    fail("path-patching", "{} pairs have a token that is '{}'; name another place", pairs.size(),
         params.at("place").get<std::string>());
  std::vector<std::vector<int32_t>> clean, corrupt;
  std::vector<int32_t> right;
  for (const size_t i : pairs)
    clean.push_back(c.clean[i]), corrupt.push_back(c.corrupt[i]), right.push_back(c.right[i]);
  SavedRun clean_run(input.model, clean, {Point::z}, input.compute),
      corrupt_run(input.model, corrupt, {Point::z}, input.compute);
  const Tensor effect =
      path_effects(input.model, clean_run, corrupt_run, right, positions, receivers, input.compute, input.progress);
  Json rows = Json::array(), top = Json::array();
  for (int64_t l = 0; l < effect.size(0); ++l) {
    Json row = Json::array();
    for (int64_t h = 0; h < effect.size(1); ++h) row.push_back(effect[l][h].item<double>());
    rows.push_back(std::move(row));
  }
  for (const Head& head : strongest(effect, params.at("top").get<size_t>()))
    top.push_back({{"head", head.name()}, {"effect", effect[head.layer][head.head].item<double>()}});
  return {{{"id", "path-patching"},
           {"reads",
            "The relative change of the answer's probability when one head alone gives what it gave in the "
            "other prompt, along the chosen path."},
           {"pairs", pairs.size()},
           {"place", params.at("place")},
           {"receivers", params.at("receivers").get<std::string>().empty() ? Json("logits") : params.at("receivers")},
           {"effect", rows},
           {"strongest", top}},
          {{"effect", effect}}};
}

std::vector<Param> params() {
  std::vector<Param> result = pair_params();
  result.push_back({"receivers", "", "heads that receive, as layer.head separated by blanks; empty: the logits"});
  result.push_back({"input", "q", "the receivers' input that is patched", -1e300, 1e300, {"q", "k", "v"}});
  result.push_back({"place", "last token", "the token at which senders are patched", -1e300, 1e300, place_names()});
  result.push_back({"top", 8, "heads listed", 1, 1000});
  return result;
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "path-patching",
              .family = "inside",
              .title = "Path patching",
              .paper = "arXiv 2304.05969",
              .sentence = "Finds the heads whose output reaches the answer, directly or through other heads.",
              .params = params(),
              .example = "ken inside path-patching pairs=passage max_pairs=40",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::path_patching_file
