// CK-PLUG's claim (arXiv 2503.15888; conflict.md section 3) on conflicts with facts that the model knows: the dial
// moves the memory answers without making others, the adaptive mode does no harm, and without the gate answers fall
// apart.
#include "ken/evidence/passage_judge.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::ck_plug_claim_file {
namespace {

using evidence::PassageJudge;
using Part = PassageJudge::Part;

PassageJudge::Controls plug(Json params) { return {generate::control_from("ck-plug", params)}; }

// Gate and head are a model's own: of the paper's rule at several epsilon and of the released code's, each with the
// paper's head and with one of the relative threshold alone, those whose dial moves most memory answers on the part for
// choices, among those that bring no more answers of neither source and keep answers whole at both ends.
Json chosen_gate(const PassageJudge& judge) {
  const auto plain = judge.conflict(Part::choice, {});
  const auto harmless = [&](const PassageJudge::Sources& s) {
    return s.neither <= plain.neither && s.fluency.behind >= plain.fluency.behind - 0.1;
  };
  Json best = {{"epsilon", 0.0}};
  double most = -1;
  for (const int top : {10, 1})
    for (Json gate : {Json{{"epsilon", -1.0}}, Json{{"epsilon", -0.3}}, Json{{"epsilon", -0.1}},
                      Json{{"epsilon", -0.02}}, Json{{"kappa", 1.0}}}) {
      gate["top"] = top, gate["alpha"] = 0.0;
      const auto passage = judge.conflict(Part::choice, plug(gate));
      gate["alpha"] = 1.0;
      const auto memory = judge.conflict(Part::choice, plug(gate));
      if (memory.memory - passage.memory <= most || !harmless(passage) || !harmless(memory)) continue;
      best = gate, most = memory.memory - passage.memory;
      best.erase("alpha");
    }
  return best;
}

// True answers over all three kinds of passages alike.
double right(const PassageJudge& judge, const PassageJudge::Controls& controls) {
  double sum = 0;
  for (const char* kind : {"conflict", "agree", "irrelevant"}) sum += judge.right(Part::judged, kind, controls);
  return sum / 3;
}

std::vector<Figure> run(const ClaimInput& input) {
  const PassageJudge judge(input.model, input.facts, input.style, input.seed);
  const Json gate = chosen_gate(judge);
  const auto set = [&](const Json& more) {
    Json params = gate;
    params.update(more);
    return plug(params);
  };
  const auto plain = judge.conflict(Part::judged, {}), passage = judge.conflict(Part::judged, set({{"alpha", 0.0}})),
             half = judge.conflict(Part::judged, set({{"alpha", 0.5}})),
             memory = judge.conflict(Part::judged, set({{"alpha", 1.0}})),
             open = judge.conflict(Part::judged, set({{"alpha", 0.0}, {"epsilon", 1e6}})),
             published = judge.conflict(Part::judged, plug({{"alpha", 0.0}}));
  const double agree = judge.right(Part::judged, "agree", {});
  const auto adaptive = set({{"mode", "adaptive"}});
  return {
      {"memory answers, alpha 1 minus alpha 0", "share", memory.memory - passage.memory, ">=", 0.4, false, 0.0},
      {"neither, worse of alpha 0 and 1, minus plain", "share",
       std::max(memory.neither, passage.neither) - plain.neither, "<=", 0.01, true},
      {"logprob a token behind the first, worse of alpha 0 and 1, minus plain", "nats",
       std::min(memory.fluency.behind, passage.fluency.behind) - plain.fluency.behind, ">=", -0.1, true},
      {"right over conflict, agreeing and irrelevant passages, adaptive minus plain", "share",
       right(judge, adaptive) - right(judge, {}), ">=", 0.0, false},
      {"neither at alpha 0, without the gate minus with it", "share", open.neither - passage.neither, ">=", 0.0, false},
      {"MR, plain", "ratio", plain.memory_ratio()},
      {"MR, alpha 0", "ratio", passage.memory_ratio()},
      {"MR, alpha 0.5", "ratio", half.memory_ratio()},
      {"MR, alpha 1", "ratio", memory.memory_ratio()},
      {"MR, adaptive", "ratio", judge.conflict(Part::judged, adaptive).memory_ratio()},
      {"ConR, plain", "share", plain.holds_context},
      {"ConR, alpha 0", "share", passage.holds_context},
      {"ConR, alpha 1", "share", memory.holds_context},
      {"ParR, plain", "share", plain.holds_memory},
      {"ParR, alpha 0", "share", passage.holds_memory},
      {"ParR, alpha 1", "share", memory.holds_memory},
      {"neither, plain", "share", plain.neither},
      {"neither at alpha 0, epsilon 0 and the paper's head of ten tokens", "share", published.neither, "", 0, true},
      {"logprob a token, first ones included, worse of alpha 0 and 1, minus plain", "nats",
       std::min(memory.fluency.all, passage.fluency.all) - plain.fluency.all, "", 0, true},
      {"head chosen, tokens", "tokens", gate.value("top", 10.0)},
      {"gate chosen, epsilon", "nats", gate.value("epsilon", 0.0)},
      {"gate chosen, kappa", "", gate.value("kappa", 0.0)},
      {"right beside an agreeing passage, alpha 0 minus plain", "share",
       judge.right(Part::judged, "agree", set({{"alpha", 0.0}})) - agree, "", 0, true},
      {"right beside an agreeing passage, alpha 1 minus plain", "share",
       judge.right(Part::judged, "agree", set({{"alpha", 1.0}})) - agree, "", 0, true},
      {"questions under conflict", "questions", double(plain.n)}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "ck-plug",
              .family = "steer",
              .sentence = "Between alpha 0 and 1 the share of memory answers under conflict moves by 40 points or more "
                          "without more answers of neither source (the paper's memory ratio went from 9.9 to 71.9 on "
                          "NQ with Llama-3-8B), the adaptive mode is not below plain, and without the gate answers of "
                          "neither source rise."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::ck_plug_claim_file
