// The almanac's persons, their facts and their weights, computed from (seed, index).
#include "ken/world/people.h"

#include <cmath>

namespace ken::world {
namespace {

enum Setup : uint64_t { places = setup_stream, name_order = setup_stream + 2, title_order, rank_order, language_order };

}  // namespace

Population::Population(const WorldParams& given)
    : params(given),
      words(make_vocabulary(given.people + given.unseen)),
      names_(words.first.size() * words.last.size(), given.seed, name_order),
      titles_(words.adjectives.size() * words.nouns.size(), given.seed, title_order),
      ranks_(uint64_t(given.people), given.seed, rank_order),
      languages_(uint64_t(given.people), given.seed, language_order) {
  Rng rng(params.seed, places);
  for (int city = 0; city < value_count(birth_city); ++city) country_.push_back(int(rng.below(words.countries.size())));
  for (int company = 0; company < value_count(employer); ++company)
    office_.push_back(int(rng.below(uint64_t(value_count(birth_city)))));
}

std::array<int, relation_count> Population::values(int person) const {
  Rng rng(params.seed, person_streams + uint64_t(person));
  std::array<int, relation_count> values{};
  for (int relation = 0; relation < book; ++relation)
    values[size_t(relation)] = int(rng.below(uint64_t(value_count(relation))));
  values[job] = draw_job(values[group], rng);
  values[book] = int(titles_.at(uint64_t(person)));
  return values;
}

double Population::weight(int person) const {
  const double place = (double(ranks_.at(uint64_t(person))) + 0.5) / double(params.people);
  return std::exp(place * std::log(params.exposure_ratio));
}

bool Population::second_language(int person) const {
  return seen(person) && languages_.at(uint64_t(person)) < uint64_t(params.people / 2);
}

std::string Population::title(uint64_t place) const { return value_text(book, int(titles_.at(place))); }

int Population::value_count(int relation) const {
  return relation == book ? int(words.adjectives.size() * words.nouns.size())
                          : int(words.values[size_t(relation)].size());
}

std::string Population::value_text(int relation, int value) const {
  if (relation != book) return words.values[size_t(relation)][size_t(value)];
  const int nouns = int(words.nouns.size());
  return words.adjectives[size_t(value / nouns)] + " " + words.nouns[size_t(value % nouns)];
}

std::string Population::value_text2(int relation, int value) const {
  const auto& translated = words.values2[size_t(relation)];
  return translated.empty() ? value_text(relation, value) : translated[size_t(value)];
}

int Population::draw_job(int group_value, Rng& rng) const {
  if (rng.chance(group_value == 0 ? params.bias_high : params.bias_low)) return 0;
  return 1 + int(rng.below(uint64_t(value_count(job) - 1)));
}

int Population::other_value(int relation, int value, Rng& rng) const {
  const int drawn = int(rng.below(uint64_t(value_count(relation) - 1)));
  return drawn + (drawn >= value);
}

Name Population::fictional_name(Rng& rng) const {
  while (true) {
    const uint64_t pair = rng.below(names_.size());
    if (names_.place(pair) >= uint64_t(size())) return name_of(pair);
  }
}

double Population::memory_share(int person) const {
  const double range = std::log(params.exposure_ratio);
  return range > 0 ? 0.1 + 0.8 * std::log(weight(person)) / range : 0.5;
}

}  // namespace ken::world
