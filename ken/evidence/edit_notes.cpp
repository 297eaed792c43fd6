#include "ken/evidence/edit_notes.h"

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/data/notes.h"
#include "ken/stats/stats.h"

namespace ken::evidence {

std::vector<generate::Generated> answers_to(const model::Model& model, const std::vector<Expected>& questions,
                                            const std::vector<generate::ControlSpec>& controls) {
  std::vector<generate::Request> requests;
  for (const Expected& q : questions) {
    requests.push_back(q.request);
    requests.back().controls = controls;
  }
  return greedy_answers(model, requests, nn::Compute::f32);
}

double share_right(const std::vector<Expected>& questions, const std::vector<generate::Generated>& given) {
  double hits = 0;
  for (size_t i = 0; i < given.size(); ++i) hits += data::same_answer(given[i].text, questions[i].answers);
  return hits / double(given.size());
}

EditNotes edit_notes(const model::Model& model, const std::vector<const data::Fact*>& facts, size_t count, size_t most,
                     const data::PromptStyle& style, uint64_t seed) {
  Rng rng(seed);
  std::map<std::string, std::vector<std::string>> values;
  std::vector<std::string> groups;
  for (const data::Fact* f : facts) {
    values[f->relation].push_back(f->answers.front());
    groups.push_back(f->group);
  }
  EditNotes result;
  for (size_t i = 0; i < std::min(count, facts.size()); ++i) {
    const data::Fact& fact = *facts[i];
    auto others = values[fact.relation];
    std::erase_if(others, [&](const std::string& v) { return data::same_answer(v, fact.answers); });
    if (others.empty()) fail("facts", "all facts of relation '{}' have one answer; none can be edited", fact.relation);
    result.values[&fact] = others[rng.below(others.size())];
    result.notes.push_back(statement_with(fact, result.values[&fact]));
  }
  const std::vector<int> folds = stats::grouped_folds(groups, 4, seed);
  std::vector<size_t> order = draw(facts.size(), facts.size(), 0);
  rng.shuffle(order);  // so that the questions of a kind are not those of the facts that came first
  const auto add = [&](const std::string& kind, generate::Request request, const std::string& expected,
                       const std::string& note) {
    if (auto& list = result.questions[kind]; list.size() < most) list.push_back({std::move(request), {expected}, note});
  };
  for (const size_t i : order) {
    const data::Fact& fact = *facts[i];
    const std::string part = folds[i] == 0 ? "choice " : "";
    const auto edit = result.values.find(&fact);
    if (edit == result.values.end()) {
      add(part + "kept", closed_book(fact, style), "", "");
      continue;
    }
    const std::string note = statement_with(fact, edit->second);
    add(part + "edited", closed_book(fact, style), edit->second, note);
    for (const auto& variant : fact.variants)
      if (variant.kind == "paraphrase") add(part + "paraphrase", as_variant(fact, variant, style), edit->second, note);
  }
  for (const char* kind : {"choice kept", "kept"}) {
    auto& kept = result.questions[kind];
    const auto plain = answers_to(model, kept, {});
    for (size_t i = 0; i < kept.size(); ++i) kept[i].answers = {plain[i].text};
  }
  return result;
}

double notes_found(const EditNotes& made, const std::string& kind, size_t k, bool names) {
  const data::Notes notes(made.notes);
  const auto& questions = made.questions.at(kind);
  double hits = 0;
  for (const auto& q : questions)
    hits += notes.joined(notes.nearest(q.request.prompt.question, k, names)).find(q.note) != std::string::npos;
  return hits / double(questions.size());
}

double share_right_beside_note(const model::Model& model, std::vector<Expected> questions,
                               const std::string& instruction) {
  for (auto& q : questions)
    q.request.prompt.text = q.request.prompt.beside(q.note + (instruction.empty() ? "" : " " + instruction));
  return share_right(questions, answers_to(model, questions, {}));
}

Json best_reading(const model::Model& model, const EditNotes& made, const std::string& control,
                  const std::vector<Json>& settings) {
  const auto &in = made.questions.at("choice edited"), &out = made.questions.at("choice kept");
  const auto in_plain = answers_to(model, in, {}), out_plain = answers_to(model, out, {});
  Json best;
  double most_eq = -1;
  for (Json params : settings) {
    params["margin"] = -1e9;  // always reads; what a higher margin leaves closed-book is known without asking again
    const std::vector<generate::ControlSpec> reading{generate::control_from(control, params)};
    const auto in_read = answers_to(model, in, reading), out_read = answers_to(model, out, reading);
    for (const double margin : {-3.0, -1.0, -0.5, -0.2, -0.1, -0.05, -0.03, -0.02, -0.015, -0.01, -0.007, -0.005,
                                -0.002, 0.05, 0.3, 1.0, 2.0, 4.0}) {
      const auto rate = [&](const auto& questions, auto read, const auto& plain) {
        for (size_t i = 0; i < read.size(); ++i)
          if (read[i].notes.at("answerable")[0] < margin) read[i] = plain[i];
        return share_right(questions, read);
      };
      const double es = rate(in, in_read, in_plain), bp = rate(out, out_read, out_plain);
      const double eq = es + bp == 0 ? 0 : 2 * es * bp / (es + bp);
      if (eq > most_eq) most_eq = eq, best = params, best["margin"] = margin;
    }
  }
  return best;
}

}  // namespace ken::evidence
