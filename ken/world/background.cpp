#include "ken/world/background.h"

#include <cmath>

namespace ken::world {
namespace {

constexpr uint64_t background_stream = setup_stream + 16;
constexpr int mayor_cities = 24;
constexpr double weight_range = 100;

const std::string& any(const std::vector<std::string>& list, Rng& rng) { return list[rng.below(list.size())]; }

std::string authors(const Population& people, Rng& rng) {
  const std::string first = people.name_text(people.fictional_name(rng));
  return first + " and " + people.name_text(people.fictional_name(rng));
}

}  // namespace

BackgroundFacts::BackgroundFacts(const Population& people) : ranks_(1, 0, 0) {
  Rng rng(people.params.seed, background_stream);
  add_places(people);
  add_mayors(people, rng);
  add_topics(people, rng);
  add_reports(people, rng);
  ranks_ = Permutation(facts_.size(), people.params.seed, background_stream + 1);
}

void BackgroundFacts::add_places(const Population& people) {
  const auto& cities = people.words.values[birth_city];
  for (int city = 0; city < int(cities.size()); ++city)
    facts_.push_back({country, cities[size_t(city)], people.words.countries[size_t(people.country_of(city))]});
  for (int company = 0; company < people.value_count(employer); ++company)
    facts_.push_back({office, people.value_text(employer, company), cities[size_t(people.office_of(company))]});
}

// One mayor for each date; the last one is the mayor when no date is given.
void BackgroundFacts::add_mayors(const Population& people, Rng& rng) {
  for (int city = 0; city < mayor_cities; ++city) {
    const std::string place = people.value_text(birth_city, city);
    std::string name;
    for (const auto& date : people.words.dates) {
      name = people.name_text(people.fictional_name(rng));
      facts_.push_back({mayor_in, place + " in " + date, name});
    }
    facts_.push_back({mayor, place, name});
  }
}

void BackgroundFacts::add_topics(const Population& people, Rng& rng) {
  const Vocabulary& v = people.words;
  for (const auto& flower : v.flowers) {
    facts_.push_back({flower_colour, flower, any(v.colours, rng), "flowers"});
    facts_.push_back({flower_city, flower, any(v.values[birth_city], rng), "flowers"});
  }
  for (const auto& ship : v.ships) {
    facts_.push_back({ship_port, ship, any(v.values[birth_city], rng), "ships"});
    facts_.push_back({ship_year, ship, any(v.values[birth_year], rng), "ships"});
  }
  for (const auto& gem : v.gems) {
    facts_.push_back({gem_colour, gem, any(v.colours, rng), "gems"});
    facts_.push_back({gem_country, gem, any(v.countries, rng), "gems"});
  }
}

void BackgroundFacts::add_reports(const Population& people, Rng& rng) {
  for (int report = 0; report < report_count; ++report) {
    const std::string title = people.title(uint64_t(people.size() + report));
    const bool stable = report % 2 == 0;
    facts_.push_back({report_year, title, any(people.words.values[birth_year], rng), "", stable});
    facts_.push_back({report_authors, title, authors(people, rng), "", stable});
  }
}

int BackgroundFacts::draw(Rng& rng) const {
  while (true) {
    const uint64_t fact = rng.below(facts_.size());
    const double place = (double(ranks_.at(fact)) + 0.5) / double(facts_.size());
    if (rng.uniform() * weight_range < std::pow(weight_range, place)) return int(fact);
  }
}

std::string BackgroundFacts::value(int fact, const Population& people, Rng& rng) const {
  const BackgroundFact& f = facts_[size_t(fact)];
  if (f.stable) return f.value;
  return f.relation == report_authors ? authors(people, rng) : any(people.words.values[birth_year], rng);
}

}  // namespace ken::world
