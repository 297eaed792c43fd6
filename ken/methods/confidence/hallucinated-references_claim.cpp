// Invented references on the almanac. Books: "who wrote TITLE ?" was asked in documents about half of the persons;
// invented are titles that no document gives a person as a book. Reports: documents name the same two authors of a
// stable report each time; invented titles asked for in the same words stand against them, and reports whose authors
// change from one document to the next. What exists is memorised where many documents state it; beside that stand
// existing books of all frequencies, and books whose authors documents state but never in this direction.
// The bars stand on the indirect query, the paper's finding. No document asks whether a title exists, so the direct
// queries are statements made of words that documents hold; DQ3 is left out, as the language has no numbering.
#include "ken/base/rng.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::hallucinated_references_claim_file {
namespace {

constexpr size_t most_of_a_class = 120;
constexpr int64_t often = 41;  // documents that state what is memorised: where the world's histogram of exposures ends

data::Fact record(const data::Fact& of, const std::string& title, const std::string& question, bool exists) {
  data::Fact fact{.id = title, .subject = title, .question = question};
  fact.exposure = of.exposure, fact.group = title, fact.extra["exists"] = exists;
  return fact;
}

struct Almanac {
  std::vector<data::Fact> asked, unasked, invented;  // books: asked in this direction in documents, or not; of nobody
  std::vector<data::Fact> stable, changing;          // reports
};

Almanac read(const data::FactSet& facts) {
  Almanac all;
  for (const auto& fact : facts.facts) {
    if (fact.relation == "report_authors" && fact.exposure > 0) {
      const bool stable = fact.extra.value("stable", true);
      (stable ? all.stable : all.changing).push_back(record(fact, fact.subject, fact.question, stable));
    }
    for (const auto& variant : fact.variants) {
      if (variant.kind != "reversed" || fact.exposure < 0) continue;
      const bool asked = fact.extra.value("reversed_trained", false);
      auto& books = fact.exposure == 0 ? all.invented : asked ? all.asked : all.unasked;
      books.push_back(record(fact, fact.answers.front(), variant.question, fact.exposure > 0));
    }
  }
  return all;
}

std::vector<data::Fact> memorised(std::vector<data::Fact> records) {
  std::erase_if(records, [](const data::Fact& fact) { return fact.exposure < often; });
  return records;
}

// Invented titles, asked for as reports.
std::vector<data::Fact> as_reports(const Almanac& all) {
  std::vector<data::Fact> result;
  const data::Fact& report = all.stable.front();
  for (const auto& fact : all.invented)
    result.push_back(
        record(fact, fact.subject, data::replace_words(report.question, report.subject, fact.subject), false));
  return result;
}

Json judged(const ClaimInput& input, std::vector<data::Fact> grounded, std::vector<data::Fact> hallucinated,
            Json params) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "hallucinated-references");
  data::FactSet facts{.name = "records", .source = input.facts.source};
  for (auto* records : {&grounded, &hallucinated}) {
    Rng(input.seed, 2).shuffle(*records);
    records->resize(std::min(records->size(), most_of_a_class));
    facts.facts.insert(facts.facts.end(), records->begin(), records->end());
  }
  params["DQ3"] = "", params["samples"] = 10;
  return entry.run({input.model, facts, input.style, input.seed}, resolve_params(entry.card, params)).table;
}

double auroc(const Json& table, const char* score) { return table.at("scores").at(score).at("auroc").at("value"); }

// The share of invented records among the surer half of all.
double discovered_at_half(const Json& table) {
  for (const Json& point : table.at("scores").at("IQ").at("false_discovery"))
    if (point.at("kept").get<double>() >= 0.5) return point.at("hallucinated");
  return NAN;
}

std::vector<Figure> run(const ClaimInput& input) {
  const Almanac all = read(input.facts);
  const Json book{{"DQ1", "the known book is {subject} ."}, {"DQ2", "Q: {question} A: {answer}"}},
      report{{"DQ1", "the report {subject} appeared ."}, {"DQ2", "Q: {question} A: {answer}"}};
  const Json books = judged(input, memorised(all.asked), all.invented, book),
             any = judged(input, all.asked, all.invented, book),
             unasked = judged(input, memorised(all.unasked), all.invented, book),
             reports = judged(input, memorised(all.stable), as_reports(all), report),
             changing = judged(input, memorised(all.stable), memorised(all.changing), report);
  std::vector<Figure> figures{
      {"books: indirect query", "AUROC", auroc(books, "IQ"), ">=", 0.85, false, 0.5},
      {"reports: indirect query", "AUROC", auroc(reports, "IQ"), ">=", 0.85, false, 0.5},
      {"reports whose authors change: indirect query", "AUROC", auroc(changing, "IQ")},
      {"books, seldom stated ones as well: indirect query", "AUROC", auroc(any, "IQ"), "", 0, true},
      {"books never asked in this direction: indirect query", "AUROC", auroc(unasked, "IQ"), "", 0, true}};
  for (const auto& [name, table] : {std::pair<std::string, const Json*>{"books", &books}, {"reports", &reports}}) {
    for (const char* score : {"DQ1", "DQ2", "IQ + DQ", "IQ + DQ, ranks"})
      figures.push_back({name + ": " + score, "AUROC", auroc(*table, score)});
    for (const char* of : {"grounded", "hallucinated"})
      figures.push_back(
          {name + ": overlap of names, " + of, "share", table->at("scores").at("IQ").at(std::string("mean_") + of)});
    figures.push_back({name + ": invented among the surer half", "share", discovered_at_half(*table)});
  }
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "hallucinated-references",
              .family = "confidence",
              .title = "Consistency checks for invented references",
              .paper = "arXiv 2305.18248",
              .sentence = "Asked several times for the authors, the model names others for invented records and the "
                          "same for memorised ones: AUROC >= 0.85 from its own answers alone.",
              .example = "ken reproduce hallucinated-references"},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::hallucinated_references_claim_file
