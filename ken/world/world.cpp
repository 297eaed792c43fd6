// The world as others see it: parameters, documents by index, exact counts, the card.
#include "ken/world/world.h"

#include <array>
#include <mutex>
#include <set>

#include "ken/base/card.h"
#include "ken/base/error.h"
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
  card.params = {{"seed", d.seed, "everything follows from it", 0, 1.8446744073709552e19},
                 {"people", d.people, "known persons", 20, 1e6},
                 {"unseen", d.unseen, "persons in no document", 0, 1e6},
                 {"exposure_ratio", d.exposure_ratio,
                  "how much more often the most frequent person is drawn than the rarest", 1, 1e9},
                 {"documents", d.documents, "how many documents a training run draws", 1, 1e9},
                 {"bias_high", d.bias_high, "P(engineer | Aru)", 0, 1},
                 {"bias_low", d.bias_low, "P(engineer | Belu)", 0, 1}};
  return card;
}

// What all documents of a run hold.
struct Tally {
  std::vector<int64_t> exposure;  // [person * relation_count + relation]
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

Tally count_run(const Population& people) {
  Tally tally;
  tally.exposure.resize(people.persons.size() * relation_count);
  for (const auto& share : kind_shares()) tally.kinds.emplace_back(share.kind, 0);
  Draft draft;
  for (int64_t index = 0; index < people.params.documents; ++index) {
    write_document(people, index, draft);
    for (const auto& [person, relation] : draft.stated)
      ++tally.exposure[size_t(person) * relation_count + size_t(relation)];
    for (auto& [kind, number] : tally.kinds) number += kind == draft.kind;
    count_words(draft.text, tally);
  }
  return tally;
}

// Facts of known persons by the number of documents that state them.
Json exposure_histogram(const Population& people, const Tally& tally) {
  struct Bin {
    const char* name;
    int64_t high, number = 0;
  };
  std::array<Bin, 6> bins = {{{"0", 0}, {"1-2", 2}, {"3-6", 6}, {"7-15", 15}, {"16-40", 40}, {"41+", INT64_MAX}}};
  for (size_t i = 0; i < size_t(people.params.people) * relation_count; ++i) {
    size_t place = 0;
    while (tally.exposure[i] > bins[place].high) ++place;
    ++bins[place].number;
  }
  Json result = Json::object();
  for (const Bin& bin : bins) result[bin.name] = bin.number;
  return result;
}

Json split_sizes(const Population& people) {
  int64_t asked = 0, claimed = 0, conflicts = 0, pairs = 0, second = 0, reversed = 0;
  for (int i = 0; i < people.params.people; ++i) {
    asked += in_questions(i);
    claimed += in_claims(i);
    conflicts += in_conflicts(i) && in_questions(i);
    second += people.persons[size_t(i)].second_language;
    reversed += in_reversed(i) && in_questions(i);
    for (int relation = 0; relation < relation_count; ++relation) pairs += conflict_trained(i, relation);
  }
  return {{"persons_in_questions", asked},        {"persons_in_claims", claimed},
          {"persons_in_conflicts", conflicts},    {"pairs_in_conflicts", pairs},
          {"persons_in_second_language", second}, {"persons_in_reversed_questions", reversed}};
}

}  // namespace

Json to_json(const WorldParams& p) {
  return {{"seed", p.seed},           {"people", p.people},
          {"unseen", p.unseen},       {"exposure_ratio", p.exposure_ratio},
          {"documents", p.documents}, {"bias_high", p.bias_high},
          {"bias_low", p.bias_low}};
}

WorldParams world_params(const Json& json) {
  if (!json.is_object())
    fail_usage("world", "parameters are a JSON object such as {{\"seed\": 1}}, not {}", json.type_name());
  const Json all = resolve_params(params_card(), json);
  return {all["seed"].get<uint64_t>(),         all["people"].get<int>(),        all["unseen"].get<int>(),
          all["exposure_ratio"].get<double>(), all["documents"].get<int64_t>(), all["bias_high"].get<double>(),
          all["bias_low"].get<double>()};
}

struct World::Impl {
  explicit Impl(const WorldParams& params) : people(world_params(to_json(params))) {}  // checks the bounds
  const Tally& tally() const {
    std::call_once(counted, [this] { counts = count_run(people); });
    return counts;
  }
  Population people;

 private:
  mutable std::once_flag counted;
  mutable Tally counts;
};

World::World(const WorldParams& params) : impl_(std::make_unique<Impl>(params)) {}
World::~World() = default;

const WorldParams& World::params() const { return impl_->people.params; }

Document World::document(int64_t index) const {
  if (index < 0) fail_usage("world", "document {} does not exist; the first is 0", index);
  Draft draft;
  write_document(impl_->people, index, draft);
  return {std::move(draft.text), std::string(draft.kind), std::move(draft.answers)};
}

std::vector<std::string> World::words() const {
  std::vector<std::string> words = language_words();
  std::set<std::string> known(words.begin(), words.end());
  const auto add = [&](const std::vector<std::string>& more) {
    for (const auto& word : more)
      if (known.insert(word).second) words.push_back(word);
  };
  const Vocabulary& v = impl_->people.words;
  for (const auto* names : {&v.first, &v.last, &v.countries, &v.adjectives, &v.nouns}) add(*names);
  for (int relation = 0; relation < relation_count; ++relation) {
    if (relation == book) continue;  // two words each, added above
    add(v.values[size_t(relation)]);
    add(v.values2[size_t(relation)]);
  }
  return words;
}

data::FactSet World::facts() const { return make_questions(impl_->people, impl_->tally().exposure); }

Json World::card() const {
  const Tally& tally = impl_->tally();
  const int64_t documents = params().documents;
  Json kinds = Json::object();
  for (const auto& [kind, number] : tally.kinds)
    kinds[std::string(kind)] = {{"documents", number}, {"share", double(number) / double(documents)}};
  Json relations = Json::object();
  for (int relation = 0; relation < relation_count; ++relation)
    relations[std::string(phrases(relation).id)] = impl_->people.value_count(relation);
  const int64_t tokens = tally.words + tally.marks + 2 * documents;
  return {{"params", to_json(params())},
          {"documents", documents},
          {"words", words().size()},
          {"tokens", tokens},  // a word is one token, "Q:" two; BOS and EOS of each document
          {"mean_tokens", double(tokens) / double(documents)},
          {"kinds", kinds},
          {"relations", relations},
          {"splits", split_sizes(impl_->people)},
          {"exposure", exposure_histogram(impl_->people, tally)}};
}

data::PromptStyle prompt_style() {
  return {"almanac", "Q: {question} A:", "context: {context} {instruction} Q: {question} A:", {" Q:"}};
}

}  // namespace ken::world
