// The world as others see it: parameters, documents by index, exact counts, the card.
#include "ken/world/world.h"

#include <array>
#include <mutex>
#include <set>

#include "ken/base/card.h"
#include "ken/base/error.h"
#include "ken/base/parallel.h"
#include "ken/world/documents.h"
#include "ken/world/people.h"
#include "ken/world/questions.h"
#include "ken/world/relations.h"

namespace ken::world {
namespace {

Card params_card() {
  const WorldParams d;
  Card card;
  card.id = "world";
  card.params = {{"version", world_version, "of the rules by which documents are made", 0, 1000},
                 {"seed", d.seed, "everything follows from it", 0, 1.8446744073709552e19},
                 {"people", d.people, "known persons", 20, 1e6},
                 {"unseen", d.unseen, "persons in no document", 0, 1e6},
                 {"exposure_ratio", d.exposure_ratio,
                  "how much more often the most frequent person is drawn than the rarest", 1, 1e9},
                 {"documents", d.documents, "how many documents a training run draws", 1, 1e9},
                 {"bias_high", d.bias_high, "P(engineer | Aru)", 0, 1},
                 {"bias_low", d.bias_low, "P(engineer | Belu)", 0, 1}};
  return card;
}

// What all documents of a run hold. Only persons who are asked about are counted, so that the size of a world does not
// matter.
struct Tally {
  std::vector<int64_t> persons;     // [place in asked * person_facts + fact]
  std::vector<int64_t> background;  // [fact]
  std::vector<std::pair<std::string_view, int64_t>> kinds;
  int64_t words = 0, marks = 0;  // blank-separated words; words such as "Q:" that split in two
};

void count_words(const std::string& text, Tally& tally) {
  ++tally.words;
  for (size_t i = 0; i < text.size(); ++i) {
    tally.words += text[i] == ' ';
    tally.marks += text[i] == ':';
  }
}

// Tallies of the same almanac: what `more` counted is added.
void add_counts(const Tally& more, Tally& tally) {
  for (size_t i = 0; i < more.persons.size(); ++i) tally.persons[i] += more.persons[i];
  for (size_t i = 0; i < more.background.size(); ++i) tally.background[i] += more.background[i];
  for (size_t i = 0; i < more.kinds.size(); ++i) tally.kinds[i].second += more.kinds[i].second;
  tally.words += more.words, tally.marks += more.marks;
}

void count_document(const Draft& draft, const Asked& asked, Tally& tally) {
  for (const auto& [person, fact] : draft.stated) {
    if (person < 0)
      ++tally.background[size_t(fact)];
    else if (const int place = asked.place(person); place >= 0)
      ++tally.persons[size_t(place) * person_facts + size_t(fact)];
  }
  for (auto& [kind, number] : tally.kinds) number += kind == draft.kind;
  count_words(draft.text, tally);
}

Tally count_run(const Almanac& almanac, const Asked& asked) {
  Tally none;
  none.persons.resize(asked.known().size() * person_facts);
  none.background.resize(almanac.background.all().size());
  for (const auto& share : kind_shares()) none.kinds.emplace_back(share.kind, 0);
  Tally all = none;
  std::mutex adding;
  in_ranges(almanac.people.params.documents, [&](int64_t begin, int64_t end) {
    Tally tally = none;
    Draft draft;
    for (int64_t index = begin; index < end; ++index) {
      write_document(almanac, index, draft);
      count_document(draft, asked, tally);
    }
    const std::lock_guard lock(adding);
    add_counts(tally, all);
  });
  return all;
}

// Facts of known persons by the number of documents that state them.
Json exposure_histogram(const Tally& tally) {
  struct Bin {
    const char* name;
    int64_t high, number = 0;
  };
  std::array<Bin, 6> bins = {{{"0", 0}, {"1-2", 2}, {"3-6", 6}, {"7-15", 15}, {"16-40", 40}, {"41+", INT64_MAX}}};
  for (size_t i = 0; i < tally.persons.size(); ++i) {
    if (i % person_facts >= size_t(relation_count)) continue;
    size_t place = 0;
    while (tally.persons[i] > bins[place].high) ++place;
    ++bins[place].number;
  }
  Json result = Json::object();
  for (const Bin& bin : bins) result[bin.name] = bin.number;
  return result;
}

Json split_sizes(const Population& people, const Asked& asked) {
  int64_t questions = 0, claims = 0, conflicts = 0, pairs = 0, second = 0, reversed = 0, hops = 0, second_only = 0;
  for (const int i : asked.known()) {
    questions += in_questions(i);
    claims += in_claims(i);
    conflicts += in_conflicts(i) && in_questions(i);
    second += people.second_language(i);
    reversed += in_reversed(i) && in_questions(i);
    hops += in_hops(i) && in_questions(i);
    for (int relation = 0; relation < relation_count; ++relation) {
      pairs += disputed_pair(i, relation);
      second_only += only_second(people, i, relation);
    }
  }
  return {{"persons_asked_about", asked.known().size()},
          {"persons_in_questions", questions},
          {"persons_in_claims", claims},
          {"persons_in_disputes", conflicts},
          {"pairs_in_disputes", pairs},
          {"persons_in_second_language", second},
          {"pairs_in_second_language_only", second_only},
          {"persons_in_reversed_questions", reversed},
          {"persons_in_hops", hops}};
}

}  // namespace

Json to_json(const WorldParams& p) {
  return {{"version", world_version},
          {"seed", p.seed},
          {"people", p.people},
          {"unseen", p.unseen},
          {"exposure_ratio", p.exposure_ratio},
          {"documents", p.documents},
          {"bias_high", p.bias_high},
          {"bias_low", p.bias_low}};
}

WorldParams world_params(const Json& json) {
  if (!json.is_object())
    fail_usage("world", "parameters are a JSON object such as {{\"seed\": 1}}, not {}", json.type_name());
  const Json all = resolve_params(params_card(), json);
  if (all["version"] != world_version)
    fail_usage("world",
               "these parameters are of version {}, this program makes version {}; make the world again, or "
               "use the program that made it",
               all["version"].dump(), world_version);
  return {all["seed"].get<uint64_t>(),         all["people"].get<int>(),        all["unseen"].get<int>(),
          all["exposure_ratio"].get<double>(), all["documents"].get<int64_t>(), all["bias_high"].get<double>(),
          all["bias_low"].get<double>()};
}

struct World::Impl {
  explicit Impl(const WorldParams& params)
      : almanac(world_params(to_json(params))), asked(almanac.people.params) {}  // checks the bounds
  const Tally& tally() const {
    std::call_once(counted, [this] { counts = count_run(almanac, asked); });
    return counts;
  }
  int64_t exposure(Stated s) const {
    if (s.person < 0) return tally().background[size_t(s.fact)];
    const int place = asked.place(s.person);
    return place < 0 ? 0 : tally().persons[size_t(place) * person_facts + size_t(s.fact)];
  }
  Almanac almanac;
  Asked asked;

 private:
  mutable std::once_flag counted;
  mutable Tally counts;
};

World::World(const WorldParams& params) : impl_(std::make_unique<Impl>(params)) {}
World::~World() = default;

const WorldParams& World::params() const { return impl_->almanac.people.params; }

namespace {
Document finished(Draft& draft) { return {std::move(draft.text), std::string(draft.kind), std::move(draft.answers)}; }
}  // namespace

Document World::document(int64_t index) const {
  if (index < 0) fail_usage("world", "document {} does not exist; the first is 0", index);
  Draft draft;
  write_document(impl_->almanac, index, draft);
  return finished(draft);
}

Document World::tuning_document(int64_t index) const {
  if (index < 0) fail_usage("world", "document {} does not exist; the first is 0", index);
  Draft draft;
  write_tuning_document(impl_->almanac, index, draft);
  return finished(draft);
}

std::vector<std::string> World::words() const {
  std::vector<std::string> words = language_words();
  std::set<std::string> known(words.begin(), words.end());
  const auto add = [&](const std::vector<std::string>& more) {
    for (const auto& word : more)
      if (known.insert(word).second) words.push_back(word);
  };
  const Vocabulary& v = impl_->almanac.people.words;
  for (const auto* list : {&v.first, &v.last, &v.countries, &v.adjectives, &v.nouns, &v.flowers, &v.ships, &v.gems,
                           &v.colours, &v.dates, &v.warm, &v.cold})
    add(*list);
  for (int relation = 0; relation < relation_count; ++relation) {
    add(v.values[size_t(relation)]);
    add(v.values2[size_t(relation)]);
  }
  return words;
}

data::FactSet World::facts() const {
  return make_questions(impl_->almanac, impl_->asked, [this](Stated s) { return impl_->exposure(s); });
}

Json World::card() const {
  const Tally& tally = impl_->tally();
  const Population& people = impl_->almanac.people;
  const int64_t documents = params().documents;
  Json kinds = Json::object();
  for (const auto& [kind, number] : tally.kinds)
    kinds[std::string(kind)] = {{"documents", number}, {"share", double(number) / double(documents)}};
  Json relations = Json::object();
  for (int relation = 0; relation < relation_count; ++relation)
    relations[std::string(phrases(relation).id)] = people.value_count(relation);
  const int64_t tokens = tally.words + tally.marks + 2 * documents;
  return {{"params", to_json(params())},
          {"documents", documents},
          {"words", words().size()},
          {"tokens", tokens},  // a word is one token, "Q:" two; BOS and EOS of each document
          {"mean_tokens", double(tokens) / double(documents)},
          {"kinds", kinds},
          {"relations", relations},
          {"background_facts", tally.background.size()},
          {"splits", split_sizes(people, impl_->asked)},
          {"exposure", exposure_histogram(tally)}};
}

data::PromptStyle prompt_style() {
  data::PromptStyle style;
  style.name = "almanac";
  style.question = "Q: {question} A:";
  style.context = "context: {context} {instruction} Q: {question} A:";
  style.stop = {" Q:", " remark:"};
  style.claim = "claim: {statement} verdict:";
  return style;
}

}  // namespace ken::world
