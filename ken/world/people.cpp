// Drawing the almanac's persons, their facts and their weights from the seed.
#include "ken/world/people.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ken::world {

void Lottery::add(int member, double weight) {
  members_.push_back(member);
  sums_.push_back(weight + (sums_.empty() ? 0 : sums_.back()));
}

int Lottery::draw(Rng& rng) const {
  const double point = rng.uniform() * sums_.back();
  const size_t place = size_t(std::upper_bound(sums_.begin(), sums_.end(), point) - sums_.begin());
  return members_[std::min(place, members_.size() - 1)];
}

Population::Population(const WorldParams& given) : params(given), words(make_vocabulary(given.people + given.unseen)) {
  Rng rng(params.seed, setup_stream);
  for (int city = 0; city < value_count(birth_city); ++city) country.push_back(int(rng.below(words.countries.size())));
  std::vector<int> titles(size_t(value_count(book)));
  std::iota(titles.begin(), titles.end(), 0);
  rng.shuffle(titles);
  taken_.resize(words.first.size() * words.last.size());
  const int total = params.people + params.unseen;
  persons.reserve(size_t(total));
  for (int i = 0; i < total; ++i) add_person(rng, titles[size_t(i)], seen(i));
  std::vector<int> order(size_t(params.people));
  std::iota(order.begin(), order.end(), 0);
  rng.shuffle(order);
  for (int i = 0; i < params.people / 2; ++i) persons[size_t(order[size_t(i)])].second_language = true;
  fill_lotteries();
}

void Population::add_person(Rng& rng, int title, bool known_person) {
  Person person;
  person.name = fictional_name(rng);
  taken_[pair_of(person.name)] = true;
  for (int relation = 0; relation < relation_count; ++relation)
    person.values[size_t(relation)] = int(rng.below(uint64_t(value_count(relation))));
  person.values[book] = title;
  person.values[job] = draw_job(person.values[group], rng);
  person.weight = known_person ? std::exp(rng.uniform() * std::log(params.exposure_ratio)) : 0;
  persons.push_back(person);
}

void Population::fill_lotteries() {
  for (int i = 0; i < params.people; ++i) {
    const Person& person = persons[size_t(i)];
    known.add(i, person.weight);
    if (in_claims(i)) claimed.add(i, person.weight);
    if (person.second_language) second.add(i, person.weight);
    if (!in_questions(i)) continue;
    asked.add(i, person.weight);
    if (person.second_language) asked_second.add(i, person.weight);
    if (in_reversed(i)) reversed.add(i, person.weight);
    if (in_conflicts(i)) in_conflict.add(i, person.weight);
  }
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
    const Name name{int(rng.below(words.first.size())), int(rng.below(words.last.size()))};
    if (!taken_[pair_of(name)]) return name;
  }
}

double Population::memory_share(int person) const {
  const double range = std::log(params.exposure_ratio);
  return range > 0 ? 0.1 + 0.8 * std::log(persons[size_t(person)].weight) / range : 0.5;
}

}  // namespace ken::world
