// Facts and context cases from records: our own form, PopQA's TSV, NQ-Swap's and CounterFact's records, each as it is
// published.
#include "ken/data/facts.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include <fmt/ranges.h>

#include <numeric>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/data/counterfact.h"
#include "ken/io/records.h"

namespace ken::data {
namespace {

const std::vector<std::string> kinds = {"conflict", "agree", "irrelevant", "reading"};
const std::vector<std::string> intents = {"none", "context", "memory"};

// The fields of one record, taken out one by one; what is left at the end is `extra`.
class Fields {
 public:
  Fields(const Json& fields, std::string where) : left_(fields), where_(std::move(where)) {}
  const std::string& where() const { return where_; }
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [name, value] : left_.items())
      if (result.size() < 8) result.push_back(name.substr(0, 40));
    return result;
  }
  bool has(const char* name) const { return left_.contains(name) && !left_[name].is_null() && left_[name] != ""; }

  // Numbers are accepted as text: ids and years are written both ways.
  std::string text(const char* name) {
    const Json value = take(name);
    if (value.is_null()) return {};
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number()) return value.dump();
    fail(where_, "'{}' must be text, found {}", name, value.type_name());
  }
  std::string first_text(std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (has(name)) return text(name);
    return {};
  }
  // A text, a list of texts, or a list that is itself written as JSON text.
  std::vector<std::string> texts(const char* name) {
    Json value = take(name);
    if (value.is_string() && value.get_ref<const std::string&>().starts_with('['))
      value = parse_list(name, value.get<std::string>());
    if (value.is_null() || value == "") return {};
    if (!value.is_array()) value = Json::array({value});
    std::vector<std::string> result;
    for (const Json& item : value) add_text(result, name, item);
    return result;
  }
  int64_t integer(const char* name, int64_t standard) {
    if (!has(name)) return standard;
    const Json value = take(name);
    if (value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > uint64_t(INT64_MAX)))
      return value.get<int64_t>();
    if (value.is_number_float() && std::abs(value.get<double>()) < 9e15) return int64_t(value.get<double>());
    int64_t number = 0;
    const std::string written = value.is_string() ? value.get<std::string>() : "";
    const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), number);
    if (error == std::errc() && end == written.data() + written.size() && !written.empty()) return number;
    fail(where_, "'{}' must be a whole number, found {}", name, dumped(value));
  }
  bool truth(const char* name) {
    const Json value = take(name);
    if (value.is_boolean()) return value.get<bool>();
    if (value == "true" || value == "false") return value == "true";
    fail(where_, "'{}' must be true or false, found {}", name, value.dump());
  }
  // [{kind, question | beginning, answers?, prompt?}]: the same fact asked in other ways; without answers, the fact's
  // own hold.
  std::vector<Variant> variants(const std::vector<std::string>& answers) {
    const Json list = take("variants");
    if (list.is_null()) return {};
    if (!list.is_array()) fail(where_, "'variants' must be a list, found {}", list.type_name());
    std::vector<Variant> result;
    for (const Json& item : list) {
      if (!item.is_object()) fail(where_, "'variants' must hold objects, found {}", item.type_name());
      Fields fields(item, where_ + " (variants)");
      Variant variant{fields.text("kind"), fields.text("question"), fields.texts("answers"), fields.text("prompt"),
                      fields.text("beginning")};
      if (variant.question.empty()) variant.question = variant.beginning;
      if (variant.kind.empty() || variant.question.empty())
        fail(where_, "each of 'variants' needs 'kind' and 'question'");
      if (variant.answers.empty()) variant.answers = answers;
      result.push_back(std::move(variant));
    }
    return result;
  }
  Json rest() {
    Json extra = left_.contains("extra") && left_["extra"].is_object() ? take("extra") : Json::object();
    for (const auto& [name, value] : left_.items()) extra[name] = value;
    return extra;
  }

 private:
  Json take(const char* name) {
    if (!left_.contains(name)) return nullptr;
    Json value = std::move(left_[name]);
    left_.erase(name);
    return value;
  }
  Json parse_list(const char* name, const std::string& written) const {
    Json list = Json::parse(written, nullptr, false);
    if (list.is_array()) return list;
    fail(where_, "'{}' begins with '[' but is no JSON list: {}; write [\"one\", \"two\"]", name, written.substr(0, 80));
  }
  void add_text(std::vector<std::string>& result, const char* name, const Json& item) const {
    if (!item.is_string() && !item.is_number()) fail(where_, "'{}' must hold texts, found {}", name, item.type_name());
    std::string text = item.is_string() ? item.get<std::string>() : item.dump();
    if (!text.empty() && !is_in(text, result)) result.push_back(std::move(text));
  }
  Json left_;
  std::string where_;
};

void append_new(std::vector<std::string>& list, const std::vector<std::string>& more) {
  for (const auto& text : more)
    if (!is_in(text, list)) list.push_back(text);
}

void check_choice(const Fields& fields, const char* name, const std::string& value,
                  const std::vector<std::string>& known) {
  if (!is_in(value, known)) fail(fields.where(), "{}", unknown_name(name, value, known));
}

[[noreturn]] void refuse_shape(const std::string& where, const std::vector<std::string>& found) {
  std::string known;
  for (const auto& shape : fact_shapes()) known += fmt::format("\n  {}: {}", shape.name, shape.example);
  fail(where, "no question; found the fields {}, and a record of facts is one of these:{}",
       found.empty() ? "none" : fmt::format("{}", fmt::join(found, ", ")), known);
}

class Reader {
 public:
  explicit Reader(const fs::path& path) : name_(path.string()) {
    set_.name = path.stem().string();
    set_.source = name_;
  }
  FactSet read(const std::vector<io::Record>& records);

 private:
  std::string where(size_t line) const { return name_ + ":" + std::to_string(line); }
  void add_fact(Fields fields, size_t line);
  void add_swap(Fields fields, size_t line);
  void add_counterfact(const Json& record, size_t line);
  void add_case(const Fact& fact, const char* kind, const std::string& context,
                const std::vector<std::string>& context_answers, size_t line);
  void add_context(Fields fields, size_t line);
  void add_claim(Fields fields, size_t line);
  Fact begin_fact(Fields& fields, size_t line);
  void finish_fact(Fact fact, Fields& fields, size_t line);
  void claim_id(const std::string& id, size_t line);
  const Fact& named_fact(const std::string& id, const std::string& where) const;

  std::string name_;
  FactSet set_;
  std::map<std::string, size_t> lines_;  // of ids, for the error that names both
  std::map<std::string, size_t> facts_;
};

FactSet Reader::read(const std::vector<io::Record>& records) {
  std::vector<const io::Record*> contexts, claims;  // may stand before their facts
  for (const auto& record : records) {
    if (!record.fields.is_object())
      fail(where(record.line), "a record must be an object, found {}", record.fields.type_name());
    Fields fields(record.fields, where(record.line));
    if (fields.has("kind") && fields.has("context"))
      contexts.push_back(&record);
    else if (fields.has("claim") && fields.has("truth"))
      claims.push_back(&record);
    else if (is_counterfact(record.fields))
      add_counterfact(record.fields, record.line);
    else if (fields.has("org_answer") || fields.has("sub_answer"))
      add_swap(std::move(fields), record.line);
    else
      add_fact(std::move(fields), record.line);
  }
  if (set_.facts.empty())
    fail(name_, "no facts; expected records such as {{\"question\": \"...\", \"answer\": \"...\"}}");
  for (const auto* record : contexts) add_context(Fields(record->fields, where(record->line)), record->line);
  for (const auto* record : claims) add_claim(Fields(record->fields, where(record->line)), record->line);
  return std::move(set_);
}

void Reader::claim_id(const std::string& id, size_t line) {
  const auto [at, fresh] = lines_.emplace(id, line);
  if (!fresh) fail(where(line), "id '{}' was already used in line {}; ids must differ", id, at->second);
}

Fact Reader::begin_fact(Fields& fields, size_t line) {
  Fact fact;
  const auto found = fields.names();
  fact.question = fields.text("question");
  fact.beginning = fields.text("beginning");
  if (fact.question.empty()) fact.question = fact.beginning;
  if (fact.question.empty()) refuse_shape(where(line), found);
  fact.id = fields.text("id");
  if (fact.id.empty()) fact.id = "line" + std::to_string(line);
  fact.subject = fields.first_text({"subject", "subj"});
  fact.relation = fields.first_text({"relation", "prop"});
  const bool counted = fields.has("exposure");
  set_.popularity = set_.popularity || (!counted && fields.has("s_pop"));
  fact.exposure = fields.integer(counted ? "exposure" : "s_pop", -1);
  fact.group = fields.text("group");
  fact.statement = fields.text("statement");
  return fact;
}

void Reader::finish_fact(Fact fact, Fields& fields, size_t line) {
  if (fact.answers.empty()) {
    fail(where(line), "no answer to '{}'; every record needs 'answer', 'answers' or 'possible_answers'",
         fact.question.substr(0, 80));
  }
  fact.variants = fields.variants(fact.answers);
  // Questions about one subject lean on each other; without a subject, equal questions do.
  if (fact.group.empty()) fact.group = fact.subject.empty() ? fact.question : fact.subject;
  fact.extra = fields.rest();
  claim_id(fact.id, line);
  facts_.emplace(fact.id, set_.facts.size());
  set_.facts.push_back(std::move(fact));
}

void Reader::add_case(const Fact& fact, const char* kind, const std::string& context,
                      const std::vector<std::string>& context_answers, size_t line) {
  const std::string id = fact.id + "." + kind;
  claim_id(id, line);
  set_.contexts.push_back({id, fact.id, kind, context, "", "none", fact.question, context_answers, fact.answers,
                           fact.subject, fact.exposure, fact.group, Json::object(), fact.beginning});
}

void Reader::add_fact(Fields fields, size_t line) {
  Fact fact = begin_fact(fields, line);
  for (const char* name : {"answer", "answers", "possible_answers"}) append_new(fact.answers, fields.texts(name));
  const std::string context = fields.text("context");
  finish_fact(std::move(fact), fields, line);
  if (context.empty()) return;
  const Fact added = set_.facts.back();
  const bool agrees = contains_answer(context, added.answers);
  add_case(added, agrees ? "agree" : "irrelevant", context, agrees ? added.answers : std::vector<std::string>(), line);
}

// {question, org_context, org_answer, sub_context, sub_answer}: the fact, its true passage and its counterfactual one.
void Reader::add_swap(Fields fields, size_t line) {
  Fact fact = begin_fact(fields, line);
  fact.answers = fields.texts("org_answer");
  const std::string original = fields.text("org_context"), substituted = fields.text("sub_context");
  const auto other = fields.texts("sub_answer");
  if (substituted.empty() || other.empty()) {
    fail(where(line), "a record with 'org_answer' needs 'sub_context' and 'sub_answer'; {} is missing",
         substituted.empty() ? "'sub_context'" : "'sub_answer'");
  }
  finish_fact(std::move(fact), fields, line);
  const Fact added = set_.facts.back();
  if (!original.empty()) add_case(added, "agree", original, added.answers, line);
  add_case(added, "conflict", substituted, other, line);
}

// The counterfactual sentence is a passage that contradicts the fact, the true one a passage that agrees.
void Reader::add_counterfact(const Json& record, size_t line) {
  const CounterFact read = read_counterfact(record, where(line), line);
  Fact fact;
  fact.id = read.id;
  fact.subject = fact.group = read.subject;
  fact.relation = read.relation;
  fact.question = fact.beginning = read.beginning;
  fact.answers = {read.target_true};
  fact.statement = read.beginning + " " + read.target_true + ".";
  for (const auto& other : read.paraphrases) fact.variants.push_back({"paraphrase", other, fact.answers, "", other});
  fact.extra = {{"target_new", read.target_new}, {"neighborhood_prompts", read.neighborhood}};
  claim_id(fact.id, line);
  facts_.emplace(fact.id, set_.facts.size());
  set_.facts.push_back(fact);
  add_case(fact, "agree", fact.statement, fact.answers, line);
  add_case(fact, "conflict", read.beginning + " " + read.target_new + ".", {read.target_new}, line);
}

const Fact& Reader::named_fact(const std::string& id, const std::string& where) const {
  const auto found = facts_.find(id);
  if (found != facts_.end()) return set_.facts[found->second];
  std::vector<std::string> known;
  for (size_t i = 0; i < std::min<size_t>(set_.facts.size(), 10000); ++i) known.push_back(set_.facts[i].id);
  fail(where, "{}", unknown_name("fact", id, known));
}

void Reader::add_context(Fields fields, size_t line) {
  const std::string id = fields.text("fact");
  if (id.empty())
    fail(where(line), "a record with 'kind' and 'context' needs 'fact', the id of the fact it asks about");
  const Fact& fact = named_fact(id, where(line));
  ContextCase item;
  item.fact = id;
  item.id = fields.text("id");
  if (item.id.empty()) item.id = "line" + std::to_string(line);
  item.kind = fields.text("kind");
  item.context = fields.text("context");
  item.instruction = fields.text("instruction");
  item.intent = fields.has("intent") ? fields.text("intent") : "none";
  item.beginning = fields.has("beginning") || fields.has("question") ? fields.text("beginning") : fact.beginning;
  item.question = fields.has("question")   ? fields.text("question")
                  : item.beginning.empty() ? fact.question
                                           : item.beginning;
  item.context_answers = fields.texts("context_answers");
  item.answers = fields.has("answers") ? fields.texts("answers") : fact.answers;
  item.context_subject = fields.has("context_subject") ? fields.text("context_subject") : fact.subject;
  item.exposure = fields.integer("exposure", fact.exposure);
  item.group = fields.has("group") ? fields.text("group") : fact.group;
  check_choice(fields, "kind", item.kind, kinds);
  check_choice(fields, "intent", item.intent, intents);
  if (item.context_answers.empty() && item.kind == "agree") item.context_answers = item.answers;
  if (item.context_answers.empty() && item.kind != "irrelevant") {
    fail(where(line), "kind '{}' needs 'context_answers': what the passage says", item.kind);
  }
  item.extra = fields.rest();
  claim_id(item.id, line);
  set_.contexts.push_back(std::move(item));
}

void Reader::add_claim(Fields fields, size_t line) {
  Claim claim;
  claim.fact = fields.text("fact");
  const Fact* fact = claim.fact.empty() ? nullptr : &named_fact(claim.fact, where(line));
  claim.id = fields.text("id");
  if (claim.id.empty()) claim.id = "line" + std::to_string(line);
  claim.statement = fields.text("claim");
  claim.truth = fields.truth("truth");
  claim.exposure = fields.integer("exposure", fact ? fact->exposure : -1);
  claim.group = fields.has("group") ? fields.text("group") : fact ? fact->group : claim.statement;
  claim.extra = fields.rest();
  claim_id(claim.id, line);
  set_.claims.push_back(std::move(claim));
}

}  // namespace

const std::vector<FactShape>& fact_shapes() {
  static const std::vector<FactShape> shapes = {
      {"questions",
       R"({"question": "Where was Ada Lovelace born?", "answers": ["London"], "subject": "Ada Lovelace"})"},
      {"with a passage",
       R"({"question": "Where was Ada born?", "answer": "London", "context": "Ada, born in London, ..."})"},
      {"PopQA's TSV", "columns question, possible_answers, subj, prop, s_pop, ..., as published"},
      {"CounterFact's JSON",
       R"([{"case_id": 0, "requested_rewrite": {"prompt": "{} was born in", "subject": "Ada Lovelace", )"
       R"("target_true": {"str": "London"}, "target_new": {"str": "Rome"}}, "paraphrase_prompts": [...]}])"},
      {"NQ-Swap",
       R"({"question": "...", "org_context": "...", "org_answer": ["London"], "sub_context": "...", "sub_answer": ["Rome"]})"},
      {"a passage of its own", R"({"fact": "ID", "kind": "conflict", "context": "...", "context_answers": ["Rome"]})"},
      {"a claim", R"({"claim": "Ada Lovelace was born in Rome.", "truth": false})"}};
  return shapes;
}

FactSet draw_facts(FactSet set, size_t limit, uint64_t seed) {
  if (set.facts.size() <= limit) return set;
  std::vector<size_t> order(set.facts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Rng(seed).shuffle(order);
  order.resize(limit);
  std::sort(order.begin(), order.end());
  std::vector<Fact> kept;
  std::set<std::string> ids;
  for (const size_t i : order) {
    kept.push_back(std::move(set.facts[i]));
    ids.insert(kept.back().id);
  }
  set.facts = std::move(kept);
  std::erase_if(set.contexts, [&](const ContextCase& item) { return !ids.count(item.fact); });
  std::erase_if(set.claims, [&](const Claim& item) { return !item.fact.empty() && !ids.count(item.fact); });
  return set;
}

FactSet read_facts(const fs::path& path) { return Reader(path).read(io::read_records(path)); }

Json to_json(const Fact& fact) {
  Json variants = Json::array();
  for (const auto& v : fact.variants)
    variants.push_back({{"kind", v.kind}, {"question", v.question}, {"answers", v.answers}, {"prompt", v.prompt}});
  for (size_t i = 0; i < variants.size(); ++i)
    if (!fact.variants[i].beginning.empty()) variants[i]["beginning"] = fact.variants[i].beginning;
  Json json{{"id", fact.id},
            {"subject", fact.subject},
            {"relation", fact.relation},
            {"question", fact.question},
            {"answers", fact.answers},
            {"exposure", fact.exposure},
            {"group", fact.group},
            {"statement", fact.statement},
            {"variants", variants},
            {"extra", fact.extra}};
  if (!fact.beginning.empty()) json["beginning"] = fact.beginning;
  return json;
}

Json to_json(const ContextCase& item) {
  Json json{{"id", item.id},
            {"fact", item.fact},
            {"kind", item.kind},
            {"context", item.context},
            {"instruction", item.instruction},
            {"intent", item.intent},
            {"question", item.question},
            {"context_answers", item.context_answers},
            {"answers", item.answers},
            {"context_subject", item.context_subject},
            {"exposure", item.exposure},
            {"group", item.group},
            {"extra", item.extra}};
  if (!item.beginning.empty()) json["beginning"] = item.beginning;
  return json;
}

Json to_json(const Claim& claim) {
  return {{"id", claim.id},       {"fact", claim.fact},         {"claim", claim.statement},
          {"truth", claim.truth}, {"exposure", claim.exposure}, {"group", claim.group},
          {"extra", claim.extra}};
}

}  // namespace ken::data
